// RXO and RXE with RXR, RXC and TQ1 to MedicationRequest: https://hl7.org/fhir/uv/v2mappings/ (RXO[MedicationRequest],
// RXR[MedicationRequest], TQ1[MedicationRequest])
import type { JsonObject, Resource } from '#fhir-model';
import { emptyPart, type Part, type Segment } from '../../message/message.ts';
import type { Mapping } from '../context.ts';
import { codeableConcept } from '../datatypes.ts';
import { date, dateTime } from '../datetime.ts';
import { computable } from '../decimal.ts';
import { billedAccount } from '../finance/order-charges.ts';
import { practitionerReference } from '../practitioner.ts';
import { runTable } from '../table/table.ts';
import {
  amount,
  doseInWords,
  rxcIngredient,
  rxeMedicationRequest,
  rxoMedicationRequest,
  rxrDosage,
} from '../tables/rx.ts';
import { cqQuantity } from '../types/cq.ts';
import { medicationStatus } from './control.ts';
import { requestNotes } from './drug-notes.ts';
import { detail, type OrderGroup } from './groups.ts';
import { doseType, infusionDosages } from './infusion.ts';
import { noteTexts } from './notes.ts';
import { identifiersOf, type Order, priorityOf, putRequest, requester, schedulesOf, united } from './order.ts';
import { type Schedule, tqSchedule } from './timing.ts';

/** Where RXO, RXE, RXD, RXG and RXA have the same things; 0: not at all. */
export interface MedicationFields {
  code: number;
  form: number;
  strength: number;
  strengthUnit: number;
  volume: number;
  volumeUnit: number;
  lot: number;
  expiry: number;
  manufacturer: number;
}

const none = { lot: 0, expiry: 0, manufacturer: 0, volume: 0, volumeUnit: 0 };
const medicationFields: Readonly<Record<string, MedicationFields>> = {
  RXO: { ...none, code: 1, form: 5, strength: 18, strengthUnit: 19, volume: 25, volumeUnit: 26 },
  RXE: { ...none, code: 2, form: 6, strength: 25, strengthUnit: 26, volume: 33, volumeUnit: 34 },
  RXD: { ...none, code: 2, form: 6, strength: 16, strengthUnit: 17, lot: 18, expiry: 19, manufacturer: 20 },
  RXG: {
    ...{ code: 4, form: 8, strength: 17, strengthUnit: 18, volume: 23, volumeUnit: 24 },
    ...{ lot: 19, expiry: 20, manufacturer: 21 },
  },
  RXA: { ...none, code: 5, form: 8, strength: 13, strengthUnit: 14, lot: 15, expiry: 16, manufacturer: 17 },
};

/**
 * `medicationCodeableConcept`, or a contained Medication where the message says more of it than what it is: a Medication of
 * its own would have no number to be found by. Undefined where nothing names it.
 */
export function medicationOf(
  mapping: Mapping,
  segment: Segment,
  components: readonly Segment[],
  group: OrderGroup['group'],
): JsonObject | undefined {
  const at = medicationFields[segment.name]!;
  const field = (number: number): Part => (number === 0 ? emptyPart : segment.field(number));
  const code =
    codeableConcept(mapping, field(at.code)) ??
    (segment.name === 'RXO' ? codeableConcept(mapping, field(10)) : undefined);
  const strength = strengthOf(
    mapping,
    field(at.strength),
    field(at.strengthUnit),
    field(at.volume),
    field(at.volumeUnit),
  );
  const ingredients = components.flatMap((rxc) => {
    const ingredient = runTable(rxcIngredient, { mapping, segment: rxc, group });
    return ingredient?.itemCodeableConcept === undefined ? [] : [ingredient];
  });
  if (strength !== undefined && code !== undefined && ingredients.length === 0) {
    ingredients.push({ itemCodeableConcept: code, strength });
  }
  const form = codeableConcept(mapping, field(at.form));
  const lotNumber = field(at.lot).text;
  const expirationDate = date(field(at.expiry).text);
  const maker = codeableConcept(mapping, field(at.manufacturer).repetition(1));
  const manufacturer = maker === undefined ? undefined : { display: conceptName(maker) };
  const more =
    [form, lotNumber, expirationDate, manufacturer].some((part) => part !== undefined) || ingredients.length > 0;
  if (!more) return code && { medicationCodeableConcept: code };
  const medication: JsonObject = {
    resourceType: 'Medication',
    id: 'medication',
    code,
    manufacturer,
    form,
    ingredient: ingredients,
    batch: lotNumber === undefined && expirationDate === undefined ? undefined : { lotNumber, expirationDate },
  };
  return {
    contained: [medication],
    medicationReference: { reference: '#medication', display: code && conceptName(code) },
  };
}

