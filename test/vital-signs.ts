// Vital signs for tests, as Observations.
import type { JsonObject, Resource } from '#fhir-model';

const loinc = (code: string) => ({ coding: [{ system: 'http://loinc.org', code }] });
const own = (code: string) => ({ coding: [{ system: 'urn:cerebra:vital', code }] });
const quantity = (value: number, code: string) => ({
  valueQuantity: { value, unit: code, system: 'http://unitsofmeasure.org', code },
});

export const noon = Date.UTC(2026, 0, 31, 12);
export const instant = (minutes: number) => new Date(noon + minutes * 60_000).toISOString();

export interface Vital {
  id: string;
  patient: string;
  minutes: number;
  code: JsonObject;
  value: JsonObject;
  rest?: JsonObject;
}

export const observation = ({ id, patient, minutes, code, value, rest = {} }: Vital): Resource => ({
  ...{ resourceType: 'Observation', id, status: 'final', code, subject: { reference: `Patient/${patient}` } },
  ...{ effectiveDateTime: instant(minutes), ...value, ...rest },
});

export const kinds = {
  rate: (value: number) => ({ code: loinc('9279-1'), value: quantity(value, '/min') }),
  saturation: (value: number) => ({ code: loinc('59408-5'), value: quantity(value, '%') }),
  air: () => ({ code: own('oxygen'), value: { valueCodeableConcept: own('air') } }),
  oxygen: () => ({ code: own('oxygen'), value: { valueCodeableConcept: own('oxygen') } }),
  pressure: (value: number) => ({
    code: loinc('85354-9'),
    value: {
      component: [
        { code: loinc('8480-6'), ...quantity(value, 'mm[Hg]') },
        { code: loinc('8462-4'), ...quantity(70, 'mm[Hg]') },
      ],
    },
  }),
  pulse: (value: number) => ({ code: loinc('8867-4'), value: quantity(value, '/min') }),
  alert: () => ({ code: own('consciousness'), value: { valueCodeableConcept: own('alert') } }),
  temperature: (value: number) => ({ code: loinc('8310-5'), value: quantity(value, 'Cel') }),
  /** No vital sign of any score. */
  weight: () => ({ code: loinc('29463-7'), value: quantity(70, 'kg') }),
  scale2: () => ({ code: own('spo2-scale'), value: { valueCodeableConcept: own('2') } }),
};

/** One of each, all of them with no points. */
export const healthy = (): [string, { code: JsonObject; value: JsonObject }][] => [
  ['rate', kinds.rate(16)],
  ['saturation', kinds.saturation(97)],
  ['air', kinds.air()],
  ['pressure', kinds.pressure(120)],
  ['pulse', kinds.pulse(70)],
  ['alert', kinds.alert()],
  ['temperature', kinds.temperature(37)],
];

/** https://en.wikipedia.org/wiki/Linear_congruential_generator, with the numbers of Numerical Recipes. */
export function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const randomKinds = [
  (below: Below) => kinds.rate(6 + below(24)),
  (below: Below) => kinds.saturation(82 + below(19)),
  (below: Below) => (below(2) === 0 ? kinds.air() : kinds.oxygen()),
  (below: Below) => kinds.pressure(85 + below(140)),
  (below: Below) => kinds.pulse(38 + below(100)),
  () => kinds.alert(),
  (below: Below) => kinds.temperature(34 + below(60) / 10),
  () => kinds.scale2(),
  () => kinds.weight(),
];
type Below = (below: number) => number;

/** A change of the Observation of this id: put, corrected, moved in time or to another patient, or taken back. */
export function randomEntry(below: Below, patients: readonly string[], id: string): JsonObject {
  if (below(12) === 0) return { request: { method: 'DELETE', url: `Observation/${id}` } };
  // 23 hours, so that windows begin and end; few enough instants that some are shared.
  const minutes = below(70) * 20;
  const kind = randomKinds[below(randomKinds.length)]!(below);
  const status = ['final', 'final', 'final', 'preliminary', 'amended', 'entered-in-error'][below(6)]!;
  const patient = patients[below(patients.length)]!;
  const resource = observation({ id, patient, minutes, ...kind, rest: { status } });
  return { resource: resource as JsonObject, request: { method: 'PUT', url: `Observation/${id}` } };
}

/** Of scores: when, in minutes after noon, and how many points, null where it is incomplete. */
export const totals = (all: Resource[]) =>
  all.map((one) => [
    Math.round((Date.parse(String(one.effectiveDateTime)) - noon) / 60_000),
    (one.valueQuantity as JsonObject | undefined)?.value ?? null,
  ]);
