// Find Candidates (QBP^Q22) to RSP^K22: HL7 v2.9 chapter 3.3.57; what is asked for is the form of
// https://profiles.ihe.net/ITI/TF/Volume2/ITI-21.html
import { isCerebraError } from '#platform';
import { conceptMapOf } from '../mapping/codes/concept-maps.ts';
import type { Mapping } from '../mapping/context.ts';
import { date } from '../mapping/datetime.ts';
import { type Authority, identifierSystem, tokenCriterion } from '../mapping/identifiers.ts';
import type { Segment } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';
import { type Asked, domainsOf, escaped, inDomains, type PatientPage, patientNumbers, patientsBy } from './ask.ts';
import { acknowledged, continued, people, wantedCount } from './reply.ts';

/** `@PID.5.1` → search parameter of a text. */
const texts: Readonly<Record<string, string>> = {
  '5': 'family',
  '5.1': 'family',
  '5.2': 'given',
  '5.3': 'given',
  '11': 'address',
  '11.1': 'address',
  '11.2': 'address',
  '11.3': 'address-city',
  '11.4': 'address-state',
  '11.5': 'address-postalcode',
  '11.6': 'address-country',
};

/** Parts of one number: value, namespace, universal id and its type. */
const numberParts: Readonly<Record<string, 'value' | keyof Authority>> = {
  '3': 'value',
  '3.1': 'value',
  '3.4': 'namespace',
  '3.4.1': 'namespace',
  '3.4.2': 'universalId',
  '3.4.3': 'universalIdType',
};

const sexes = conceptMapOf('AdministrativeSex').codes;

const supported = 'PID.3, PID.5.1, PID.5.2, PID.7, PID.8, PID.11.1, PID.11.3 to PID.11.6 and PID.13';

/** Each is a condition of the search. */
const criteriaMax = 20;

const fault = (condition: '101' | '103', text: string): Refusal =>
  new Refusal('AE', condition, text, { location: { segment: 'QPD', field: 3 } });

/** QPD-3, `@PID.5.1^DOE~@PID.7^19600101`, as search criteria. Throws Refusal AE for what can't be searched for. */
export function criteriaOf(mapping: Mapping, qpd: Segment): string[] {
  const criteria: string[] = [];
  const number: Partial<Record<'value' | keyof Authority, string>> = {};
  for (const pair of qpd.field(3).repetitions()) {
    const [, path = ''] = /^@?PID[.-]([1-9]\d?(?:\.\d+){0,2})$/.exec(pair.component(1).text ?? '') ?? [];
    const value = pair.component(2).text;
    if (value === undefined) continue;
    const part = numberParts[path];
    if (part !== undefined) number[part] = value;
    else criteria.push(criterion(path.replace(/^(5\.1|11\.1)\.1$/, '$1'), value));
  }
  if (number.value !== undefined) criteria.push(numberCriterion(mapping, { ...number, value: number.value }));
  if (criteria.length > criteriaMax) throw fault('103', `QPD-3 names more than ${criteriaMax} fields`);
  if (criteria.length === 0) throw fault('101', `QPD-3 asks for nothing: name at least one of ${supported}`);
  return criteria;
}

function criterion(path: string, value: string): string {
  const name = texts[path];
  if (name !== undefined) return textCriterion(name, value);
  if (path === '7' || path === '7.1') {
    const day = date(value);
    if (day === undefined) throw fault('103', 'QPD-3: PID.7 is to be a date: YYYYMMDD');
    return `birthdate=${day}`;
  }
  if (path === '8') {
    const gender = sexes.get(value.toUpperCase())?.code;
    if (gender === undefined) throw fault('103', 'QPD-3: PID.8 is to be a code of table 0001');
    return `gender=${gender}`;
  }
  if (path === '13' || path.startsWith('13.')) return `phone=${escaped(value)}`;
  throw fault('103', `QPD-3: patients are not searched for by that field; by ${supported}`);
}

/** `DO*` begins with DO, `*O*` has an O; a name alone is matched from its beginning as well, whatever its case and accents. */
function textCriterion(name: string, value: string): string {
  const words = value.replaceAll(/^\*+|\*+$/g, '');
  if (words === '') throw fault('101', 'QPD-3: a * alone asks for everybody');
  return value.startsWith('*') ? `${name}:contains=${escaped(words)}` : `${name}=${escaped(words)}`;
}

function numberCriterion(mapping: Mapping, number: Partial<Authority> & { value: string }): string {
  const { value, namespace, universalId, universalIdType } = number;
  if (namespace === undefined && universalId === undefined) return `identifier=${escaped(value)}`;
  const system = identifierSystem(mapping, { namespace, universalId, universalIdType }, '');
  return tokenCriterion('identifier', system, value);
}

const noPointer = (): Refusal =>
  new Refusal('AE', '103', 'DSC-1 is no pointer of an answer to this query: leave DSC out', {
    location: { segment: 'DSC', field: 1 },
  });

/** DSC-1 as this server has given it: how many have been given, and the store's cursor. */
function pointerOf({ message }: Mapping): { given: number; cursor: string | undefined } {
  const pointer = message.get('DSC-1');
  if (pointer === undefined) return { given: 0, cursor: undefined };
  const [, given, cursor] = /^(\d{1,9})\.(.+)$/.exec(pointer) ?? [];
  if (cursor === undefined) throw noPointer();
  return { given: Number(given), cursor };
}

const ofDomain = (system: string): string => `${escaped(system)}|`;

/** A pointer that the store does not know is the query's fault, not the server's. */
async function page(...asked: Parameters<typeof patientsBy>): Promise<PatientPage> {
  try {
    return await patientsBy(...asked);
  } catch (error) {
    if (asked[2].cursor === undefined || !isCerebraError(error) || error.status >= 500) throw error;
    throw noPointer();
  }
}

export function findCandidates(mapping: Mapping, qpd: Segment, rcp: Segment | undefined): Asked {
  const count = wantedCount(rcp);
  const criteria = criteriaOf(mapping, qpd);
  const domains = domainsOf(mapping, qpd.field(8));
  const from = pointerOf(mapping);
  // A page is to hold patients who have a number there, and so is the count.
  const wanted = domains.length === 0 ? criteria : [...criteria, `identifier=${domains.map(ofDomain).join(',')}`];
  return async (inquiry) => {
    const { patients, total, nextCursor } = await page(inquiry, wanted, { count, cursor: from.cursor });
    const found = patients
      .map((patient) => ({ patient, numbers: inDomains(patientNumbers(patient), domains) }))
      .filter(({ numbers }) => domains.length === 0 || numbers.length > 0);
    const hits = { total, before: from.given, given: found.length };
    return {
      type: ['RSP', 'K22', 'RSP_K21'],
      segments: [
        ...acknowledged(mapping, qpd, found.length > 0 ? 'OK' : 'NF', hits),
        ...(await people(mapping, inquiry, found)),
        ...(nextCursor === undefined ? [] : [continued(`${from.given + patients.length}.${nextCursor}`)]),
      ],
    };
  };
}
