// Numbers that change, and visits and accounts that move: HL7 v2.9 chapter 3.3.41 to 3.3.51
import type { Choice, Json, JsonObject, Resource } from '#fhir-model';
import type { Part, Segment } from '../../message/message.ts';
import { Refusal } from '../../message/refusal.ts';
import { systems } from '../codes/systems.ts';
import { list } from '../compact.ts';
import type { Mapping } from '../context.ts';
import { type Identifier, uniteIdentifiers } from '../identifiers.ts';
import { accountNumber, anyOf, numberKey, patientIdentity, successorOf, visitNumber } from '../identity.ts';
import { stampText } from '../ordering.ts';
import type { MappedPatient, PatientSegments } from '../patient.ts';
import { patientMerge, patient as patientOf } from '../patient.ts';
import { perMessage } from '../per-message.ts';
import { movedPayers } from './family.ts';
import { asOld, identifiersOf, linksOf, linkTarget, nameOf } from './merge.ts';

function severalOf(segment: string, field: number, matches: Resource[]): Refusal {
  const type = String(matches[0]!.resourceType);
  const text = `The former and the new number (${segment}-${field}) belong to two of type ${type}: merge them, or correct the number`;
  const references = matches.map((one) => `${one.resourceType}/${one.id}`);
  const location = { segment, field };
  return new Refusal('AE', '205', text, { location, review: { kind: 'identity', text, references } });
}

/** Whom MRG-1 means: of one who was merged and keeps its numbers (`identifiers: 'copy'`) the survivor, who has them as well. */
function formerOf(matches: Resource[]): Resource | undefined {
  const living = matches.filter((one) => successorOf(one) === undefined);
  const [former, ...others] = living.length > 0 ? living : matches;
  if (others.length > 0) throw severalOf('MRG', 1, matches);
  return former;
}

/** The resource with the new numbers, the former marked as old. */
function renumbered(existing: Resource, former: readonly Identifier[], now: readonly Identifier[]): JsonObject[] {
  const stay = new Set(now.map(numberKey));
  const old = new Set(former.map(numberKey).filter((number) => !stay.has(number)));
  const kept = identifiersOf(existing).map((one) => (old.has(numberKey(one)) ? asOld(one) : one));
  const known = new Set(kept.map(numberKey));
  const lost = former.filter((one) => !known.has(numberKey(one)) && old.has(numberKey(one))).map(asOld);
  // A number that comes back is no old one any more.
  return [...[...kept, ...lost].filter((one) => !stay.has(numberKey(one))), ...now];
}

/** A46 to A48, A51: MRG-1 (MRG-4) is now PID-3. Throws Refusal AE without numbers. */
export function renumberPatient(mapping: Mapping, segments: PatientSegments, mrg: Segment): MappedPatient {
  const identity = patientIdentity(mapping, segments.pid);
  const former = patientIdentity(mapping, mrg, [1, 4]);
  const cleared: string[] = [];
  const resource = patientOf(mapping, segments, identity, cleared);
  mapping.stamp(resource);
  const change = patientMerge(mapping, cleared);
  const replaced = new Set<string>();
  const both = [...new Map([...identity.matching, ...former.matching].map((one) => [numberKey(one), one])).values()];
  const reference = mapping.add({
    method: 'PUT',
    url: `Patient?${anyOf(both)}`,
    resource,
    choose: (matches) => ({ match: formerOf(matches) }),
    merge(existing, incoming) {
      const base = change(existing, incoming);
      return { ...base, identifier: renumbered(base, former.matching, identity.identifiers as Identifier[]) };
    },
  });
  return { reference, key: JSON.stringify([identity.key.system, identity.key.value]), identity, replaced };
}

type Numbered = 'Encounter' | 'Account';

const numberOf = (mapping: Mapping, type: Numbered, cx: Part): Identifier | undefined =>
  type === 'Encounter' ? visitNumber(mapping, cx) : accountNumber(mapping, cx);

