// Immunization as ORC, RXA, RXR and OBX, as immunization registries send it: CDC's implementation guide for immunization
// messaging 2.5.1 release 1.5; the maps of ../mapping/clinical/immunization.ts the other way
import type { JsonObject } from '#fhir-model';
import { decimalText } from '../mapping/decimal.ts';
import type { RepetitionValue, SegmentValue } from '../message/build.ts';
import { type Authorities, cwe, dtm, ei, firstCode, listOf, numberText, objectOf, textOf } from './types.ts';

/** Of unknown amount. */
const noAmount = '999';

/** The order's segments; one that was entered in error is none. */
export function immunizationSegments(immunization: JsonObject, own: Authorities): SegmentValue[] {
  if (immunization.status === 'entered-in-error') return [];
  const { route, site } = immunization;
  const rxr: SegmentValue[] =
    route === undefined && site === undefined ? [] : [{ name: 'RXR', fields: { 1: cwe(route), 2: cwe(site) } }];
  return [orcOf(immunization, own), rxaOf(immunization), ...rxr, ...observations(immunization)];
}

function orcOf(immunization: JsonObject, own: Authorities): SegmentValue {
  const numbers = listOf(immunization.identifier);
  const placer = numbers.find(({ type }) => firstCode(type) === 'PLAC');
  const filler = numbers.find(({ type }) => firstCode(type) === 'FILL') ?? numbers.find((one) => one !== placer);
  // A number has to be there; one that only this server knows is the resource's id.
  const number = ei(filler, own) ?? [textOf(immunization.id), 'urn:cerebra:immunization'];
  return { name: 'ORC', fields: { 1: 'RE', 2: ei(placer, own), 3: number } };
}

function rxaOf(immunization: JsonObject): SegmentValue {
  const notDone = immunization.status === 'not-done';
  const when = dtm(immunization.occurrenceDateTime);
  const quantity = objectOf(immunization.doseQuantity);
  const amount = notDone ? undefined : decimalText(numberText(quantity.value) ?? '');
  const performer = listOf(immunization.performer).find(({ function: role }) => firstCode(role) !== 'OP');
  return {
    name: 'RXA',
    fields: {
      1: '0',
      2: '1',
      3: when,
      4: when,
      5: cwe(immunization.vaccineCode),
      6: amount ?? noAmount,
      7:
        amount === undefined
          ? undefined
          : [textOf(quantity.code) ?? textOf(quantity.unit), textOf(quantity.unit), 'UCUM'],
      9: notDone ? undefined : origin(immunization),
      10: shown(objectOf(performer?.actor)),
      11: [null, null, null, [textOf(objectOf(immunization.location).display)]],
      15: textOf(immunization.lotNumber),
      16: dtm(immunization.expirationDate),
      17: manufacturer(objectOf(immunization.manufacturer)),
      18: notDone ? cwe(immunization.statusReason) : undefined,
      20: notDone ? (firstCode(immunization.statusReason) === undefined ? 'NA' : 'RE') : 'CP',
      21: 'A',
    },
  };
}

/** NIP001: given here, or told by somebody. */
function origin(immunization: JsonObject): RepetitionValue {
  const code = firstCode(immunization.reportOrigin);
  if (code !== undefined)
    return [code, textOf(listOf(objectOf(immunization.reportOrigin).coding)[0]?.display), 'NIP001'];
  if (immunization.primarySource === true) return ['00', 'New immunization record', 'NIP001'];
  return ['01', 'Historical information - source unspecified', 'NIP001'];
}

/** XCN of somebody who is known by name here. */
function shown({ display }: JsonObject): RepetitionValue {
  const words = textOf(display)?.split(' ') ?? [];
  const family = words.pop();
  return family === undefined ? undefined : [null, family, words.join(' ')];
}

function manufacturer({ identifier, display }: JsonObject): RepetitionValue {
  const code = textOf(objectOf(identifier).value);
  const name = textOf(display);
  return code === undefined && name === undefined ? undefined : [code, name, code === undefined ? undefined : 'MVX'];
}

interface Told {
  code: RepetitionValue;
  type: string;
  value: RepetitionValue;
}

/** What the Immunization itself says and RXA has no field for. */
function observations(immunization: JsonObject): SegmentValue[] {
  const [protocol = {}] = listOf(immunization.protocolApplied);
  const dose = numberText(protocol.doseNumberPositiveInt);
  const doses = numberText(protocol.seriesDosesPositiveInt);
  const told: (Told | undefined)[] = [
    ...listOf(immunization.programEligibility).map((concept) => ({
      code: ['64994-7', 'Vaccine fund program eligibility category', 'LN'],
      type: 'CE',
      value: cwe(concept),
    })),
    immunization.fundingSource === undefined
      ? undefined
      : { code: ['30963-3', 'Vaccine funding source', 'LN'], type: 'CE', value: cwe(immunization.fundingSource) },
    dose === undefined ? undefined : { code: ['30973-2', 'Dose number in series', 'LN'], type: 'NM', value: dose },
    doses === undefined
      ? undefined
      : { code: ['59782-3', 'Number of doses in primary immunization series', 'LN'], type: 'NM', value: doses },
  ];
  const at = dtm(immunization.occurrenceDateTime);
  return told
    .filter((one) => one !== undefined)
    .map(({ code, type, value }, index) => ({
      name: 'OBX',
      fields: { 1: String(index + 1), 2: type, 3: code, 4: String(index + 1), 5: value, 11: 'F', 14: at },
    }));
}
