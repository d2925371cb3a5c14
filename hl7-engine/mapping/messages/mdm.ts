// Documents: MDM^T01 to T11: HL7 v2.9 chapter 9; https://hl7.org/fhir/uv/v2mappings/ (MDM_T02, TXA[DocumentReference],
// OBX[DocumentReference])
import type { JsonObject, Resource } from '#fhir-model';
import { ownValue } from '#platform';
import type { Segment } from '../../message/message.ts';
import { attachment, type Content, documentContents, textContent, titleOf } from '../clinical/document.ts';
import { type ObxGroup, obxGroups, orderGroup } from '../clinical/groups.ts';
import { documentMerge } from '../clinical/merging.ts';
import { notesAfter, noteTexts } from '../clinical/notes.ts';
import { addObservation, isDocument } from '../clinical/observation.ts';
import { addServiceRequest, describeOrder, type Subject } from '../clinical/order.ts';
import { type Own, remembered, revive, supersede, withoutIdleTargets } from '../clinical/replaced-document.ts';
import { subjectOf } from '../clinical/subject.ts';
import { absent, type Mapping } from '../context.ts';
import { derivedId } from '../derived-id.ts';
import { eiIdentifier, identifierCriterion } from '../identifiers.ts';
import { messageMap, required } from '../message-map.ts';
import type { Group } from '../structure/group.ts';
import { runTable } from '../table/table.ts';
import { txaDocumentReference } from '../tables/txa.ts';

export const mdm = messageMap({
  structures: ['MDM_T02'],
  events: ['T01', 'T02', 'T03', 'T04', 'T05', 'T06', 'T07', 'T08', 'T09', 'T10', 'T11'],
  defaultEvent: 'T02',
  reads: 'EVN PID PD1 NK1 PV1 PV2 ORC OBR TQ1 NTE TXA OBX PRT'.split(' '),
  run: mapDocument,
});

/** T05 and T06 add to a document, T09 and T10 replace it. */
const relations: Readonly<Record<string, string>> = {
  T05: 'appends',
  T06: 'appends',
  T09: 'replaces',
  T10: 'replaces',
};
const cancel = 'T11';

/** Throws Refusal AE when the message lacks PID or TXA. */
function mapDocument(mapping: Mapping, root: Group): void {
  const txa = required(root.get('TXA'), 'TXA');
  const subject = subjectOf(mapping, root);
  const orders = root.groups('COMMON_ORDER').flatMap((group) => {
    return addServiceRequest(mapping, describeOrder(mapping, orderGroup(group), subject)) ?? [];
  });
  const number = eiIdentifier(mapping, txa.field(12), 'document');
  const key = number === undefined ? [mapping.messageKey] : [number.system, number.value];
  const observations = root.groups('OBSERVATION').flatMap(obxGroups);
  const { resource, defaults, cleared } = documentReference(mapping, root, txa, { subject, orders, key, observations });
  const own: Own = { number, stored: undefined, resource };
  const parent = eiIdentifier(mapping, txa.field(13), 'document');
  // Before the document itself, which refers to it.
  const replaces = relations[mapping.event] === 'replaces' && parent !== undefined;
  mapping.stamp(resource);
  if (replaces) relate(resource, supersede(mapping, parent, own));
  const reference = put(mapping, own, key, { defaults, cleared });
  if (resource.status === 'entered-in-error' && !replaces) revive(mapping, parent, own);
  for (const one of observations.filter(isResult)) {
    addObservation(mapping, one, {
      group: root,
      key: JSON.stringify(['document', ...key]),
      patient: subject.patient,
      encounter: subject.encounter,
      effective: resource.date as string | undefined,
      status: 'final',
      also: { derivedFrom: [{ reference }] },
    });
  }
}

const textTypes = new Set(['TX', 'FT', 'ST', '']);

/** Neither document nor text of one: a measurement that goes along. */
function isResult({ obx }: ObxGroup): boolean {
  return !isDocument(obx) && !textTypes.has(obx.field(2).text ?? '');
}

interface Parts {
  subject: Subject;
  orders: string[];
  key: string[];
  observations: ObxGroup[];
}

/** What the message does not say of the document, and what it says is there no longer. */
interface Change {
  defaults: Set<string>;
  cleared: readonly string[];
}

