// How a later message of the same order, result or document changes what is there. What is newer stays (../ordering.ts); of
// two messages of one time the status that is further on stays.
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import type { Mapping } from '../context.ts';
import { merging } from '../merge.ts';
import { isOutdated, type Order, unitedMeta } from '../ordering.ts';
import { requestRanks } from './control.ts';
import { ofOnePatient } from './whose.ts';

type Merge = NonNullable<TransactionEntry['merge']>;

function ranked(mapping: Mapping, statuses: readonly string[]): Order {
  const { warnings } = mapping;
  return { warnings, rank: (resource: JsonObject) => statuses.indexOf(String(resource.status)) };
}

const resultRanks =
  'unknown registered preliminary partial final amended corrected appended cancelled entered-in-error';
const observationRanks = resultRanks.split(' ');

// Elements of a result that its own segment does not carry: a later message of the same result keeps them.
const linked = ['hasMember', 'derivedFrom'] as const;

/**
 * Of an Observation. `replace`: the result as it now is, since a corrected one has not what the message leaves out.
 * `status`: the result stays what it was and only its status changes, if the message has no value of its own.
 */
export function resultMerge(mapping: Mapping, kind: 'replace' | 'status'): Merge {
  const order = ranked(mapping, observationRanks);
  return ofOnePatient(mapping, (existing, incoming) => {
    if (existing === undefined) return incoming;
    if (isOutdated(existing, incoming, order)) return existing;
    const meta = unitedMeta(existing.meta, incoming.meta);
    if (kind === 'status' && !hasValue(incoming) && hasValue(existing)) return statusOnly(existing, incoming, meta);
    const result: Resource = { ...incoming, meta };
    for (const name of linked) result[name] ??= existing[name];
    return withoutUndefined(result);
  });
}

function statusOnly(existing: Resource, incoming: Resource, meta: JsonObject): Resource {
  const { status, issued } = incoming;
  const { dataAbsentReason: _absent, ...others } = existing;
  return { ...others, meta, status, ...(issued === undefined ? {} : { issued }) } as Resource;
}

function hasValue(resource: Resource): boolean {
  for (const name in resource) if (name.startsWith('value') || name === 'component') return true;
  return false;
}

function withoutUndefined(resource: Resource): Resource {
  for (const name in resource) if (resource[name] === undefined) delete resource[name];
  return resource;
}

const byReference = (item: JsonObject): string => JSON.stringify(item.reference ?? item.identifier ?? item);
const byValue = (item: JsonObject): string => JSON.stringify(item);

/**
 * Of a DiagnosticReport: a later message of the same order may carry only what changed, so that results are united; a form
 * that comes again takes the place of what it was. `withdrawn`: ids of forms that the report has no longer; `cleared`:
 * elements that it has no longer.
 */
export function reportMerge(mapping: Mapping, withdrawn: ReadonlySet<string>, cleared: readonly string[]): Merge {
  const change = merging({
    cleared,
    ordered: ranked(mapping, observationRanks),
    united: { result: byReference, specimen: byReference, basedOn: byReference },
    replacedByKey: { presentedForm: formKey },
  });
  return ofOnePatient(mapping, (existing, incoming) => {
    const result = change(existing, incoming);
    const forms = result.presentedForm as JsonObject[] | undefined;
    if (withdrawn.size === 0 || forms === undefined || result === existing) return result;
    const presentedForm = forms.filter((form) => !withdrawn.has(formKey(form)));
    return withoutUndefined({ ...result, presentedForm: presentedForm.length > 0 ? presentedForm : undefined });
  });
}

/** Data that are a Binary's are known by its id, others by their own. */
function formKey({ id, url, ...form }: JsonObject): string {
  return String(id ?? url ?? JSON.stringify(form)).replace(/^Binary\//, '');
}

/** Of a ServiceRequest, MedicationRequest and the like. */
export function requestMerge(mapping: Mapping, defaults: ReadonlySet<string>): Merge {
  const change = merging({
    ordered: ranked(mapping, requestRanks),
    defaults,
    united: {
      specimen: byReference,
      supportingInfo: byReference,
      replaces: byReference,
      basedOn: byReference,
      note: byValue,
      reasonReference: byReference,
    },
  });
  return ofOnePatient(mapping, change);
}

const taskRanks = ['requested', 'accepted', 'rejected', 'completed'];

export function taskMerge(mapping: Mapping): Merge {
  return ofOnePatient(mapping, merging({ ordered: ranked(mapping, taskRanks) }));
}

/**
 * Of what has no status that counts: the latest message holds, and what it leaves out stays, as do the elements that it only
 * stands in for (`defaults`).
 */
export function latestMerge(mapping: Mapping, defaults: ReadonlySet<string> = new Set()): Merge {
  return merging({ ordered: { warnings: mapping.warnings }, defaults });
}

const eventRanks = ['preparation', 'in-progress', 'not-done', 'completed', 'stopped', 'entered-in-error'];

/** Of an Immunization, MedicationAdministration or MedicationDispense: what was done, as the latest message tells it. */
export function eventMerge(mapping: Mapping): Merge {
  return ofOnePatient(mapping, merging({ ordered: ranked(mapping, eventRanks) }));
}

const documentRanks = ['current', 'superseded', 'entered-in-error'];

/** Of a DocumentReference: its content is replaced as a whole, its relations are united. */
export function documentMerge(mapping: Mapping, defaults: ReadonlySet<string>): Merge {
  const order = ranked(mapping, documentRanks);
  return ofOnePatient(mapping, merging({ ordered: order, defaults, united: { relatesTo: byValue } }));
}
