// OBR with its results to DiagnosticReport: https://hl7.org/fhir/uv/v2mappings/ (OBR[DiagnosticReport], ORC[DiagnosticReport])
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import type { Part, Segment } from '../../message/message.ts';
import { putDerived } from '../administration/upsert.ts';
import { conceptMapOf } from '../codes/concept-maps.ts';
import { systems } from '../codes/systems.ts';
import { compact, list } from '../compact.ts';
import { absent, type Mapping } from '../context.ts';
import { codeableConcept, repeated } from '../datatypes.ts';
import { instant } from '../datetime.ts';
import { derivedId } from '../derived-id.ts';
import { interpreterReference } from '../practitioner.ts';
import { runTable } from '../table/table.ts';
import { obrDiagnosticReport } from '../tables/obr.ts';
import { attachment, documentContents, titleOf } from './document.ts';
import { detail, type ObxGroup, type OrderGroup } from './groups.ts';
import { contentKey, latestMerge, reportMerge, secondOfReport } from './merging.ts';
import { noteTexts } from './notes.ts';
import { numberedReport } from './numbered-report.ts';
import { withFunction } from './observation.ts';
import { identifiersOf, type Order } from './order.ts';
import { rememberPart } from './order-numbers.ts';
import { participants } from './participants.ts';

const observationStatus = conceptMapOf('ObservationResultStatusCodesInterpretation').codes;
const { codes: reportStatus, without: noReportStatus } = conceptMapOf('ResultStatus[Non-Queries]');

/** OBR-25, else what the results have in common: monitors leave it out, and a report of final results only is final. */
export function reportStatusOf(obr: Segment | undefined, observations: readonly ObxGroup[]): string {
  const sent = obr?.field(25).text?.toUpperCase();
  if (sent !== undefined) return reportStatus.get(sent)?.code ?? 'unknown';
  const statuses = observations.map(({ obx }) => observationStatus.get(obx.field(11).text?.toUpperCase() ?? '')?.code);
  return statuses.length > 0 && statuses.every((status) => status === 'final') ? 'final' : 'unknown';
}

export interface ReportParts {
  status: string;
  request: string | undefined;
  specimens: string[];
  results: string[];
  documents: Pick<Documents, 'forms' | 'withdrawn' | 'former'>;
  /** Null: it was wrong, and there is none any more. */
  conclusion: string | null | undefined;
}

/** Yields the report's reference. */
export function addReport(mapping: Mapping, order: Order, parts: ReportParts): string {
  const deleted: string[] = [];
  const resource = reportResource(mapping, order, parts, deleted);
  mapping.stamp(resource);
  const identifier = order.filler ?? order.placer;
  const id = identifier === undefined ? derivedId('DiagnosticReport', [order.key]) : undefined;
  const numbered = identifier && numberedReport(mapping, order, identifier);
  const url = numbered?.url ?? `DiagnosticReport/${id}`;
  const cleared = deleted.filter((path) => path !== 'code');
  if (parts.conclusion === null) cleared.push('conclusion');
  const { withdrawn: forms, former } = parts.documents;
  const withdrawal = { forms, former, cleared, known: new Map<string, string>() };
  const merge = reportMerge(mapping, withdrawal);
  // A message may name one order twice; a transaction must not (https://hl7.org/fhir/R4/http.html#trules).
  let isNew = false;
  const reference = mapping.once(url, () => {
    isNew = true;
    const entry = { url, resource: id === undefined ? resource : { ...resource, id }, merge };
    const from = detail(order.group, 'OBR');
    if (numbered !== undefined) {
      return mapping.add({ method: 'PUT', ...entry, choose: numbered.choose(withdrawal.known), from });
    }
    return putDerived(mapping, { ...entry, from }, [order.key]);
  });
  const earlier = isNew ? undefined : mapping.entries.find((entry) => entry.url === url);
  if (earlier !== undefined) unite(earlier, compact(resource)!, secondOfReport(mapping, withdrawal), merge);
  return reference;
}

/** What the second withdraws may be what is stored: both merges see that. */
function unite(earlier: TransactionEntry, second: Resource, uniteWith: Merge, merge: Merge): void {
  const before = earlier.merge!;
  const united = uniteWith(earlier.resource, second);
  // Of another patient, in the place of one that was withdrawn, it is the second as it is: the notes of the first are not about it.
  const notes = united === second ? new Map<string, JsonObject>() : notesSoFar(earlier);
  for (const [key, note] of list(second.extension).map(keyed)) notes.set(key, note);
  notesOf.set(earlier, notes);
  earlier.resource = notes.size > 0 ? { ...united, extension: [...notes.values()] } : united;
  earlier.merge = (existing, incoming) => merge(existing && before(existing, incoming), incoming);
}

/** Notes of a report whose order is named more than once, up to 5,000 times: each is made a key once. */
const notesOf = new WeakMap<TransactionEntry, Map<string, JsonObject>>();
const keyed = (note: JsonObject): [string, JsonObject] => [JSON.stringify(note), note];
const notesSoFar = (earlier: TransactionEntry): Map<string, JsonObject> =>
  notesOf.get(earlier) ?? new Map(list(earlier.resource?.extension).map(keyed));

