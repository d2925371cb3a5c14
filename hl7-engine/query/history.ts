// Request Immunization History (QBP^Q11, Z34 and Z44) to RSP^K11 with profile Z32, Z31, Z33 or Z42: CDC's implementation guide for
// immunization messaging 2.5.1 release 1.5, chapter 7; HL7 v2.9 chapter 5.3.1
import { foldString, type JsonObject, type Resource } from '#fhir-model';
import { objects, text } from '../building/building.ts';
import { vaccinationSegments } from '../building/messages/vxu.ts';
import { conceptMapOf } from '../mapping/codes/concept-maps.ts';
import type { Inquiry, Mapping } from '../mapping/context.ts';
import { date } from '../mapping/datetime.ts';
import { patientIdentity } from '../mapping/identity.ts';
import type { SegmentValue } from '../message/build.ts';
import type { Part, Segment } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';
import type { Response } from '../message/response.ts';
import { type Asked, escaped, parsed, patientNumbers, patientsBy, patientsByNumber } from './ask.ts';
import { acknowledged, answering, people, type QueryStatus, wantedCount } from './reply.ts';

const sexes = conceptMapOf('AdministrativeSex').codes;

/** Whom the query describes: QPD-3 to QPD-7. */
interface Wanted {
  numbers: Part;
  family: string | undefined;
  given: string | undefined;
  birthDate: string | undefined;
  gender: string | undefined;
}

/** Throws Refusal AE for a date of birth that is none: whose history it is could not be checked by it. */
function wantedOf(qpd: Segment): Wanted {
  const born = qpd.field(6).text;
  if (born !== undefined && date(born) === undefined) {
    const location = { segment: 'QPD', field: 6 };
    throw new Refusal('AE', '102', 'QPD-6 is to be a date: YYYYMMDD', { location });
  }
  const name = qpd.field(4).repetition(1);
  return {
    numbers: qpd.field(3),
    family: name.component(1).text,
    given: name.component(2).text,
    birthDate: date(born),
    gender: sexes.get((qpd.field(7).text ?? '').toUpperCase())?.code,
  };
}

/** Letters alone, folded as searches fold them: who is found by a name is not refused for it. */
const plain = (text: string | undefined): string => foldString(text ?? '').replaceAll(/[^\p{L}]/gu, '');

/**
 * Nobody gets the history of another: what the query and the patient both say of name and birth has to agree, even where the
 * number is the patient's.
 */
function agrees(patient: Resource, { family, given, birthDate, gender }: Wanted): boolean {
  const born = text(patient.birthDate);
  if (birthDate !== undefined && born !== undefined && !born.startsWith(birthDate) && !birthDate.startsWith(born))
    return false;
  const known = text(patient.gender);
  const isKnown = (code: string | undefined): boolean => code === 'male' || code === 'female';
  if (isKnown(gender) && isKnown(known) && gender !== known) return false;
  const names = objects(patient.name);
  return names.length === 0 || names.some((name) => hasName(name, family, given));
}

function hasName(name: JsonObject, family: string | undefined, given: string | undefined): boolean {
  const words = Array.isArray(name.given) ? name.given.map((word) => plain(String(word))) : [];
  const sameFamily = family === undefined || name.family === undefined || plain(String(name.family)) === plain(family);
  return sameFamily && (given === undefined || words.length === 0 || words.includes(plain(given)));
}

/** So many of one name and birth are looked at. */
const candidatesMax = 100;

/** By number, else by name and date of birth. */
async function candidates(inquiry: Inquiry, mapping: Mapping, qpd: Segment, wanted: Wanted): Promise<Resource[]> {
  if (!wanted.numbers.isEmpty) {
    const { matching } = patientIdentity(mapping, qpd, [3]);
    const found = await patientsByNumber(inquiry, matching);
    if (found.length > 0) return found.filter((patient) => agrees(patient, wanted));
  }
  const { family, given, birthDate } = wanted;
  if (family === undefined || birthDate === undefined) return [];
  const names = given === undefined ? [] : [`given=${escaped(given)}`];
  const criteria = [`family=${escaped(family)}`, `birthdate=${birthDate}`, ...names];
  const { patients } = await patientsBy(inquiry, criteria, { count: candidatesMax, cursor: undefined });
  return patients.filter((patient) => agrees(patient, wanted));
}

const type = ['RSP', 'K11', 'RSP_K11'] as const;
const profile = (name: string): string[] => [name, 'CDCPHINVS'];

/** Without a number and without name and date of birth nobody is described. */
function assertDescribed({ numbers, family, birthDate }: Wanted): void {
  if (!numbers.isEmpty || (family !== undefined && birthDate !== undefined)) return;
  const location = { segment: 'QPD', field: 3 };
  throw new Refusal('AE', '101', 'QPD names nobody: send QPD-3, or QPD-4 and QPD-6', { location });
}

/** `query`: Z34, or Z44, which asks for an evaluation and forecast as well: this server has none, and answers with the history. */
export function immunizationHistory(
  mapping: Mapping,
  qpd: Segment,
  rcp: Segment | undefined,
  query: 'Z34' | 'Z44',
): Asked {
  const wanted = wantedOf(qpd);
  assertDescribed(wanted);
  const count = wantedCount(rcp);
  return async (inquiry) => {
    const found = await candidates(inquiry, mapping, qpd, wanted);
    const answer = (name: string, status: QueryStatus, segments: SegmentValue[]): Response => ({
      type,
      profile: profile(name),
      segments: [...acknowledged(mapping, qpd, status), ...segments],
    });
    const [only] = found;
    if (only === undefined) return answer('Z33', 'NF', []);
    if (found.length > count) return answer('Z33', 'TM', []);
    const known = found.map((patient) => ({ patient, numbers: patientNumbers(patient) }));
    const who = await people(mapping, inquiry, known);
    if (found.length > 1) return answer('Z31', 'OK', who);
    const given = (await immunizationsOf(inquiry, String(only.id))).filter(
      ({ status }) => status !== 'entered-in-error',
    );
    const orders = await answering(mapping, inquiry, given, (building, immunizations) =>
      immunizations.flatMap((immunization) => vaccinationSegments(building, withSource(immunization), 'A')),
    );
    return answer(query === 'Z34' ? 'Z32' : 'Z42', 'OK', [...who, ...orders]);
  };
}

/** RXA-9 is required of what was given; where nobody has said who told it, its source is unspecified. */
const withSource = (immunization: Resource): Resource =>
  immunization.status === 'completed' ? { primarySource: false, ...immunization } : immunization;

const pageSize = 100;
/** Nobody has had so many vaccinations; who is said to have gets the first of them. */
const immunizationsMax = 2000;

async function immunizationsOf({ reader, scope }: Inquiry, patient: string): Promise<Resource[]> {
  const found: Resource[] = [];
  const query = `patient=Patient/${patient}&_sort=date&_count=${pageSize}`;
  for (let cursor: string | undefined = ''; cursor !== undefined && found.length < immunizationsMax; ) {
    const paging: string = cursor === '' ? '' : `&_cursor=${encodeURIComponent(cursor)}`;
    const page = await reader.search('Immunization', query + paging, scope);
    found.push(...page.resources.map(({ body }) => parsed(body)));
    cursor = page.nextCursor;
  }
  return found;
}