/** What the resource has to have; these messages say nothing of it, and change only what is there. */
function frameOf(type: Numbered): JsonObject {
  const unknown = { system: systems.v3NullFlavor, code: 'UNK', display: 'unknown' };
  return type === 'Account' ? { status: 'unknown' } : { status: 'unknown', class: unknown };
}

export interface Renumbering {
  type: Numbered;
  /** MRG-3 or MRG-5. */
  former: Part;
  /** PID-18 or PV1-19; where it is empty the number stays. */
  now: Part;
  /** The patient whose it is, from now on where it moves. */
  patient: MappedPatient;
  /** Whose it is until it moves (MRG-1). */
  from?: FormerPatient | undefined;
  /** Only its number changes (A49, A50): a visit has to be the patient's already, an account stays that of the others too. */
  stays?: boolean;
}

/**
 * The visit or account of the former number gets the new one and the patient. Undefined without a former number. What is not
 * known is created by the message that tells of it, under its new number.
 */
export function moveNumbered(
  mapping: Mapping,
  { type, former, now, patient, from, stays = false }: Renumbering,
): string | undefined {
  const was = numberOf(mapping, type, former);
  if (was === undefined) return undefined;
  const next = numberOf(mapping, type, now) ?? was;
  const both = numberKey(next) === numberKey(was) ? [was] : [was, next];
  const subject = { reference: patient.reference };
  const resource = {
    resourceType: type,
    identifier: [next],
    ...frameOf(type),
    subject: type === 'Account' ? [subject] : subject,
  };
  mapping.stamp(resource);
  const field = type === 'Account' ? 3 : 5;
  return mapping.add({
    method: 'PUT',
    url: `${type}?${anyOf(both)}`,
    resource,
    choose(matches): Choice {
      if (matches.length > 1) throw severalOf('MRG', field, matches);
      if (matches.length === 1) return { match: matches[0] };
      mapping.warnings.add(`MRG-${field}: not known; nothing to move`);
      return { idle: true, as: patient.reference };
    },
    merge(existing, incoming) {
      if (existing === undefined) return incoming;
      const identifier = renumbered(existing, [was], [next]);
      if (!stays) {
        const subject = movedSubject(existing, incoming, { patient, from, field });
        const moved = { ...existing, identifier, subject };
        return type === 'Account' ? movedPayers(existing, moved, stampText(incoming)) : moved;
      }
      assertPatients(existing, incoming, patient, { segment: 'MRG', field });
      return { ...existing, identifier, subject: existing.subject ?? incoming.subject! };
    },
  });
}

/** Also of those that were merged into the patient. */
function namesOf(patient: Resource | undefined): Set<string> {
  const replaced = linksOf(patient).filter(({ type }) => type === 'replaces');
  return new Set([...(patient === undefined ? [] : [nameOf(patient)]), ...replaced.map(linkTarget)]);
}

/** Instead of the patient of MRG-1 that of PID-3; whom else an account is of, stays. Throws Refusal where it is not MRG-1's. */
function movedSubject(
  existing: Resource,
  incoming: Resource,
  { patient, from, field }: { patient: MappedPatient; from: FormerPatient | undefined; field: number },
): Json {
  const before = list([existing.subject ?? []].flat()).filter(({ reference }) => reference !== undefined);
  const [now] = list([incoming.subject ?? []].flat());
  if (from === undefined || before.length === 0) return incoming.subject!;
  const own = namesOf(from.known());
  const others = before.filter(({ reference }) => {
    const name = String(reference);
    return !own.has(name) && !patient.replaced.has(name) && name !== now?.reference;
  });
  if (others.length === before.length) throw notTheirs(existing, before, field);
  return existing.resourceType === 'Account' ? [...others, now!] : now!;
}