function documentReference(
  mapping: Mapping,
  root: Group,
  txa: Segment,
  { subject, orders, key, observations }: Parts,
): Change & { resource: Resource } {
  const cleared: string[] = [];
  const mapped = runTable(txaDocumentReference, { mapping, segment: txa, group: root }, cleared) ?? {};
  const content = contents(mapping, txa, observations, key);
  const ofDocument = [txa, ...root.all('CON')].map((segment) => notesAfter(mapping, segment));
  const notes = [...ofDocument, ...observations.filter((one) => !isResult(one)).map(({ notes: own }) => own)]
    .flatMap((own) => noteTexts(mapping, own))
    .map(({ text }) => text);
  const availability = txa.field(19).text;
  const withdrawn = mapping.event === cancel || availability === 'CA';
  const context = mapped.context as JsonObject | undefined;
  const resource: Resource = {
    ...mapped,
    resourceType: 'DocumentReference',
    status: withdrawn ? 'entered-in-error' : availability === 'OB' ? 'superseded' : 'current',
    _status: unavailable(availability),
    docStatus: withdrawn ? 'entered-in-error' : mapped.docStatus,
    subject: { reference: subject.patient },
    relatesTo: relatesTo(mapping, txa),
    description: [mapped.description, ...notes].filter((words) => words !== undefined).join('\n'),
    content: content.length > 0 ? content : [{ attachment: absent }],
    context: {
      ...context,
      encounter: subject.encounter === undefined ? undefined : [{ reference: subject.encounter }],
      related: related(mapping, txa, orders),
    },
  };
  // A change of status comes without the document.
  const defaults = new Set(content.length > 0 ? [] : ['content']);
  if (withdrawn === false && availability === undefined) defaults.add('status');
  return { resource, defaults, cleared };
}

/** What table 0273 says and R4's status does not. */
function unavailable(availability: string | undefined): JsonObject | undefined {
  if (availability === undefined || availability === 'AV') return undefined;
  const coding = [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0273', code: availability }];
  const url = 'http://hl7.org/fhir/StructureDefinition/alternate-codes';
  return { extension: [{ url, valueCodeableConcept: { coding } }] };
}

/** ED and RP are a content each; lines of text, of OBX after OBX, are one. */
function contents(mapping: Mapping, txa: Segment, observations: readonly ObxGroup[], key: string[]): JsonObject[] {
  const found: { content: Content; title: string | undefined }[] = [];
  const lines: string[] = [];
  let title: string | undefined;
  const documents = observations.filter(({ obx }) => isDocument(obx));
  for (const { one, contents: values } of documentContents(mapping, documents)) {
    found.push(...values.map((content) => ({ content, title: titleOf(one.obx) })));
  }
  for (const { obx } of observations) {
    if (textTypes.has(obx.field(2).text ?? '')) {
      title ??= titleOf(obx);
      lines.push(
        ...obx
          .field(5)
          .repetitions()
          .map((line) => line.whole?.trimEnd() ?? ''),
      );
    }
  }
  const text = textContent(lines);
  if (text !== undefined) found.unshift({ content: text, title });
  const presented = ownValue(presentation, txa.field(3).text);
  return found.map(({ content, title: name }, index) => ({
    attachment: attachment(
      mapping,
      { ...content, contentType: content.contentType ?? presented },
      ['document', ...key, String(index)],
      name,
    ),
  }));
}

/** TXA-3, table 0191, where it names a whole kind of documents. */
const presentation: Readonly<Record<string, string>> = { TX: 'text/plain', TEXT: 'text/plain', FT: 'text/plain' };

function relatesTo(mapping: Mapping, txa: Segment): JsonObject[] | undefined {
  const code = relations[mapping.event];
  const identifier = eiIdentifier(mapping, txa.field(13), 'document');
  if (code === undefined || identifier === undefined) return undefined;
  return [{ code, target: { type: 'DocumentReference', identifier } }];
}

/** TXA-14 and 15: orders of this message, else their numbers. */
function related(mapping: Mapping, txa: Segment, orders: string[]): JsonObject[] {
  if (orders.length > 0) return orders.map((reference) => ({ reference }));
  const placer = txa
    .field(14)
    .repetitions()
    .map((ei) => eiIdentifier(mapping, ei, 'order-placer', 'PLAC'));
  const filler = eiIdentifier(mapping, txa.field(15), 'order-filler', 'FILL');
  return [...placer, filler].flatMap((identifier) => (identifier ? [{ type: 'ServiceRequest', identifier }] : []));
}

/** The document that is replaced, as its number and as what is stored. */
function relate({ relatesTo: [relation] = [] }: Resource & { relatesTo?: JsonObject[] }, reference: string): void {
  if (relation !== undefined) relation.target = { reference, ...(relation.target as JsonObject) };
}

function put(mapping: Mapping, own: Own, key: string[], { defaults, cleared }: Change): string {
  const { number, resource } = own;
  const merge = documentMerge(mapping, defaults, cleared);
  if (number === undefined) {
    const id = derivedId('DocumentReference', key);
    mapping.warnings.add('TXA-12: no document number; a later message about it makes another');
    mapping.add({ method: 'PUT', url: `DocumentReference/${id}`, resource: { ...resource, id }, merge });
    return `DocumentReference/${id}`;
  }
  const url = `DocumentReference?${identifierCriterion(number)}`;
  return mapping.add({ method: 'PUT', url, resource, merge, choose: remembered(own), prune: withoutIdleTargets });
}