type Merge = NonNullable<TransactionEntry['merge']>;

function reportResource(mapping: Mapping, order: Order, parts: ReportParts, deleted: string[]): Resource {
  const { group, subject } = order;
  const obr = detail(group, 'OBR')!;
  const letter = obr.field(25).text?.toUpperCase();
  if (letter !== undefined && !reportStatus.has(letter) && !noReportStatus.has(letter)) {
    mapping.warnings.add('OBR-25: unknown status');
  }
  const mapped = runTable(obrDiagnosticReport, { mapping, segment: obr, group: group.group }, deleted) ?? {};
  const performer = reportPerformers(mapping, group, obr);
  const resultsInterpreter = interpreters(mapping, group, obr);
  if (performer.length === 0 && isAnyDeleted(obr, [34, 35])) deleted.push('performer');
  if (resultsInterpreter.length === 0 && isAnyDeleted(obr, [32, 33])) deleted.push('resultsInterpreter');
  const notes = noteTexts(mapping, group.notes);
  const reference = (target: string): JsonObject => ({ reference: target });
  return {
    ...mapped,
    resourceType: 'DiagnosticReport',
    extension:
      notes.length === 0 ? undefined : notes.map((valueAnnotation) => ({ url: noteExtension, valueAnnotation })),
    identifier: identifiersOf(order, undefined),
    basedOn: parts.request === undefined ? undefined : [reference(parts.request)],
    status: parts.status,
    code: order.code ?? absent,
    subject: reference(subject.patient),
    encounter: subject.encounter === undefined ? undefined : reference(subject.encounter),
    performer,
    resultsInterpreter,
    specimen: parts.specimens.map(reference),
    result: [...new Set(parts.results)].map(reference),
    conclusion: parts.conclusion ?? undefined,
    presentedForm: parts.documents.forms,
  };
}

const isAnyDeleted = (obr: Segment, fields: readonly number[]): boolean =>
  fields.some((field) => obr.field(field).isNull);

/** DiagnosticReport.note of R5: OBR's notes have no place of their own in R4. */
const noteExtension = 'http://hl7.org/fhir/5.0/StructureDefinition/extension-DiagnosticReport.note';

function interpreters(mapping: Mapping, group: OrderGroup, obr: Segment): JsonObject[] {
  const principal = interpreterReference(mapping, obr.field(32).repetition(1));
  const own = repeated(obr.field(33), (ndl) => interpreterReference(mapping, ndl));
  const assistants = [...own, ...participants(mapping, group.participants, 'ARI')].map((assistant) =>
    withFunction(assistant, 'http://terminology.hl7.org/CodeSystem/v2-0912', 'ARI'),
  );
  const principals = principal === undefined ? participants(mapping, group.participants, 'PRI') : [principal];
  return [...principals, ...assistants].filter((reference) => reference !== undefined);
}

/** Who carried it out (OBR-34, PRT-4 TN) and who wrote it down (OBR-35, PRT-4 TR). */
function reportPerformers(mapping: Mapping, group: OrderGroup, obr: Segment): JsonObject[] {
  const people = (field: Part, role: string, code: string): (JsonObject | undefined)[] =>
    [
      ...repeated(field, (ndl) => interpreterReference(mapping, ndl)),
      ...participants(mapping, group.participants, role),
    ].map((person) => withFunction(person, systems.participation, code));
  return [...people(obr.field(34), 'TN', 'SPRF'), ...people(obr.field(35), 'TR', 'TRANS')].filter(
    (reference) => reference !== undefined,
  );
}

export interface Documents {
  /** Attachments: forms of a report. */
  forms: JsonObject[];
  /** Ids of forms that are wrong (OBX-11 D, W): the report has them no longer. */
  withdrawn: Set<string>;
  /** Contents that the DocumentReferences had before, once they are written. */
  former: Set<string>;
  /** Of the DocumentReferences. */
  references: string[];
}

/** OBX of type ED and RP: each a DocumentReference. */
export function addDocuments(
  mapping: Mapping,
  order: Order,
  observations: readonly ObxGroup[],
  request?: string,
): Documents {
  const found: Documents = { forms: [], withdrawn: new Set(), former: new Set(), references: [] };
  for (const { one, contents } of documentContents(mapping, observations)) {
    const { obx, notes } = one;
    const code = obx.field(3).component(1).text;
    const keyed = [order.key, code, obx.field(4).whole];
    const key = [...keyed, String(mapping.occurrence(`document ${JSON.stringify(keyed)}`))];
    const wrong = isWrong(obx);
    if (contents.length === 0 && !wrong) continue;
    const forms = contents.map((content, index) => attachment(mapping, content, [...key, String(index)], titleOf(obx)));
    found.references.push(
      addDocumentReference(mapping, { order, obx, notes, key, forms, request, former: found.former }),
    );
    rememberForms(mapping, order.key, key, found.references.at(-1)!, wrong ? withdrawnMax : contents.length);
    if (wrong) for (let index = 0; index < withdrawnMax; index++) found.withdrawn.add(formId(key, index));
    else found.forms.push(...forms.map((form, index) => knownForm(form, formId(key, index))));
  }
  return found;
}

