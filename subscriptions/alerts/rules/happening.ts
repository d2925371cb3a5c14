// A change of a resource as rules see it: whom it is about, and when it was.
import { type Change, type Json, type JsonObject, objectsOf, parseReference, type Resource } from '#fhir-model';
import { causeSystem, type Finding, type Severity, tagSystem } from '../seams.ts';
import type { Rule } from './rule.ts';

/** Its place in the change stream. */
export interface Position {
  xid: bigint;
  seq: bigint;
}

/** What happened, with the resource as it was then. */
export interface Happening extends Omit<Change, 'body'> {
  /** Undefined of a deletion. */
  resource?: Resource;
  /** What the change replaced. */
  previous?: Resource;
  /** It is about somebody or something else now: `previous` was entered in error. */
  left?: true;
}

/** A finding, and what decides how it is taken. */
export interface Found extends Finding {
  /** Instant of what led to it, milliseconds since 1970 UTC: of the change, or of a time that ran out. */
  instantMs: number;
  /** Of the change; of none where time alone led to it. */
  position?: Position;
  /** The resource that was looked at, `Observation/1`. */
  source: string;
  /** It is over only if it rests on `source`, which is withdrawn. */
  withdrawn?: boolean;
  /** What is found without `source`, which is withdrawn or dated earlier: what rested on it, or was ended by it, rests on that. */
  instead?: Found;
  /** Instants at which earlier versions of `source` were written. */
  written?: readonly number[];
  /** `source` was entered in error. */
  mistaken?: boolean;
  /** Nobody is to be told. */
  suppressed?: boolean;
  /** A more severe level is not beyond its limit any more, and has not come to where it is over: an alert that is at it stays so. */
  holds?: Severity;
  /** It is over whatever it rests on, and whenever that was. */
  ends?: true;
}

/** Of an alert that no resource ends. */
export const overFound = (rule: string, subject: string, key: string, nowMs: number): Found => ({
  ...{ rule, subject, key, state: 'cleared', severity: 'info', title: rule, detail: '', evidence: [], source: '' },
  ...{ atMs: nowMs, instantMs: nowMs },
});

/** -1, 0, 1: before, at or after in the stream. */
export const comparePositions = (a: Position, b: Position): number =>
  a.xid === b.xid ? Number(a.seq > b.seq) - Number(a.seq < b.seq) : a.xid > b.xid ? 1 : -1;

export const referenceOf = ({ type, id }: Pick<Happening, 'type' | 'id'>): string => `${type}/${id}`;

/** The local reference without its version and `baseUrl`, our own FHIR base; undefined for a contained one. */
export function plainReference(value: Json | undefined, baseUrl?: string): string | undefined {
  const { reference } = (value ?? {}) as JsonObject;
  if (typeof reference !== 'string' || reference.startsWith('#')) return undefined;
  const found = parseReference(reference, baseUrl);
  return found.kind === 'local' ? `${found.type}/${found.id}` : reference.replace(/\/_history\/.+$/, '');
}

/** A clock that goes wrong must not hide what comes after it: a clinical time that is further ahead is not believed. */
export const aheadMsMax = 5 * 60_000;

/** Elements with the clinical time of a resource, the first that is there. */
const times = [
  ...['effectiveDateTime', 'effectiveInstant', 'effectivePeriod', 'effectiveTiming'],
  ...['performedDateTime', 'occurrenceDateTime'],
];

/** Clinical time, or that of the change where the resource has none. */
export function timeOf(resource: Resource | undefined, updatedMs: number): number {
  for (const name of times) {
    const value = resource?.[name];
    const { start, end, event } = (value ?? {}) as JsonObject;
    const last = Array.isArray(event) ? event.at(-1) : undefined;
    const ms = Date.parse(String(typeof value === 'object' ? (end ?? start ?? last) : value));
    if (Number.isFinite(ms)) return ms > updatedMs + aheadMsMax ? updatedMs : ms;
  }
  return updatedMs;
}

