// The forecast that a registry sends as OBX of a group without a vaccine (RXA-5 998) to ImmunizationRecommendation:
// https://hl7.org/fhir/R4/immunizationrecommendation-mappings.html#v2; CDC's guide for immunization messaging 2.5.1, release 1.5
import type { JsonObject } from '#fhir-model';
import { ownValue } from '#platform';
import type { Segment } from '../../message/message.ts';
import { upsertDerived } from '../administration/upsert.ts';
import { absent, type Mapping } from '../context.ts';
import { codeableConcept } from '../datatypes.ts';
import { dateTime } from '../datetime.ts';
import type { ObxGroup } from './groups.ts';
import type { Subject } from './order.ts';

const loinc = 'http://loinc.org';
/** Which date it is that is recommended. */
const dates: Readonly<Record<string, string>> = {
  '30980-7': 'Date vaccine due',
  '30981-5': 'Earliest date to give',
  '59777-3': 'Latest date to give immunization',
  '59778-1': 'Date when overdue for immunization',
};
/** Vaccines due next, vaccine type, vaccine component. */
const vaccines = new Set(['30979-9', '30956-7', '38890-0']);
const others = new Set(['59779-9', '59783-1', '30982-3', '30973-2', '59780-7', '59782-3']);

const codeOf = ({ obx }: ObxGroup): string => obx.field(3).component(1).text ?? '';
const withdrawn = ({ obx }: ObxGroup): boolean => /^[DWX]$/.test(obx.field(11).text ?? '');

/** OBX of one OBX-4 that name a vaccine and a date are a recommendation; the rest is about the patient. */
export function splitForecast(observations: readonly ObxGroup[]): { forecasts: ObxGroup[][]; rest: ObxGroup[] } {
  const bySubId = new Map<string, ObxGroup[]>();
  for (const one of observations) {
    const code = codeOf(one);
    if (withdrawn(one) || !(Object.hasOwn(dates, code) || vaccines.has(code) || others.has(code))) continue;
    const subId = one.obx.field(4).text ?? '';
    bySubId.set(subId, [...(bySubId.get(subId) ?? []), one]);
  }
  const forecasts = [...bySubId.values()].filter(
    (group) => group.some((one) => vaccines.has(codeOf(one))) && group.some((one) => Object.hasOwn(dates, codeOf(one))),
  );
  const taken = new Set(forecasts.flat());
  return { forecasts, rest: observations.filter((one) => !taken.has(one)) };
}

/** One resource a patient and sender: a forecast is of the whole schedule, and a newer one takes its place. */
export function addForecast(mapping: Mapping, subject: Subject, forecasts: readonly ObxGroup[][]): void {
  const recommendation = forecasts.flatMap((group): JsonObject[] => recommended(mapping, group));
  if (recommendation.length === 0) return;
  const first = forecasts.flat().find(({ obx }) => !obx.field(14).isEmpty);
  const at = dateTime(first?.obx.field(14).text, mapping.zone) ?? mapping.time;
  const schedule = forecasts.flat().find((one) => codeOf(one) === '59779-9');
  const authority = schedule && words(mapping, schedule.obx);
  const resource: JsonObject = {
    resourceType: 'ImmunizationRecommendation',
    patient: { reference: subject.patient },
    ...(at === undefined ? { _date: absent } : { date: at }),
    ...(authority === undefined ? {} : { authority: { display: authority } }),
    recommendation,
  };
  upsertDerived(mapping, resource, [subject.patientKey, mapping.facility, 'forecast']);
}

function words(mapping: Mapping, obx: Segment): string | undefined {
  const concept = codeableConcept(mapping, obx.field(5).repetition(1));
  const [coding] = (concept?.coding ?? []) as JsonObject[];
  return (concept?.text ?? coding?.display ?? coding?.code) as string | undefined;
}

/** None, with a warning, where no date can be read. */
function recommended(mapping: Mapping, group: readonly ObxGroup[]): JsonObject[] {
  const of = (code: string): Segment | undefined => group.find((one) => codeOf(one) === code)?.obx;
  const dateCriterion = group.flatMap((one): JsonObject[] => criterion(mapping, codeOf(one), one.obx));
  const vaccineCode = group
    .filter((one) => vaccines.has(codeOf(one)))
    .flatMap(({ obx }) => obx.field(5).repetitions())
    .map((part) => codeableConcept(mapping, part))
    .filter((one) => one !== undefined);
  if (dateCriterion.length === 0 || vaccineCode.length === 0) {
    mapping.warnings.add('OBX-5: a forecast without a vaccine or a date that can be read has no place');
    return [];
  }
  const concept = (code: string): JsonObject | undefined => {
    const obx = of(code);
    return obx && codeableConcept(mapping, obx.field(5).repetition(1));
  };
  const reason = concept('30982-3');
  const series = of('59780-7');
  const found: JsonObject = {
    vaccineCode,
    forecastStatus: concept('59783-1') ?? absent,
    forecastReason: reason === undefined ? undefined : [reason],
    dateCriterion,
    series: series && words(mapping, series),
    ...count('doseNumber', of('30973-2')),
    ...count('seriesDoses', of('59782-3')),
  };
  return [found];
}

function criterion(mapping: Mapping, code: string, obx: Segment): JsonObject[] {
  const display = ownValue(dates, code);
  const value = display === undefined ? undefined : dateTime(obx.field(5).text, mapping.zone);
  return display === undefined || value === undefined
    ? []
    : [{ code: { coding: [{ system: loinc, code, display }] }, value }];
}

function count(name: 'doseNumber' | 'seriesDoses', obx: Segment | undefined): JsonObject {
  const text = obx?.field(5).text;
  if (text === undefined) return {};
  const number = Number(text);
  return Number.isInteger(number) && number > 0 ? { [`${name}PositiveInt`]: number } : { [`${name}String`]: text };
}
