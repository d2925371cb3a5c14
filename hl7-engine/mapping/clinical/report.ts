// OBR with its results to DiagnosticReport: https://hl7.org/fhir/uv/v2mappings/ (OBR[DiagnosticReport], ORC[DiagnosticReport])
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import type { Part, Segment } from '../../message/message.ts';
import { putDerived } from '../administration/upsert.ts';
import { conceptMapOf } from '../codes/concept-maps.ts';
import { systems } from '../codes/systems.ts';
import { compact } from '../compact.ts';
import { absent, type Mapping } from '../context.ts';
import { codeableConcept, repeated } from '../datatypes.ts';
import { instant } from '../datetime.ts';
import { derivedId } from '../derived-id.ts';
import { interpreterReference } from '../practitioner.ts';
import { runTable } from '../table/table.ts';
import { obrDiagnosticReport } from '../tables/obr.ts';
import { attachment, contentOf, titleOf } from './document.ts';
import { detail, type ObxGroup, type OrderGroup } from './groups.ts';
import { latestMerge, reportMerge } from './merging.ts';
import { noteTexts } from './notes.ts';
import { withFunction } from './observation.ts';
import { identifiersOf, type Order, orderCriteria, participant } from './order.ts';

const observationStatus = conceptMapOf('ObservationResultStatusCodesInterpretation').codes;
const reportStatus = conceptMapOf('ResultStatus[Non-Queries]').codes;

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
  documents: JsonObject[];
  conclusion: string | undefined;
}

/** Yields the report's reference. */
export function addReport(mapping: Mapping, order: Order, parts: ReportParts): string {
  const resource = reportResource(mapping, order, parts);
  mapping.stamp(resource);
  const identifier = order.filler ?? order.placer;
  const id = identifier === undefined ? derivedId('DiagnosticReport', [order.key]) : undefined;
  const url =
    identifier === undefined ? `DiagnosticReport/${id}` : `DiagnosticReport?${orderCriteria(identifier, order.code)}`;
  const merge = reportMerge(mapping);
  // A message may name one order twice; a transaction must not (https://hl7.org/fhir/R4/http.html#trules).
  let isNew = false;
  const reference = mapping.once(url, () => {
    isNew = true;
    const entry = { url, resource: id === undefined ? resource : { ...resource, id }, merge };
    const from = detail(order.group, 'OBR');
    if (id === undefined) return mapping.add({ method: 'PUT', ...entry, from });
    return putDerived(mapping, { ...entry, from }, [order.key]);
  });
  const earlier = isNew ? undefined : mapping.entries.find((entry) => entry.url === url);
  if (earlier !== undefined) earlier.resource = merge(earlier.resource, compact(resource)!);
  return reference;
}

function reportResource(mapping: Mapping, order: Order, parts: ReportParts): Resource {
  const { group, subject } = order;
  const obr = detail(group, 'OBR')!;
  const mapped = runTable(obrDiagnosticReport, { mapping, segment: obr, group: group.group }) ?? {};
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
    performer: reportPerformers(mapping, group, obr),
    resultsInterpreter: interpreters(mapping, group, obr),
    specimen: parts.specimens.map(reference),
    result: [...new Set(parts.results)].map(reference),
    conclusion: parts.conclusion,
    presentedForm: parts.documents,
  };
}

/** DiagnosticReport.note of R5: OBR's notes have no place of their own in R4. */
const noteExtension = 'http://hl7.org/fhir/5.0/StructureDefinition/extension-DiagnosticReport.note';

function interpreters(mapping: Mapping, group: OrderGroup, obr: Segment): JsonObject[] | undefined {
  const principal = interpreterReference(mapping, obr.field(32).repetition(1)) ?? participant(mapping, group, 'PRI');
  const assistants = repeated(obr.field(33), (ndl) => interpreterReference(mapping, ndl)).map((assistant) =>
    withFunction(assistant, 'http://terminology.hl7.org/CodeSystem/v2-0912', 'ARI'),
  );
  return [principal, ...assistants].filter((reference) => reference !== undefined);
}

/** Who carried it out (OBR-34) and who wrote it down (OBR-35). */
function reportPerformers(mapping: Mapping, group: OrderGroup, obr: Segment): JsonObject[] {
  const people = (field: Part, code: string): (JsonObject | undefined)[] =>
    repeated(field, (ndl) => interpreterReference(mapping, ndl)).map((person) =>
      withFunction(person, systems.participation, code),
    );
  const technician = withFunction(participant(mapping, group, 'TN'), systems.participation, 'SPRF');
  return [...people(obr.field(34), 'SPRF'), technician, ...people(obr.field(35), 'TRANS')].filter(
    (reference) => reference !== undefined,
  );
}

export interface Documents {
  /** Attachments: forms of a report. */
  forms: JsonObject[];
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
  const found: Documents = { forms: [], references: [] };
  for (const { obx, notes } of observations) {
    const code = obx.field(3).component(1).text;
    const keyed = [order.key, code, obx.field(4).whole];
    const key = [...keyed, String(mapping.occurrence(`document ${JSON.stringify(keyed)}`))];
    const contents = obx
      .field(5)
      .repetitions()
      .flatMap((value) => contentOf(mapping, obx.field(2).text, value) ?? []);
    if (contents.length === 0) continue;
    const forms = contents.map((content, index) => attachment(mapping, content, [...key, String(index)], titleOf(obx)));
    found.references.push(addDocumentReference(mapping, { order, obx, notes, key, forms, request }));
    found.forms.push(...forms);
  }
  return found;
}

interface DocumentParts {
  order: Order;
  obx: Segment;
  notes: Segment[];
  key: (string | undefined)[];
  forms: JsonObject[];
  request: string | undefined;
}

const docStatuses: Readonly<Record<string, string>> = {
  F: 'final',
  C: 'amended',
  A: 'amended',
  P: 'preliminary',
  R: 'preliminary',
  S: 'preliminary',
};

function addDocumentReference(mapping: Mapping, { order, obx, notes, key, forms, request }: DocumentParts): string {
  const { subject } = order;
  const id = derivedId('DocumentReference', key);
  const letter = obx.field(11).text?.toUpperCase() ?? '';
  const wrong = letter === 'D' || letter === 'W';
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
    content: forms.map((form) => ({ attachment: form })),
    context: {
      encounter: subject.encounter === undefined ? undefined : [{ reference: subject.encounter }],
      related: request === undefined ? undefined : [{ reference: request }],
    },
  };
  mapping.stamp(resource);
  const url = `DocumentReference/${id}`;
  mapping.add({ method: 'PUT', url, resource, merge: latestMerge(mapping) });
  return url;
}

/** Where the report ends in a judgement: OBX-3 with the suffix IMP, or LOINC's own codes for it. */
const impressions = new Set(['19005-8', '22637-3', '83320-2']);

export function conclusionOf(
  entries: readonly TransactionEntry[],
  observations: readonly ObxGroup[],
  references: readonly (string | undefined)[],
): string | undefined {
  const judged = observations.flatMap(({ obx }, index) => {
    const first = obx.field(3).component(1);
    const isImpression = first.subcomponent(2).text === 'IMP' || impressions.has(first.text ?? '');
    return isImpression ? [references[index]] : [];
  });
  if (judged.length === 0) return undefined;
  const values = new Map(entries.map(({ url, resource }) => [url, resource?.valueString]));
  const texts = judged.map((url) => values.get(url ?? '')).filter((text) => typeof text === 'string');
  return texts.length === 0 ? undefined : texts.join('\n');
}
