// What was done about an alert, by whom and when, for good: https://hl7.org/fhir/R4/auditevent.html. It names resources, and
// nothing of what stands in them; its id derives from what it tells of, so that telling it again changes nothing.
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import { uuidv5 } from '#platform';
import { oneLine } from '../one-line.ts';
import { type Alert, tagSystem } from './seams.ts';
import { canHaveFlag } from './state/resources.ts';

/** AuditEvents of alerts carry it in meta.tag: no rule is triggered by one. */
const auditTag = { system: tagSystem, code: 'audit' };

const auditSystem = 'urn:cerebra:alert-audit';

const namespace = 'b0b0c7de-5f6d-5c0e-9a55-0c52f5d0a3a7';

/** AuditEvent.subtype, and what AuditEvent.outcome says of it: 0 done, 4 not done and no harm, 8 not done. */
const kinds = {
  'message-sent': { display: 'Message sent', outcome: '0' },
  'message-failed': { display: 'Message could not be sent', outcome: '8' },
  'message-skipped': { display: 'Message not needed any more', outcome: '4' },
  'step-skipped': { display: 'Step reaches nobody', outcome: '8' },
  'chain-exhausted': { display: 'Nobody has acted by the end of the chain', outcome: '8' },
  'alert-acknowledged': { display: 'Alert acknowledged', outcome: '0' },
  'alert-snoozed': { display: 'Alert snoozed', outcome: '0' },
  'alert-closed': { display: 'Alert closed by hand', outcome: '0' },
  'alert-cleared': { display: 'Alert over before anybody acted', outcome: '0' },
} as const;

export type AuditKind = keyof typeof kinds;

export interface Audit {
  kind: AuditKind;
  /** Tells it apart from others of its kind. */
  key: string;
  atMs: number;
  alert: Pick<Alert, 'id' | 'rule' | 'subject'> & { escalation?: string | undefined };
  /** Who acted: a reference or a name; without it, the server itself. */
  by?: string | undefined;
  /** What a person who acted calls himself, where `by` is no person. */
  name?: string | undefined;
  /** Who was told: a reference or the name of a channel. */
  to?: string | undefined;
  /** Other resources that it is about, beside the alert's Flag and patient: `Task/1`. */
  about?: readonly string[];
  /** AuditEvent.entity.detail of the alert: which step, by which way. */
  detail: Readonly<Record<string, string | number>>;
}

export type AuditEvent = Resource & { id: string };

/** Valid against the base specification. */
export function auditEventOf(audit: Audit): AuditEvent {
  const { kind, key, atMs, alert, about = [] } = audit;
  const { display, outcome } = kinds[kind];
  return {
    resourceType: 'AuditEvent',
    id: uuidv5(namespace, `${kind}|${key}`),
    meta: { tag: [auditTag] },
    type: { system: lifecycle, ...(isByPerson(kind) ? amend : transmit) },
    subtype: [{ system: auditSystem, code: kind, display }],
    action: isByPerson(kind) ? 'U' : 'E',
    recorded: new Date(atMs).toISOString(),
    outcome,
    agent: agentsOf(audit),
    source: { observer: { display: server }, type: [applicationServer] },
    entity: [
      alertEntity(audit),
      ...about.map((reference) => entityOf(reference, domainResource)),
      ...(alert.escalation === undefined ? [] : [entityOf(`PlanDefinition/${alert.escalation}`, masterFile)]),
      ...(/^Patient\/[^/|]+$/.test(alert.subject) ? [entityOf(alert.subject, patientRole, person)] : []),
    ],
  };
}

/** In a transaction with what it tells of. */
export function auditEntry(audit: Audit): TransactionEntry {
  const resource = auditEventOf(audit);
  const merge = (existing: Resource | undefined, incoming: Resource): Resource => existing ?? incoming;
  return { method: 'PUT', url: `AuditEvent/${resource.id}`, resource, merge };
}

export const isAudit = ({ resourceType, meta }: Resource): boolean =>
  resourceType === 'AuditEvent' &&
  (meta?.tag ?? []).some(({ system, code }) => system === auditTag.system && code === auditTag.code);

const server = 'Cerebra';
const lifecycle = 'http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle';
const transmit = { code: 'transmit', display: 'Transmit Record Lifecycle Event' };
const amend = { code: 'amend', display: 'Amend (Update) Record Lifecycle Event' };
const isByPerson = (kind: AuditKind): boolean => kind.startsWith('alert-');

const applicationServer = {
  ...{ system: 'http://terminology.hl7.org/CodeSystem/security-source-type', code: '4', display: 'Application Server' },
};

// https://hl7.org/fhir/R4/valueset-participation-role-type.html
const roleOf = (code: string, display: string): JsonObject => ({
  coding: [{ system: 'http://dicom.nema.org/resources/ontology/DCM', code, display }],
});
const application = roleOf('110150', 'Application');
const source = roleOf('110153', 'Source Role ID');
const destination = roleOf('110152', 'Destination Role ID');

function agentsOf({ by, name, to }: Audit): JsonObject[] {
  if (by !== undefined) return [{ ...whoOf(by), ...(name ? { name } : {}), requestor: true }];
  const own = { type: to === undefined ? application : source, name: server, requestor: true };
  return to === undefined ? [own] : [own, { type: destination, ...whoOf(to), requestor: false }];
}

const whoTypes = /^(PractitionerRole|Practitioner|Organization|Device|Patient|RelatedPerson)\/[A-Za-z0-9\-.]{1,64}$/;

/** A care team is none of AuditEvent.agent.who's types. */
const whoOf = (one: string): JsonObject =>
  whoTypes.test(one) ? { who: { reference: one } } : { altId: shown(one) || 'unknown' };

/** A name that anybody may have written. */
const shown = (name: string): string => oneLine(name).slice(0, 200);

const role = (code: string, display: string): JsonObject => ({
  ...{ system: 'http://terminology.hl7.org/CodeSystem/object-role', code, display },
});
const patientRole = role('1', 'Patient');
const domainResource = role('4', 'Domain Resource');
const masterFile = role('5', 'Master file');
const typeOf = (code: string, display: string): JsonObject => ({
  ...{ system: 'http://terminology.hl7.org/CodeSystem/audit-entity-type', code, display },
});
const person = typeOf('1', 'Person');
const systemObject = typeOf('2', 'System Object');

const entityOf = (reference: string, role: JsonObject, type: JsonObject = systemObject): JsonObject => ({
  ...{ what: { reference }, type, role },
});

/** Where an alert has no Flag its identifier stands for it. */
function alertEntity({ alert: { id, rule, subject }, detail }: Audit): JsonObject {
  const identifier = { system: tagSystem, value: id };
  const what = canHaveFlag(subject) ? { reference: `Flag/${id}` } : { identifier };
  return {
    ...{ what, type: systemObject, role: domainResource },
    detail: Object.entries({ rule, ...detail }).map(([type, value]) => ({ type, valueString: String(value) })),
  };
}