function notTheirs(moved: Resource, subjects: readonly JsonObject[], field: number): Refusal {
  const what = moved.resourceType === 'Account' ? 'account' : 'visit';
  const text = `The ${what} (MRG-${field}) is not the patient's of MRG-1: correct the number of the ${what} or of the patient`;
  const references = [`${moved.resourceType}/${moved.id}`, ...subjects.map(({ reference }) => String(reference))];
  const review = { kind: 'identity' as const, text, references };
  return new Refusal('AE', '205', text, { location: { segment: 'MRG', field }, review });
}

/** A visit number that was mistyped would give one patient's visit to another. An account may be a family's. */
function assertPatients(
  existing: Resource,
  incoming: Resource,
  { replaced }: MappedPatient,
  location: { segment: string; field: number },
): void {
  if (existing.resourceType !== 'Encounter') return;
  const [before, now] = [existing, incoming].map(({ subject }) => (subject as JsonObject | undefined)?.reference);
  if (before === undefined || before === now || replaced.has(String(before))) return;
  const where = `${location.segment}-${location.field}`;
  const text = `The visit (${where}) is another patient's: correct the visit number, or move the visit (A45)`;
  const references = [`Encounter/${existing.id}`, String(before), String(now)];
  const review = { kind: 'identity' as const, text, references };
  throw new Refusal('AE', '205', text, { location, review });
}

/** A message says nothing of how many visits an account has; those of an account are few. */
const VISITS_MAX = 10;

/** A44: the visits of the account, by the former number or the new one, under names that a move takes. */
export function visitsOfAccount(mapping: Mapping, former: Part, now: Part): string[] {
  const numbers = [former, now].flatMap((cx) => accountNumber(mapping, cx) ?? []);
  const { entries } = mapping.lookUps;
  const url = `Encounter?account:Account.${anyOf(numbers)}`;
  return Array.from({ length: VISITS_MAX }, (_, index) => {
    const fullUrl = `${mapping.messageKey} visit ${entries.length} of the account`;
    entries.push({
      method: 'PUT',
      url,
      fullUrl,
      resource: { resourceType: 'Encounter' },
      choose: (matches) => ({ match: matches[index], idle: true }),
      merge: (existing, incoming) => existing ?? incoming,
    });
    return fullUrl;
  });
}

/** A35, A41, A42: the former number's account or visit is one with the new number's; it stays to be read, out of use. */
export function mergeNumbered(mapping: Mapping, { type, former, now, patient }: Renumbering): void {
  const was = numberOf(mapping, type, former);
  const next = numberOf(mapping, type, now);
  const field = type === 'Account' ? 3 : 5;
  if (was === undefined || next === undefined || numberKey(was) === numberKey(next)) return;
  const state: { kept?: Resource | undefined } = {};
  const subject = { reference: patient.reference };
  const kept = mapping.add({
    method: 'PUT',
    url: `${type}?${anyOf([next])}`,
    resource: {
      resourceType: type,
      identifier: [next],
      ...frameOf(type),
      subject: type === 'Account' ? [subject] : subject,
    },
    choose([match]): Choice {
      state.kept = match;
      if (match !== undefined) return { match };
      mapping.warnings.add(`${type === 'Account' ? 'PID-18' : 'PV1-19'}: not known; nothing to merge into`);
      return { idle: true, as: patient.reference };
    },
    merge: (existing, incoming) => {
      const base = existing ?? incoming;
      assertPatients(base, incoming, patient, { segment: 'PV1', field: 19 });
      const known = new Set(identifiersOf(base).map(numberKey));
      return known.has(numberKey(was)) ? base : { ...base, identifier: [...identifiersOf(base), asOld(was)] };
    },
  });
  mapping.add({
    method: 'PUT',
    url: `${type}?${anyOf([was])}`,
    resource: {
      resourceType: type,
      ...frameOf(type),
      subject: type === 'Account' ? [subject] : subject,
      partOf: { reference: kept },
    },
    choose(matches): Choice {
      const others = matches.filter(({ id }) => id !== state.kept?.id);
      if (others.length > 1) throw severalOf('MRG', field, others);
      if (state.kept === undefined || others[0] === undefined) return { idle: true, as: kept };
      return { match: others[0] };
    },
    merge(existing, incoming) {
      const base = existing ?? incoming;
      assertPatients(base, incoming, patient, { segment: 'MRG', field });
      const { identifier: _identifier, ...rest } = base;
      const left = identifiersOf(base).filter((one) => numberKey(one) !== numberKey(was));
      const status = type === 'Account' ? 'inactive' : 'entered-in-error';
      const partOf = incoming.partOf!;
      return { ...rest, ...(left.length > 0 ? { identifier: left } : {}), status, partOf } as Resource;
    },
  });
}