function conceptName(concept: JsonObject): string | undefined {
  const [coding] = (concept.coding as JsonObject[] | undefined) ?? [];
  return (concept.text ?? coding?.display ?? coding?.code) as string | undefined;
}

function strengthOf(mapping: Mapping, value: Part, unit: Part, volume: Part, volumeUnit: Part): JsonObject | undefined {
  const numerator = amount(mapping, value, unit);
  if (numerator === undefined) return undefined;
  return { numerator, denominator: amount(mapping, volume, volumeUnit) ?? { value: 1 } };
}

/** Yields the reference of the MedicationRequest; undefined where nothing names the medication. */
export function addMedicationRequest(mapping: Mapping, order: Order, also: JsonObject = {}): string | undefined {
  const { group, subject } = order;
  const [rxe, rxo] = [detail(group, 'RXE'), detail(group, 'RXO')];
  const main = rxe ?? rxo;
  if (main === undefined) return undefined;
  const components = group.details.filter(({ name }) => name === 'RXC');
  const medication = medicationOf(mapping, main, components, group.group);
  if (medication === undefined) return undefined;
  const context = { mapping, group: group.group };
  const cleared: string[] = [];
  const mapped = united(
    rxe && runTable(rxeMedicationRequest, { ...context, segment: rxe }, cleared),
    rxo && runTable(rxoMedicationRequest, { ...context, segment: rxo }, cleared),
  );
  const schedules = medicationSchedules(mapping, group, rxe?.field(1));
  const status = medicationStatus(order.state);
  // Of another state the reason of the former is none.
  if (status !== undefined) cleared.push('statusReason');
  const account = billedAccount(mapping, order);
  const resource: Resource = {
    ...mapped,
    resourceType: 'MedicationRequest',
    identifier: identifiersOf(order, mapped.identifier),
    status: status ?? 'active',
    statusReason: status === undefined || status === 'active' ? undefined : reasonOf(mapping, group.orc),
    intent: rxe === undefined ? 'original-order' : 'order',
    priority: priorityOf(schedules[0]),
    ...medication,
    subject: { reference: subject.patient },
    encounter: subject.encounter === undefined ? undefined : { reference: subject.encounter },
    authoredOn: authored(mapping, group) ?? mapped.authoredOn,
    requester: requester(mapping, order) ?? prescriber(mapping, rxe, rxo),
    supportingInformation: account === undefined ? undefined : [{ reference: account }],
    note: [...((mapped.note as JsonObject[] | undefined) ?? []), ...noteTexts(mapping, requestNotes(mapping, group))],
    dosageInstruction: dosages(mapping, group, main, schedules),
    ...also,
  };
  const { replaces, ...others } = resource;
  const [replaced] = (replaces as JsonObject[] | undefined) ?? [];
  const request = { ...others, priorPrescription: replaced } as Resource;
  const defaults = new Set(['intent', ...(status === undefined ? ['status'] : [])]);
  return putRequest(mapping, order, request, defaults, cleared);
}

function reasonOf(mapping: Mapping, orc: Segment | undefined): JsonObject | undefined {
  return orc && codeableConcept(mapping, orc.field(16));
}

/** ORC-9 of a new order is when it was written. */
function authored(mapping: Mapping, { orc }: OrderGroup): string | undefined {
  const control = orc?.field(1).text;
  return control === 'NW' || control === 'RO' ? dateTime(orc!.field(9).text, mapping.zone) : undefined;
}

/** RXE-13 or RXO-14, a prescriber known by the number for controlled substances. */
function prescriber(mapping: Mapping, rxe: Segment | undefined, rxo: Segment | undefined): JsonObject | undefined {
  const field = rxe?.field(13).isEmpty === false ? rxe.field(13) : (rxo?.field(14) ?? emptyPart);
  return practitionerReference(mapping, field.repetition(1));
}

/** TQ1, ORC-7, else RXE-1 or RXG-3. */
export function medicationSchedules(mapping: Mapping, group: OrderGroup, own: Part | undefined): Schedule[] {
  const found = schedulesOf(mapping, group);
  if (found.length > 0) return found;
  return (own?.repetitions() ?? []).flatMap((tq) => tqSchedule(mapping, tq) ?? []);
}

