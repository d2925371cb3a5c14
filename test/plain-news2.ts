// NEWS2 once more, from the store's Observations and the printed chart, with nothing of the server's own: what tests and the
// vitals replay compare its scores with.
import type { JsonObject, Resource } from '#fhir-model';

export interface PlainScore {
  patient: string;
  atMs: number;
  /** null: incomplete. */
  total: number | null;
}

interface Taken {
  patient: string;
  atMs: number;
  vital: string;
  id: string;
  value: number | string;
}

const measured: Record<string, string> = {
  '9279-1': 'rate',
  '59408-5': 'saturation',
  '8480-6': 'pressure',
  '8867-4': 'pulse',
  '8310-5': 'temperature',
};
const observed = new Set(['oxygen', 'consciousness', 'spo2-scale']);
const windowMs = 12 * 3_600_000;

const codeOf = (concept: unknown): string[] =>
  (((concept as JsonObject | undefined)?.coding ?? []) as JsonObject[]).map(({ code }) => String(code));

/** What the vital signs among them say; scores, and what was a mistake, say nothing. */
function taken(observation: Resource): Taken[] {
  if (!['final', 'amended', 'corrected', 'preliminary'].includes(String(observation.status))) return [];
  const patient = String((observation.subject as JsonObject).reference).replace('Patient/', '');
  const shared = { patient, atMs: Date.parse(String(observation.effectiveDateTime)), id: observation.id! };
  return [observation as JsonObject, ...((observation.component ?? []) as JsonObject[])].flatMap((one) =>
    codeOf(one.code).flatMap((code): Taken[] => {
      const value = (one.valueQuantity as JsonObject | undefined)?.value;
      if (measured[code] && typeof value === 'number') return [{ ...shared, vital: measured[code], value }];
      return observed.has(code) ? [{ ...shared, vital: code, value: codeOf(one.valueCodeableConcept)[0]! }] : [];
    }),
  );
}

const chart: Record<string, (value: number) => number> = {
  rate: (v) => (v <= 8 ? 3 : v <= 11 ? 1 : v <= 20 ? 0 : v <= 24 ? 2 : 3),
  saturation: (v) => (v <= 91 ? 3 : v <= 93 ? 2 : v <= 95 ? 1 : 0),
  pressure: (v) => (v <= 90 ? 3 : v <= 100 ? 2 : v <= 110 ? 1 : v <= 219 ? 0 : 3),
  pulse: (v) => (v <= 40 ? 3 : v <= 50 ? 1 : v <= 90 ? 0 : v <= 110 ? 1 : v <= 130 ? 2 : 3),
  temperature: (v) => (v <= 35 ? 3 : v <= 36 ? 1 : v <= 38 ? 0 : v <= 39 ? 1 : 2),
};

function scale2(value: number, isOxygen: boolean): number {
  if (value <= 92) return value <= 83 ? 3 : value <= 85 ? 2 : value <= 87 ? 1 : 0;
  if (!isOxygen) return 0;
  return value <= 94 ? 1 : value <= 96 ? 2 : 3;
}

type Values = ReadonlyMap<string, number | string>;

function totalOf(values: Values): number | null {
  const all = [...Object.keys(chart), 'oxygen', 'consciousness'];
  if (!all.every((vital) => values.has(vital))) return null;
  const isOxygen = values.get('oxygen') === 'oxygen';
  const points = Object.entries(chart).map(([vital, of]) => {
    const value = Number(values.get(vital));
    return vital === 'saturation' && values.get('spo2-scale') === '2' ? scale2(value, isOxygen) : of(value);
  });
  const consciousness = values.get('consciousness') === 'alert' ? 0 : 3;
  return points.reduce((sum, one) => sum + one, (isOxygen ? 2 : 0) + consciousness);
}

/** All NEWS2 that follow from these Observations of adults, by patient and time. Values have the chart's precision. */
export function plainNews2(observations: readonly Resource[]): PlainScore[] {
  const scores: PlainScore[] = [];
  for (const [patient, all] of Map.groupBy(observations.flatMap(taken), (one) => one.patient)) {
    const sorted = all.sort((a, b) => a.atMs - b.atMs || (a.id < b.id ? -1 : 1));
    const latest = new Map<string, Taken>();
    sorted.forEach((one, i) => {
      latest.set(one.vital, one);
      if (sorted[i + 1]?.atMs === one.atMs) return;
      const now = sorted.filter(({ atMs, vital }) => atMs === one.atMs && vital !== 'spo2-scale');
      if (now.length === 0) return;
      const fresh = [...latest].filter(([vital, each]) => vital === 'spo2-scale' || one.atMs - each.atMs <= windowMs);
      const values = new Map(fresh.map(([vital, { value }]) => [vital, value]));
      scores.push({ patient, atMs: one.atMs, total: totalOf(values) });
    });
  }
  return scores;
}