/**
 * A43: MRG-1 is a number of the patient of PID-3 and of nobody else. It is taken from whoever has it; one who has no other
 * number left stays as it is, and a person is told.
 */
export function moveIdentifiers(mapping: Mapping, patient: MappedPatient, mrg: Segment): void {
  const moved = patientIdentity(mapping, mrg, [1]);
  const own = new Set(patient.identity.matching.map(numberKey));
  const matching = moved.matching.filter((one) => !own.has(numberKey(one)));
  if (matching.length === 0) return;
  const target = mapping.entries.find(({ fullUrl }) => fullUrl === patient.reference)!;
  const { choose, merge } = target;
  const state: { target?: Resource | undefined } = {};
  target.choose = (matches) => {
    const choice = choose?.(matches) ?? { match: matches[0] };
    state.target = choice.match;
    return choice;
  };
  target.merge = (existing, incoming) => {
    const base = merge?.(existing, incoming) ?? incoming;
    return { ...base, identifier: uniteIdentifiers(identifiersOf(base), moved.identifiers) };
  };
  const gone = new Set(matching.map(numberKey));
  mapping.add({
    method: 'PUT',
    url: `Patient?${anyOf(matching)}`,
    resource: { resourceType: 'Patient', identifier: moved.identifiers },
    choose(matches) {
      const others = matches.filter(({ id }) => id !== state.target?.id);
      if (others.length > 1) throw severalOf('MRG', 1, others);
      return others[0] === undefined ? { idle: true, as: patient.reference } : { match: others[0], handsOver: true };
    },
    merge(existing, incoming) {
      const base = existing ?? incoming;
      const left = identifiersOf(base).filter((one) => !gone.has(numberKey(one)));
      if (left.length > 0) return { ...base, identifier: left };
      const text = 'The patient of MRG-1 has no other number: merge the two (A40) instead of moving the number';
      const references = [nameOf(base), ...(state.target === undefined ? [] : [nameOf(state.target)])];
      throw new Refusal('AE', '205', text, {
        location: { segment: 'MRG', field: 1 },
        review: { kind: 'merge', text, references },
      });
    },
  });
}

export interface FormerPatient {
  reference: string;
  /** As it is in the transaction. */
  known(): Resource | undefined;
}

const formersOf = perMessage(() => new Map<string, FormerPatient>());

/** An entry that only finds the patient of MRG-1; undefined where that is empty. */
export function formerPatient(mapping: Mapping, mrg: Segment, patient: MappedPatient): FormerPatient | undefined {
  if (mrg.field(1).isEmpty) return undefined;
  const { matching } = patientIdentity(mapping, mrg, [1, 4]);
  const url = `Patient?${anyOf(matching)}`;
  const formers = formersOf(mapping);
  const sameAs = formers.get(url);
  if (sameAs !== undefined) return sameAs;
  let match: Resource | undefined;
  const reference = mapping.add({
    ...{ method: 'PUT', url },
    resource: { resourceType: 'Patient', identifier: matching },
    choose(matches) {
      match = formerOf(matches);
      return match === undefined ? { idle: true, as: patient.reference } : { match, idle: true };
    },
    merge: (existing, incoming) => existing ?? incoming,
  });
  const former = { reference, known: () => match };
  formers.set(url, former);
  return former;
}