/** Who withdraws a document need not send it once more, so that how often its OBX-5 repeated is not known. */
const withdrawnMax = 16;

const isWrong = (obx: Segment): boolean => /^[DW]$/i.test(obx.field(11).text ?? '');

const formId = (key: readonly (string | undefined)[], index: number): string =>
  derivedId('Binary', [...key, String(index)]);

/** The document and its forms may have come under another number of the order. */
function rememberForms(
  mapping: Mapping,
  orderKey: string,
  key: (string | undefined)[],
  url: string,
  count: number,
): void {
  const under = (other: string): (string | undefined)[] => [other, ...key.slice(1)];
  for (let index = 0; index < count; index++) {
    const shown = formId(key, index);
    const formOf = (other: string): string => formId(under(other), index);
    rememberPart(mapping, orderKey, {
      url: `Binary/${shown}`,
      shown,
      under: (other) => [{ id: formOf(other), shown: formOf(other) }],
    });
  }
  rememberPart(mapping, orderKey, {
    url,
    shown: formId(key, 0),
    under: (other) => [{ id: derivedId('DocumentReference', under(other)), shown: formId(under(other), 0) }],
  });
}

/** With an id, where it has no Binary of that id: so that its correction finds it. */
const knownForm = (form: JsonObject, id: string): JsonObject => (form.url === `Binary/${id}` ? form : { id, ...form });

interface DocumentParts {
  order: Order;
  obx: Segment;
  notes: Segment[];
  key: (string | undefined)[];
  forms: JsonObject[];
  request: string | undefined;
  former: Set<string>;
}

const docStatuses: Readonly<Record<string, string>> = {
  F: 'final',
  C: 'amended',
  A: 'amended',
  P: 'preliminary',
  R: 'preliminary',
  S: 'preliminary',
};

function addDocumentReference(
  mapping: Mapping,
  { order, obx, notes, key, forms, request, former }: DocumentParts,
): string {
  const { subject } = order;
  const id = derivedId('DocumentReference', key);
  const letter = obx.field(11).text?.toUpperCase() ?? '';
  const wrong = isWrong(obx);
  const description = noteTexts(mapping, notes)
    .map(({ text }) => text)
    .join('\n');
  const resource: Resource = {
    resourceType: 'DocumentReference',
    id,
    status: wrong ? 'entered-in-error' : 'current',
    docStatus: wrong ? 'entered-in-error' : docStatuses[letter],
    type: codeableConcept(mapping, obx.field(3)),
    subject: { reference: subject.patient },
    date:
      instant(obx.field(14).text, mapping.zone) ?? instant(detail(order.group, 'OBR')?.field(22).text, mapping.zone),
    description,
    // Withdrawn without being sent again, it keeps what it was; of one that never came there is the name at most.
    content:
      forms.length > 0
        ? forms.map((form) => ({ attachment: form }))
        : [{ attachment: { ...absent, title: titleOf(obx) } }],
    context: {
      encounter: subject.encounter === undefined ? undefined : [{ reference: subject.encounter }],
      related: request === undefined ? undefined : [{ reference: request }],
    },
  };
  mapping.stamp(resource);
  const url = `DocumentReference/${id}`;
  const latest = latestMerge(mapping, keptContent(forms));
  const merge: Merge = (existing, incoming) => {
    for (const content of list(existing?.content)) former.add(contentKey(content.attachment as JsonObject));
    return latest(existing, incoming);
  };
  mapping.add({ method: 'PUT', url, resource, merge });
  return url;
}

const keptContent = (forms: readonly JsonObject[]): ReadonlySet<string> => new Set(forms.length > 0 ? [] : ['content']);

/** Where the report ends in a judgement: OBX-3 with the suffix IMP, or LOINC's own codes for it. */
const impressions = new Set(['19005-8', '22637-3', '83320-2']);

/** Undefined where the message has none, null where it withdraws those that it has. */
export function conclusionOf(
  entries: readonly TransactionEntry[],
  observations: readonly ObxGroup[],
  references: readonly (string | undefined)[],
): string | null | undefined {
  const all = observations.flatMap(({ obx }, index) => {
    const first = obx.field(3).component(1);
    const isImpression = first.subcomponent(2).text === 'IMP' || impressions.has(first.text ?? '');
    return isImpression ? [{ obx, url: references[index] }] : [];
  });
  if (all.length === 0) return undefined;
  const judged = all.filter(({ obx }) => !isWrong(obx)).map(({ url }) => url);
  if (judged.length === 0) return null;
  const values = new Map(entries.map(({ url, resource }) => [url, resource?.valueString]));
  const texts = judged.map((url) => values.get(url ?? '')).filter((text) => typeof text === 'string');
  return texts.length === 0 ? undefined : texts.join('\n');
}
