// Patient as PID and NK1: HL7 v2.9 chapter 3.4.2 and 3.4.5; the maps of ../mapping/tables/pid.ts and nk1.ts the other way
import type { JsonObject } from '#fhir-model';
import type { SegmentValue } from '../message/build.ts';
import {
  type Authorities,
  cwe,
  cx,
  dtm,
  firstCode,
  inverse,
  listOf,
  objectOf,
  repeating,
  textOf,
  xad,
  xpn,
  xtn,
} from './types.ts';

const sexes = inverse('AdministrativeSex');
const structure = 'http://hl7.org/fhir/StructureDefinition/';

const boolean = (value: unknown): string | undefined => (typeof value === 'boolean' ? (value ? 'Y' : 'N') : undefined);

/** Numbers of the patient that are in use, those of the type MR first. */
export function patientNumbers(patient: JsonObject): JsonObject[] {
  const current = listOf(patient.identifier).filter(({ use, value }) => use !== 'old' && value !== undefined);
  const rank = (one: JsonObject): number => (firstCode(one.type) === 'MR' ? 0 : 1);
  return current.toSorted((a, b) => rank(a) - rank(b));
}

/** `numbers`: what stands in PID-3. */
export function pidOf(patient: JsonObject, numbers: readonly JsonObject[], own: Authorities): SegmentValue {
  const telecom = listOf(patient.telecom);
  const atWork = (point: JsonObject): boolean => point.use === 'work';
  const mother = listOf(patient.extension).find(({ url }) => url === `${structure}patient-mothersMaidenName`);
  const languages = listOf(patient.communication).map(({ language }) => cwe(language));
  const names = listOf(patient.name).toSorted((a, b) => Number(b.use === 'official') - Number(a.use === 'official'));
  return {
    name: 'PID',
    fields: {
      1: '1',
      3: repeating(numbers.map((one) => cx(one, own))),
      5: repeating(names.map(xpn)),
      6: mother === undefined ? undefined : [textOf(mother.valueString), null, null, null, null, null, 'M'],
      7: dtm(birthTime(patient) ?? patient.birthDate),
      8: sexes.get(textOf(patient.gender) ?? ''),
      11: repeating(listOf(patient.address).map(xad)),
      13: repeating(telecom.filter((point) => !atWork(point)).map(xtn)),
      14: repeating(telecom.filter(atWork).map(xtn)),
      15: languages[0],
      16: cwe(patient.maritalStatus),
      24: boolean(patient.multipleBirthBoolean) ?? (patient.multipleBirthInteger === undefined ? undefined : 'Y'),
      25: patient.multipleBirthInteger === undefined ? undefined : String(patient.multipleBirthInteger),
      29: dtm(patient.deceasedDateTime),
      30: patient.deceasedDateTime === undefined ? boolean(patient.deceasedBoolean) : 'Y',
    },
  };
}

function birthTime(patient: JsonObject): unknown {
  const extensions = listOf(objectOf(patient._birthDate).extension);
  return extensions.find(({ url }) => url === `${structure}patient-birthTime`)?.valueDateTime;
}

/** Patient.contact. */
export function nk1Of(patient: JsonObject): SegmentValue[] {
  return listOf(patient.contact)
    .filter(({ name }) => name !== undefined)
    .map((contact, index) => ({
      name: 'NK1',
      fields: {
        1: String(index + 1),
        2: xpn(objectOf(contact.name)),
        3: cwe(listOf(contact.relationship)[0]),
        4: contact.address === undefined ? undefined : xad(objectOf(contact.address)),
        5: repeating(listOf(contact.telecom).map(xtn)),
      },
    }));
}
