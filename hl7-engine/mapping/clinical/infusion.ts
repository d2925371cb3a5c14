// RXV to Dosage: what an infusion pump is to do beside the order's dose and rate, a bolus and what the patient may ask for: HL7 v2.9
// chapter 4A.4.8. The guide has no map of it.
import type { JsonObject } from '#fhir-model';
import type { Segment } from '../../message/message.ts';
import { v2Table } from '../codes/systems.ts';
import type { Mapping } from '../context.ts';
import { amount } from '../tables/rx.ts';
import { cqQuantity } from '../types/cq.ts';
import type { OrderGroup } from './groups.ts';
import { tq1Schedule } from './timing.ts';

export const doseType = {
  coding: [{ system: 'http://terminology.hl7.org/CodeSystem/dose-rate-type', code: 'ordered' }],
};

const bolusTypes: Readonly<Record<string, string>> = { C: 'Supplemental bolus', L: 'Loading bolus' };

const pcaTypes: Readonly<Record<string, string>> = {
  C: 'Continuous infusion',
  P: 'Patient-controlled infusion',
  PC: 'Patient-controlled and continuous infusion',
};

/** `route`: elements that all dosages of the order have. */
export function infusionDosages(mapping: Mapping, { infusions }: OrderGroup, route: JsonObject): JsonObject[] {
  return infusions.flatMap(({ rxv, timing }) => {
    const own = timing.map((tq1) => tq1Schedule(mapping, tq1).timing).find((one) => one !== undefined);
    return [bolus(mapping, rxv), asked(mapping, rxv)].flatMap((one) =>
      one ? [{ ...route, timing: own, ...one }] : [],
    );
  });
}

/** An amount of two fields, else one of the next two. */
function either(mapping: Mapping, rxv: Segment, field: number): JsonObject | undefined {
  const at = (value: number) => amount(mapping, rxv.field(value), rxv.field(value + 1));
  return at(field) ?? at(field + 2);
}

function kind(rxv: Segment, field: number, table: string, names: Readonly<Record<string, string>>): JsonObject[] {
  const code = rxv.field(field).text?.toUpperCase();
  if (code === undefined) return [];
  const display = names[code];
  return display === undefined ? [{ text: code }] : [{ coding: [{ system: v2Table(table), code }], text: display }];
}

function bolus(mapping: Mapping, rxv: Segment): JsonObject | undefined {
  const dose = either(mapping, rxv, 3);
  if (dose === undefined) return undefined;
  return {
    additionalInstruction: kind(rxv, 2, '0917', bolusTypes),
    doseAndRate: [{ type: doseType, doseQuantity: dose }],
  };
}

/** What the patient asks for, and the most of it; the limit holds also where nothing else is said. */
function asked(mapping: Mapping, rxv: Segment): JsonObject | undefined {
  const dose = either(mapping, rxv, 8);
  const [most, time] = [either(mapping, rxv, 12), cqQuantity(mapping, rxv.field(16))];
  const limit = most === undefined || time === undefined ? undefined : { numerator: most, denominator: time };
  const lockout = rxv.field(17).component(1).text;
  if (dose === undefined && limit === undefined && lockout === undefined) return undefined;
  const unit = rxv.field(17).component(2).subcomponent(1).text ?? '';
  const pause = lockout === undefined ? [] : [{ text: `Lockout interval: ${lockout} ${unit}`.trim() }];
  const type = rxv.field(7).text?.toUpperCase();
  return {
    additionalInstruction: [...kind(rxv, 7, '0918', pcaTypes), ...pause],
    asNeededBoolean: type === 'P' || type === 'PC' ? true : undefined,
    doseAndRate: dose === undefined ? undefined : [{ type: doseType, doseQuantity: dose }],
    maxDosePerPeriod: limit,
  };
}