const doseFields: Readonly<
  Record<
    string,
    { min: number; max: number; unit: number; text: number; per: number; rate: number; rateUnit: number; daily: number }
  >
> = {
  RXO: { min: 2, max: 3, unit: 4, text: 7, per: 17, rate: 21, rateUnit: 22, daily: 23 },
  RXE: { min: 3, max: 4, unit: 5, text: 7, per: 22, rate: 23, rateUnit: 24, daily: 19 },
  RXG: { min: 5, max: 6, unit: 7, text: 13, per: 14, rate: 15, rateUnit: 16, daily: 0 },
};

/** One a schedule; all have the same route, and the dose of the segment or their own. What a pump is to do beside comes after. */
export function dosages(mapping: Mapping, group: OrderGroup, main: Segment, schedules: Schedule[]): JsonObject[] {
  const at = doseFields[main.name]!;
  const rxr = group.details.find(({ name }) => name === 'RXR');
  const route = rxr === undefined ? {} : (runTable(rxrDosage, { mapping, segment: rxr, group: group.group }) ?? {});
  const dose = doseOf(mapping, main, at);
  const rate = main.field(at.rate).isEmpty ? rateOfDose(main, at, dose) : rateOf(mapping, main, at);
  const daily = at.daily === 0 ? undefined : cqQuantity(mapping, main.field(at.daily));
  const inWords = doseInWords([main.field(at.min), main.field(at.max)], main.field(at.unit));
  const texts = [inWords, ...instructionTexts(main.field(at.text))].filter((text) => text !== undefined);
  const shared: JsonObject = {
    text: texts.length === 0 ? undefined : texts.join('; '),
    ...route,
    doseAndRate: dose === undefined && rate === undefined ? undefined : [{ type: doseType, ...dose, ...rate }],
    maxDosePerPeriod: daily && {
      numerator: daily,
      denominator: { value: 1, unit: 'd', system: 'http://unitsofmeasure.org', code: 'd' },
    },
  };
  const infused = infusionDosages(mapping, group, route);
  const isLeft = (one: Schedule): boolean =>
    one.quantity !== undefined && (inWords !== undefined || variedDose(shared.doseAndRate, one) === undefined);
  if (isVaried(schedules) && schedules.some(isLeft))
    mapping.warnings.add(`TQ1-2: each schedule has another quantity; the dose is that of ${main.name}-${at.min}`);
  return [...onSchedules(shared, schedules, inWords === undefined), ...infused];
}

/** What is the same each time, once a schedule. `dosed`: TQ-1 may be the dose. */
export function onSchedules(shared: JsonObject, schedules: readonly Schedule[], dosed = true): JsonObject[] {
  if (schedules.length === 0) return [shared];
  const varied = dosed && isVaried(schedules);
  return schedules.map((schedule, index) => ({
    ...(schedules.length > 1 ? { sequence: index + 1 } : {}),
    ...shared,
    text: shared.text ?? schedule.text,
    patientInstruction: shared.text === undefined ? undefined : schedule.text,
    additionalInstruction: instructions(shared.additionalInstruction, schedule.condition),
    timing: schedule.timing,
    asNeededBoolean: schedule.asNeeded ? true : undefined,
    doseAndRate:
      (varied ? variedDose(shared.doseAndRate, schedule) : undefined) ??
      shared.doseAndRate ??
      (dosed ? scheduledDose(schedule) : undefined),
  }));
}

/** Several quantities that differ: a dose that is tapered off, or larger in the evening. */
function isVaried(schedules: readonly Schedule[]): boolean {
  const told = schedules.map(
    ({ quantity }) => quantity && JSON.stringify([computable(quantity.value), unitIn(quantity)]),
  );
  return new Set(told).size > 1;
}

/**
 * The dose of one of several schedules that differ: of an order of varied doses the segment tells the least and the most, or one of them.
 * A quantity without the unit of that dose counts something else, such as tablets; beside a rate it is the amount of the infusion.
 */
function variedDose(segments: JsonObject[string] | undefined, schedule: Schedule): JsonObject[] | undefined {
  if (segments === undefined) return scheduledDose(schedule);
  const [{ doseQuantity, doseRange, ...others }] = segments as [JsonObject];
  const { low, high } = (doseRange ?? {}) as JsonObject;
  const unit = unitIn(doseQuantity ?? low ?? high);
  const isDose = unit !== undefined && unit === unitIn(schedule.quantity);
  return isDose && Object.keys(others).length === 1 ? scheduledDose(schedule) : undefined;
}

