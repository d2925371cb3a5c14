// How a later message of the same order, result or document changes what is there. What is newer stays (../ordering.ts); of
// two messages of one time the status that is further on stays.
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import { list } from '../compact.ts';
import type { Mapping } from '../context.ts';
import { merging } from '../merge.ts';
import { isOutdated, type Order, unitedMeta } from '../ordering.ts';
import { requestRanks } from './control.ts';
import { isWithdrawn, ofOnePatient } from './whose.ts';

type Merge = NonNullable<TransactionEntry['merge']>;

function ranked(mapping: Mapping, statuses: readonly string[]): Order {
  const { warnings } = mapping;
  return { warnings, rank: (resource: JsonObject) => statuses.indexOf(String(resource.status)) };
}

const resultRanks =
  'unknown registered preliminary partial final amended corrected appended cancelled entered-in-error';
const observationRanks = resultRanks.split(' ');

// Elements of a result that its own segment does not carry (PV1, SPM, OBR-24): a later message of the same result keeps them.
const linked = ['hasMember', 'derivedFrom', 'encounter', 'specimen', 'category'] as const;

/**
 * Of an Observation. `replace`: the result as it now is, since a corrected one has not what the message leaves out.
 * `status`: the result stays what it was and only its status changes, if the message has no value of its own.
 */
export function resultMerge(mapping: Mapping, kind: 'replace' | 'status'): Merge {
  const order = ranked(mapping, observationRanks);
  return ofOnePatient(mapping, (existing, incoming) => {
    if (existing === undefined) return incoming;
    if (isOutdated(existing, incoming, order)) return existing;
    if (isFinished(existing) && isOfAnotherTime(existing, incoming)) mapping.warnings.add(anotherTime);
    const meta = unitedMeta(existing.meta, incoming.meta);
    if (kind === 'status' && !hasValue(incoming) && hasValue(existing)) return statusOnly(existing, incoming, meta);
    const result: Resource = { ...incoming, meta };
    for (const name of linked) result[name] ??= existing[name];
    return withoutUndefined(result);
  });
}

/**
 * Of two results of one code under one order the message may mean either, where it has one of them alone: its place is the
 * first's. Laboratories that write the time of the analysis change it with the status, so that it is not refused.
 */
const anotherTime =
  'OBX-14: another time than that of the final result which it replaces; results of one code need an OBX-4 to be told apart';

const finished = new Set(['final', 'amended', 'corrected']);
const isFinished = ({ status }: Resource): boolean => finished.has(String(status));

