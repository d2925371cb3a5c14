// A24 links two patients, A37 takes a link or a merge back: HL7 v2.9 chapter 3.3.24 and 3.3.37;
// https://hl7.org/fhir/R4/patient-definitions.html#Patient.link
import type { Choice, JsonObject, Resource, TransactionEntry } from '#fhir-model';
import { Refusal } from '../../message/refusal.ts';
import type { Mapping } from '../context.ts';
import { uniteIdentifiers } from '../identifiers.ts';
import { anyOf, numberKey, type PatientIdentity, patientIdentity, successorOf, thePatient } from '../identity.ts';
import { required } from '../message-map.ts';
import type { Group } from '../structure/group.ts';
import { identifiersOf, linksOf, linkTarget, nameOf, numbersBefore } from './merge.ts';

interface Side {
  identity: PatientIdentity;
  numbers: ReadonlySet<string>;
  reference: string;
  /** As it is in the transaction. */
  known: Resource | undefined;
  /** A37: it had been merged into the other. */
  wasMerged: boolean;
}

const location = { segment: 'PID', field: 3 };

type Hooks = Required<Pick<TransactionEntry, 'choose' | 'merge'>>;

/** The two PATIENT groups. Throws Refusal AE for fewer or without numbers. */
function sidesOf(mapping: Mapping, groups: readonly Group[]): [Side, Side] {
  const sides = groups.slice(0, 2).map((group): Side => {
    const identity = patientIdentity(mapping, required(group.get('PID'), 'PID'));
    return {
      identity,
      numbers: new Set(identity.matching.map(numberKey)),
      reference: '',
      known: undefined,
      wasMerged: false,
    };
  });
  const [first, second] = sides;
  if (first === undefined || second === undefined) {
    throw new Refusal('AE', '100', 'Required segment PID is missing: the event is about two patients', {
      location: { segment: 'PID', sequence: 2 },
    });
  }
  return [first, second];
}

function add(mapping: Mapping, side: Side, hooks: Hooks): void {
  const { identifiers, matching } = side.identity;
  const resource: Resource = { resourceType: 'Patient', identifier: identifiers };
  side.reference = mapping.add({ method: 'PUT', url: `Patient?${anyOf(matching)}`, resource, ...hooks });
}

/** A24: each patient gets a link `seealso` to the other; one that is unknown is created with its numbers. */
export function linkPatients(mapping: Mapping, groups: readonly Group[]): void {
  const [first, second] = sidesOf(mapping, groups);
  const find = thePatient(location);
  const hooks = (own: Side, other: Side): Hooks => ({
    choose(matches) {
      const choice = find(matches);
      own.known = choice.match;
      // Both are one already.
      const same = own === second && own.known !== undefined && own.known.id === first.known?.id;
      return same ? { ...choice, idle: true } : choice;
    },
    merge(existing, incoming) {
      const base: Resource = existing ?? incoming;
      const [link] = linksOf(incoming);
      if (link === undefined || linkTarget(link) === nameOf(base) || isLinked(base, link)) return base;
      if (other.known !== undefined && other.known.id === base.id) return base;
      return { ...base, link: [...linksOf(base), link] };
    },
  });
  add(mapping, first, hooks(first, second));
  add(mapping, second, hooks(second, first));
  for (const [own, other] of [[first, second] as const, [second, first] as const]) {
    const entry = mapping.entries.find(({ fullUrl }) => fullUrl === own.reference);
    if (entry?.resource !== undefined)
      entry.resource.link = [{ other: { reference: other.reference }, type: 'seealso' }];
  }
}

const isLinked = (patient: Resource, link: JsonObject): boolean =>
  linksOf(patient).some((one) => linkTarget(one) === linkTarget(link));

/**
 * A37: the links between the two go. Where one had been merged into the other it is active again and gets its numbers back, and
 * what the merge has moved, unless it has changed since.
 */
export function unlinkPatients(mapping: Mapping, groups: readonly Group[]): void {
  const [first, second] = sidesOf(mapping, groups);
  const hooks = (own: Side, other: Side): Hooks => ({
    choose: (matches) => unlinked(matches, own),
    merge: (existing, incoming) => (existing === undefined ? incoming : withoutLink(existing, own, other)),
  });
  add(mapping, first, hooks(first, second));
  add(mapping, second, hooks(second, first));
  for (const [own, other] of [[first, second] as const, [second, first] as const]) {
    const back = { wasMerged: () => own.wasMerged, warn: (text: string) => mapping.warnings.add(text) };
    mapping.move({ from: other.reference, to: own.reference, back });
  }
}

/** By its own number, or as the one that was merged into the patient that has its number now. */
function unlinked(matches: Resource[], own: Side): Choice {
  const known = matches.filter((one) => identifiersOf(one).some(isOwnNow(own)));
  const [match] = known.length > 0 ? known : matches;
  if (known.length > 1) return thePatient(location)(known);
  if (match === undefined) return {};
  const isMerged = known.length === 0 && identifiersOf(match).some((one) => own.numbers.has(numberKey(one)));
  const former = isMerged ? mergedOf(match, own) : undefined;
  if (former !== undefined) return { follow: former };
  // Followed to by its reference alone, its numbers being another's.
  own.known = match;
  return { match };
}

const isOwnNow =
  ({ numbers }: Side) =>
  (identifier: JsonObject): boolean =>
    numbers.has(numberKey(identifier)) && identifier.use !== 'old';

/** `Patient/1` that was merged into this one and had these numbers. */
function mergedOf(survivor: Resource, { numbers }: Side): string | undefined {
  const replaced = linksOf(survivor).filter(({ type }) => type === 'replaces');
  const named = replaced.find(({ other }) => {
    const identifier = (other as JsonObject | undefined)?.identifier;
    return identifier !== undefined && numbers.has(numberKey(identifier as JsonObject));
  });
  const found = named ?? (replaced.length === 1 ? replaced[0] : undefined);
  return found && linkTarget(found);
}

function withoutLink(existing: Resource, own: Side, other: Side): Resource {
  const otherName = other.known && nameOf(other.known);
  const links = linksOf(existing).filter((link) => linkTarget(link) !== otherName);
  const wasMerged = otherName !== undefined && successorOf(existing) === otherName;
  own.wasMerged = wasMerged;
  const { link: _link, identifier: _identifier, ...rest } = existing;
  // What the other had when it was merged into this one, and this one into the other.
  const theirs = other.known === undefined ? [] : numbersBefore(existing, other.known);
  const ours = wasMerged ? numbersBefore(other.known, existing) : [];
  const gone = new Set([...other.numbers, ...theirs.map(numberKey)]);
  const kept = identifiersOf(existing).filter((one) => !(one.use === 'old' && gone.has(numberKey(one))));
  const identifier = wasMerged ? uniteIdentifiers(uniteIdentifiers(kept, ours), own.identity.identifiers) : kept;
  return {
    ...rest,
    ...(identifier.length > 0 ? { identifier } : {}),
    ...(wasMerged ? { active: true } : {}),
    ...(links.length > 0 ? { link: links } : {}),
  } as Resource;
}
