// The one member that is meant: by name, birth date and gender, and by what stands on the insurance card.
// https://hl7.org/fhir/us/davinci-hrex/OperationDefinition-member-match.html
import { type AccessScope, escapeValue, type JsonObject, objectsOf, type Resource } from '#fhir-model';
import { CerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { matchCriteria, parseQuery } from '../interactions/search.ts';
import { readSome } from '../store/read.ts';
import { findMatches, type Match } from './match.ts';
import { isReplaced, sameIdentifier } from './match-features.ts';

/** 422, with the issue type that tells why: "No match SHALL return a 422 status code", several as well. */
export function failed(issueType: string, text: string, expression: string): CerebraError {
  const issue = { severity: 'error' as const, code: issueType, diagnostics: text, expression: [expression] };
  return new CerebraError('business-rule', text, { issues: [issue] });
}

const isFilled = (value: unknown): value is string => typeof value === 'string' && value.trim() !== '';

interface Card {
  identifiers: JsonObject[];
  subscriberId?: string;
  dependent?: string;
}

/** What of a coverage stands on a card. */
function cardOf({ identifier, subscriberId, dependent }: JsonObject): Card {
  return {
    identifiers: objectsOf(identifier).filter(({ value }) => isFilled(value)),
    ...(isFilled(subscriberId) ? { subscriberId: subscriberId.trim() } : {}),
    ...(isFilled(dependent) ? { dependent: dependent.trim() } : {}),
  };
}

const share = (a: readonly JsonObject[], b: readonly JsonObject[]): boolean =>
  a.some((one) => b.some((other) => sameIdentifier(one, other)));

/** Families share a subscriber's number; the dependent's tells them apart where both have it. */
function isSameCard(asked: Card, stored: Card): boolean {
  if (share(asked.identifiers, stored.identifiers)) return true;
  if (asked.subscriberId === undefined || asked.subscriberId !== stored.subscriberId) return false;
  return asked.dependent === undefined || stored.dependent === undefined || asked.dependent === stored.dependent;
}

/** A pure likeness of names is no proof: the birth date must be the same, and nothing may speak against it. */
function isSamePerson({ levels }: Match): boolean {
  const { family, given, birthDate, gender, birthOrder } = levels;
  const named = family !== undefined && family !== 'differs' && given !== undefined && given !== 'differs';
  return named && birthDate === 'equal' && gender !== 'differs' && birthOrder !== 'differs';
}

/** Coverages of these patients, by patient id. */
async function cardsOf(core: Core, ids: readonly string[], scope: AccessScope): Promise<Map<string, Card[]>> {
  const cards = new Map<string, Card[]>();
  for (const id of ids) {
    const query = parseQuery(core, 'Coverage', [['beneficiary', `Patient/${id}`]], true);
    const found = await matchCriteria(core, query, { scope, db: core.store.db }, COVERAGES_MAX);
    cards.set(
      id,
      found.map(({ body }) => cardOf(JSON.parse(body) as Resource)),
    );
  }
  return cards;
}

/** Coverages of one patient, and patients of the same name and birth date, that are looked at. */
const COVERAGES_MAX = 200;
const PERSONS_MAX = 50;

/** Of each patient what is looked at: 50 with photographs would fill the heap. */
async function patientsOf(core: Core, matches: readonly Match[], scope: AccessScope): Promise<Map<string, Resource>> {
  const patients = new Map<string, Resource>();
  for (let ids = matches.map(({ id }) => id); ids.length > 0; ) {
    const { found, left } = await readSome(core.store.db, 'Patient', ids, scope);
    for (const one of found) {
      const { resourceType, id, identifier } = JSON.parse(one.body) as Resource;
      patients.set(one.id, { resourceType, id: id!, ...(identifier !== undefined && { identifier }) });
    }
    ids = left;
  }
  return patients;
}

/** Numbers on one card; whoever sends more is trying them. */
const NUMBERS_MAX = 10;

/** Throws `business-rule` for a card without a number, or with many, and a patient without name or birth date. */
export function assertEnough(patient: Resource, coverage: Resource): void {
  const card = cardOf(coverage);
  if (card.identifiers.length > NUMBERS_MAX) {
    const text = `CoverageToMatch may have ${NUMBERS_MAX} identifiers: those that stand on the card`;
    throw failed('too-costly', text, 'CoverageToMatch.identifier');
  }
  if (card.identifiers.length === 0 && card.subscriberId === undefined) {
    const text = 'CoverageToMatch needs the number of the member or subscriber: identifier or subscriberId';
    throw failed('required', text, 'CoverageToMatch');
  }
  const named = objectsOf(patient.name).some(
    ({ family, given }) => isFilled(family) && Array.isArray(given) && given.some(isFilled),
  );
  if (named && typeof patient.birthDate === 'string' && patient.birthDate.length === 10) return;
  throw failed('required', 'MemberPatient needs a family and a given name, and the whole birthDate', 'MemberPatient');
}

/** Throws `business-rule` unless there is exactly one. */
export async function findMember(
  core: Core,
  patient: Resource,
  coverage: Resource,
  scope: AccessScope,
): Promise<Resource> {
  // What the patient is called elsewhere has no say in the search: the card is what counts.
  const { matches } = await findMatches(core, core.store.db, { ...patient, identifier: [] }, scope);
  const persons = matches.filter(isSamePerson).slice(0, PERSONS_MAX);
  const patients = await patientsOf(core, persons, scope);
  const cards = await cardsOf(core, [...patients.keys()], scope);
  const asked = cardOf(coverage);
  const members = [...patients].filter(
    ([id, one]) =>
      share(asked.identifiers, objectsOf(one.identifier)) || cards.get(id)!.some((card) => isSameCard(asked, card)),
  );
  const [member, another] = members;
  if (!member) throw failed('not-found', 'No member matches these demographics and this coverage', 'MemberPatient');
  if (!another) return member[1];
  const text = 'More than one member matches these demographics and this coverage';
  throw failed('multiple-matches', text, 'MemberPatient');
}

const UMB = {
  system: 'http://hl7.org/fhir/us/davinci-hrex/CodeSystem/hrex-temp',
  code: 'UMB',
  display: 'Member Number',
};

/** Kinds of identifiers that name one member, the best first: https://terminology.hl7.org/CodeSystem-v2-0203.html */
const KINDS = ['UMB', 'MB', 'MR', 'PI'];

const codingsOf = ({ type }: JsonObject): JsonObject[] => objectsOf((type as JsonObject | undefined)?.coding);

function rank(identifier: JsonObject): number {
  const ranks = codingsOf(identifier).map(({ code }) => KINDS.indexOf(String(code)));
  return Math.min(KINDS.length, ...ranks.filter((at) => at !== -1));
}

async function isUnique(core: Core, { system, value }: JsonObject, scope: AccessScope): Promise<boolean> {
  const token = `${escapeValue(String(system))}|${escapeValue(String(value))}`;
  const query = parseQuery(core, 'Patient', [['identifier', token]], true);
  const found = await matchCriteria(core, query, { scope, db: core.store.db }, PERSONS_MAX);
  return found.filter(({ body }) => !isReplaced(JSON.parse(body) as Resource)).length === 1;
}

/** The identifier by which the member is asked for from now on: one that nobody else has, else the id that it has here. */
export async function memberIdentifier(core: Core, member: Resource, scope: AccessScope): Promise<JsonObject> {
  const known = objectsOf(member.identifier)
    .filter(({ system, value, use }) => isFilled(system) && isFilled(value) && use !== 'old' && use !== 'temp')
    .sort((a, b) => rank(a) - rank(b));
  for (const { type: _type, ...identifier } of known) {
    if (!(await isUnique(core, identifier, scope))) continue;
    const others = codingsOf({ type: _type }).filter(({ code }) => code !== UMB.code);
    return { ...identifier, type: { coding: [UMB, ...others] } };
  }
  return { type: { coding: [UMB] }, system: `${core.baseUrl}/Patient`, value: member.id! };
}