function isOfAnotherTime(existing: Resource, incoming: Resource): boolean {
  const [before, after] = [existing.effectiveDateTime, incoming.effectiveDateTime].map((time) =>
    Date.parse(String(time)),
  );
  return !Number.isNaN(before) && !Number.isNaN(after) && before !== after;
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

/** What a message takes away from a report. */
export interface Withdrawal {
  /** Ids of forms that the report has no longer. */
  forms: ReadonlySet<string>;
  /** What the documents of the message were before, known once they are written: forms of old reports have no id. */
  former: ReadonlySet<string>;
  /** Elements that the report has no longer. */
  cleared: readonly string[];
  /** Ids of the message's forms to those that they have in the report; filled once it is known which report it is. */
  known: ReadonlyMap<string, string>;
}

const reportLists = { result: byReference, specimen: byReference, basedOn: byReference };

/**
 * Of a DiagnosticReport: a later message of the same order may carry only what changed, so that results are united; a form
 * that comes again takes the place of what it was.
 */
export function reportMerge(mapping: Mapping, withdrawal: Withdrawal): Merge {
  const change = merging({
    cleared: withdrawal.cleared,
    ordered: ranked(mapping, observationRanks),
    united: reportLists,
    replacedByKey: { presentedForm: formKey },
  });
  return ofOnePatient(mapping, (existing, incoming) => {
    if (existing === undefined) return change(existing, incoming);
    const before = withoutForms(existing, replacedBy(incoming, withdrawal));
    const result = change(before, withKnownForms(incoming, withdrawal.known));
    const gone = new Set([...withdrawal.forms].map((id) => withdrawal.known.get(id) ?? id));
    return result === before ? existing : withoutForms(result, (form) => gone.has(formKey(form)));
  });
}

/**
 * Of a DiagnosticReport whose order a message names twice: both have the same time, so that the results of both are the
 * report's. What is withdrawn first is there again with the second; else the status that is further on stays.
 */
export function secondOfReport(mapping: Mapping, { forms, cleared }: Withdrawal): Merge {
  const change = merging({ cleared, united: reportLists, replacedByKey: { presentedForm: formKey } });
  const rank = ({ status }: Resource): number => (isWithdrawn(status) ? 0 : observationRanks.indexOf(String(status)));
  return ofOnePatient(mapping, (first, second) => {
    if (first === undefined) return second;
    const result = withoutForms(change(first, second), (form) => forms.has(formKey(form)));
    const isFurther = isWithdrawn(second.status) || rank(second) >= rank(first);
    return isFurther ? result : { ...result, status: first.status };
  });
}

/** Forms that have no Binary keep the id that they have in the report. */
function withKnownForms(report: Resource, known: ReadonlyMap<string, string>): Resource {
  if (known.size === 0) return report;
  const presentedForm = list(report.presentedForm).map((form) => {
    const id = known.get(String(form.id));
    return id === undefined ? form : { ...form, id };
  });
  return presentedForm.length === 0 ? report : { ...report, presentedForm };
}

/** Data that are a Binary's are known by its id, others by their own. */
function formKey({ id, url, ...form }: JsonObject): string {
  return String(id ?? url ?? JSON.stringify(form)).replace(/^Binary\//, '');
}

/** What a form says or where it is. */
export const contentKey = ({ url, data }: JsonObject): string => String(url ?? data);

/**
 * Forms without an id, whose content comes again or is what a document of the message was before, and those that have come under
 * the order's other number.
 */
function replacedBy(incoming: Resource, { former, known }: Withdrawal): (form: JsonObject) => boolean {
  const forms = list(incoming.presentedForm);
  const again = new Set(forms.map(contentKey));
  const named = new Set(forms.map((form) => known.get(formKey(form))));
  return (form) =>
    named.has(formKey(form)) ||
    (form.id === undefined && (again.has(contentKey(form)) || former.has(contentKey(form))));
}

function withoutForms(report: Resource, isGone: (form: JsonObject) => boolean): Resource {
  const forms = list(report.presentedForm);
  const kept = forms.filter((form) => !isGone(form));
  if (kept.length === forms.length) return report;
  return withoutUndefined({ ...report, presentedForm: kept.length > 0 ? kept : undefined });
}

/** What a request has to have. */
const kept = new Set(['status', 'intent', 'code', 'subject']);

/** Of a ServiceRequest, MedicationRequest and the like; `cleared`: elements that have no value any more (`""`). */
export function requestMerge(mapping: Mapping, defaults: ReadonlySet<string>, cleared: readonly string[] = []): Merge {
  const change = merging({
    cleared: cleared.filter((path) => !kept.has(path)),
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

/**
 * Of an Immunization, MedicationAdministration or MedicationDispense: what was done, as the latest message tells it. Of what was
 * refused and is then given, or the other way round, nothing of the former stays: no reason of a dose, no lot of a refusal.
 */
export function eventMerge(mapping: Mapping, cleared: readonly string[] = []): Merge {
  const change = merging({ ordered: ranked(mapping, eventRanks), cleared });
  return ofOnePatient(mapping, (existing, incoming) => {
    const result = change(existing, incoming);
    if (existing === undefined || result === existing) return result;
    if (!isTurned(existing.status, incoming.status)) return result;
    const { id, identifier, meta } = result;
    return withoutUndefined({ ...incoming, id, identifier, meta } as Resource);
  });
}

function isTurned(before: unknown, now: unknown): boolean {
  const statuses = [before, now];
  return before !== now && statuses.includes('not-done') && !statuses.includes('entered-in-error');
}

/** A document that is here is referred to as well, beside its number. */
function byTarget({ code, target }: JsonObject): string {
  const { identifier, reference } = target as JsonObject;
  return JSON.stringify([code, identifier ?? reference]);
}

const documentRanks = ['current', 'superseded', 'entered-in-error'];

/**
 * Of a DocumentReference: its content is replaced as a whole, its relations are united; what a change of status leaves out of its
 * context stays. One that another document replaces is not
 * current again because a message about it says that it is available.
 */
export function documentMerge(mapping: Mapping, defaults: ReadonlySet<string>, cleared: readonly string[]): Merge {
  const order = ranked(mapping, documentRanks);
  const parts = new Set(['context']);
  const change = merging({ ordered: order, defaults, cleared, parts, united: { relatesTo: byTarget } });
  return ofOnePatient(mapping, (existing, incoming) => {
    const result = change(existing, incoming);
    if (existing === undefined || result === existing) return result;
    // What the sender calls obsolete itself has a _status.
    const isReplaced = existing.status === 'superseded' && existing._status === undefined;
    if (isReplaced && incoming.status === 'current') return { ...result, status: 'superseded' };
    if (!defaults.has('status') && incoming._status === undefined) delete result._status;
    return result;
  });
}