function unitIn(quantity: JsonObject[string] | undefined): JsonObject[string] | undefined {
  const { code, unit } = (quantity ?? {}) as JsonObject;
  return code ?? unit;
}

/** Each repetition is an instruction of its own: none of them may be lost. */
function instructionTexts(field: Part): string[] {
  return field
    .repetitions()
    .flatMap((one) => one.component(2).text ?? one.component(9).text ?? one.component(1).text ?? []);
}

/** TQ-1 is the dose where the segment itself names none. */
function scheduledDose({ quantity }: Schedule): JsonObject[] | undefined {
  return quantity && [{ type: doseType, doseQuantity: quantity }];
}

function instructions(sent: JsonObject[string] | undefined, condition: string | undefined): JsonObject[] {
  const own = Array.isArray(sent) ? (sent as JsonObject[]) : [];
  return condition === undefined ? own : [...own, { text: condition }];
}

type DoseFields = (typeof doseFields)[string];

/** A rate's amount, its unit and its time unit, by the numbers of their fields. */
type RateFields = Pick<DoseFields, 'rate' | 'rateUnit' | 'per'>;

/** A range where there are two different amounts, or the largest alone; nothing where one of them is no number. */
function doseOf(mapping: Mapping, segment: Segment, { min, max, unit }: DoseFields): JsonObject | undefined {
  const [low, high] = [min, max].map((field) => amount(mapping, segment.field(field), segment.field(unit)));
  if (doseInWords([segment.field(min), segment.field(max)], segment.field(unit)) !== undefined) return undefined;
  const same = segment.field(min).text === segment.field(max).text;
  if (low !== undefined && high !== undefined && !same) return { doseRange: { low, high } };
  if (low === undefined) return high && { doseRange: { high } };
  return { doseQuantity: low };
}

const perUnits: Readonly<Record<string, string>> = { S: 's', M: 'min', H: 'h', D: 'd', W: 'wk', L: 'mo' };

type Rate = { rateQuantity: JsonObject } | { rateRatio: JsonObject };

/**
 * `100 mL` per `H8`: eight hours. An amount of a unit that is a rate itself (`125 mL/h`) is one without that: the time is then that of
 * the dose.
 */
function rateOf(mapping: Mapping, segment: Segment, { rate, rateUnit, per }: RateFields): Rate | undefined {
  const quantity = amount(mapping, segment.field(rate), segment.field(rateUnit));
  if (quantity === undefined) return undefined;
  const time = timeOf(segment.field(per));
  return time === undefined || isRateUnit(segment.field(rateUnit)) ? { rateQuantity: quantity } : ratio(quantity, time);
}

/** RXA-6 where it is a rate: by RXA-12 or by its unit. */
export function givenRate(mapping: Mapping, rxa: Segment): Rate | undefined {
  const isRate = isRateUnit(rxa.field(7)) || timeOf(rxa.field(12)) !== undefined;
  return isRate ? rateOf(mapping, rxa, { rate: 6, rateUnit: 7, per: 12 }) : undefined;
}

const ratio = (numerator: JsonObject, denominator: JsonObject): Rate => ({ rateRatio: { numerator, denominator } });

/** The dose in the time that it is to take, where no rate of its own is told; `125 mL/h` for eight hours is a rate already. */
function rateOfDose(segment: Segment, { per, unit }: DoseFields, dose: JsonObject | undefined): Rate | undefined {
  const time = timeOf(segment.field(per));
  if (dose?.doseQuantity === undefined || time === undefined) return undefined;
  const quantity = dose.doseQuantity as JsonObject;
  return isRateUnit(segment.field(unit)) ? { rateQuantity: quantity } : ratio(quantity, time);
}

function timeOf(part: Part): JsonObject | undefined {
  const time = /^([SMHDWL])(\d{1,4})$/.exec(part.text?.toUpperCase() ?? '');
  if (time === null || Number(time[2]) === 0) return undefined;
  const code = perUnits[time[1]!]!;
  return { value: Number(time[2]), unit: code, system: 'http://unitsofmeasure.org', code };
}

const isRateUnit = (unit: Part): boolean =>
  [1, 2, 4].some((number) =>
    /(?:\/|\bper )\s*(?:s|sec|min|minute|h|hr|hour|d|day)$/i.test(unit.component(number).text ?? ''),
  );