/** An index takes 2,700 bytes; no reference to somebody is as long as this. */
const subjectCharactersMax = 500;

/** Whom a resource is about: `Patient/1`, also where that is named below our own base; '' where that can't be told. */
export function subjectOf(rule: Pick<Rule, 'subject' | 'baseUrl'>, resource: Resource, previous?: Resource): string {
  const subject = wholeSubjectOf(rule, resource, previous);
  const found = subject.includes('://') ? parseReference(subject, rule.baseUrl) : undefined;
  if (found?.kind === 'local') return `${found.type}/${found.id}`;
  return subject.length > subjectCharactersMax ? '' : subject;
}

/** Elements that say whom a resource is about. */
const subjects = ['subject', 'patient', 'for', 'beneficiary'];

/**
 * Of somebody, but nobody can tell of whom: by a name alone, or contained. What several of them say over time must not be taken for
 * what one does. What is about nobody by its kind, as a Location, is about the house as a whole.
 */
export const isOfUnknown = ({ subject: path }: Pick<Rule, 'subject'>, resource: Resource, subject: string): boolean =>
  subject === '' &&
  (path !== undefined ||
    resource.resourceType === 'Observation' ||
    subjects.some((name) => resource[name] !== undefined));

function wholeSubjectOf(rule: Pick<Rule, 'subject'>, resource: Resource, previous: Resource | undefined): string {
  if (rule.subject) {
    const [first] = rule.subject.values(resource as JsonObject, { resource, previous });
    return typeof first === 'string' ? first : (plainReference(first) ?? '');
  }
  if (resource.resourceType === 'Patient') return `Patient/${resource.id}`;
  const found = resource.subject ?? resource.patient ?? resource.for ?? resource.beneficiary;
  return plainReference(found as Json) ?? logicalReference(found as Json);
}

/** Who is known by an identifier only. */
function logicalReference(value: Json | undefined): string {
  const { identifier, type } = (value ?? {}) as JsonObject;
  if (type !== undefined && type !== 'Patient') return '';
  const { system, value: code } = (identifier ?? {}) as JsonObject;
  return typeof code === 'string' ? `${typeof system === 'string' ? system : ''}|${code}` : '';
}

export const encounterOf = (resource: Resource): string | undefined =>
  resource.resourceType === 'Encounter' ? `Encounter/${resource.id}` : plainReference(resource.encounter as Json);

/** Of an alert that is told of by the resource: its rule, and those whose alerts led to it. */
export const rulesBehind = (resource: Resource): string[] =>
  objectsOf((resource.meta as JsonObject | undefined)?.tag).flatMap(({ system, code }) =>
    (system === tagSystem || system === causeSystem) && typeof code === 'string' ? [code] : [],
  );

/** Whether it tells of an alert of this very rule, or of one that such an alert led to. */
export const wroteIt = ({ id }: Pick<Rule, 'id'>, resource: Resource): boolean => rulesBehind(resource).includes(id);

/** Statuses of that type whose resource says nothing that stands. */
export const withdrawnStatuses = (type: string): string[] =>
  type === 'Observation' ? ['entered-in-error', 'cancelled', 'registered', 'unknown'] : ['entered-in-error'];

/**
 * It should never have been there. Condition and AllergyIntolerance say so by a concept:
 * https://hl7.org/fhir/R4/valueset-condition-ver-status.html
 */
export const isMistake = ({ status, verificationStatus }: Resource): boolean =>
  status === 'entered-in-error' ||
  objectsOf((verificationStatus as JsonObject | undefined)?.coding).some(({ code }) => code === 'entered-in-error');

/** What it says does not stand (any more). */
export const isWithdrawn = (resource: Resource): boolean =>
  isMistake(resource) ||
  (typeof resource.status === 'string' && withdrawnStatuses(resource.resourceType).includes(resource.status));
