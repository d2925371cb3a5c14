// Rules of alerting that the vitals replay is judged by, one of each kind that looks at vital signs: docs/alerts.md, "Kinds".
// What they must find is written down once more, without the server's code, in plain-alerts.ts.
import type { JsonObject, Resource } from '#fhir-model';

/** Seconds: bench/vitals-replay.ts sends each vital sign of a patient every five. */
export const windowSeconds = { rise: 20, trend: 90, shock: 12, silence: 5 };
/** What is raised lies beyond `low` and `high`; it is over from `rearmLow` and `rearmHigh` on. /min */
export const pulseLimits = { low: 50, rearmLow: 60, high: 120, rearmHigh: 100 };
/** NEWS2 above these. */
export const scoreLimits = { high: 4, critical: 6 };
/** So much more than any temperature of the window, tenths of Cel. */
export const riseTenths = 30;
/** Of the respiratory rate, a minute each hour. */
export const trendLimit = { perHour: 400, pointsMin: 4 };
export const shockLimits = { pulse: 105, systolic: 115 };

/** By id of the rule: titles of its levels, the least severe first. */
export const replayRules = {
  'replay-score': [
    ['high', 'NEWS2 of 5 or more'],
    ['critical', 'NEWS2 of 7 or more'],
  ],
  'replay-pulse': [['high', 'Pulse out of bounds']],
  'replay-rise': [['moderate', 'Temperature rises']],
  'replay-trend': [['moderate', 'Breathes faster and faster']],
  'replay-shock': [['critical', 'Fast pulse with low pressure']],
  'replay-silence': [['high', 'No readings']],
} as const;
export type ReplayRule = keyof typeof replayRules;

const ucum = 'http://unitsofmeasure.org';
const extension = (name: string, value: JsonObject): JsonObject => ({ url: `urn:cerebra:alert:${name}`, ...value });
const quantity = (name: string, value: number, code?: string): JsonObject =>
  extension(name, { valueQuantity: code === undefined ? { value } : { value, system: ucum, code } });
const seconds = (value: number): JsonObject =>
  extension('window', { valueDuration: { value, system: ucum, code: 's', unit: 's' } });

const onCode = (code: string, more: JsonObject = {}): JsonObject => ({
  type: 'data-changed',
  data: [{ type: 'Observation', codeFilter: [{ path: 'code', code: [{ system: 'http://loinc.org', code }] }] }],
  ...more,
});
const onTag = (system: string, code: string, name: string): JsonObject => ({
  type: 'data-changed',
  data: [{ type: 'Observation', codeFilter: [{ searchParam: name, code: [{ system, code }] }] }],
});
const when = (name: string, code: string, expression: string): JsonObject =>
  onCode(code, { name, condition: { language: 'text/fhirpath', expression } });

const priorities = { moderate: 'urgent', high: 'asap', critical: 'stat' };

/** `extensions` and `trigger` by level. */
function planOf(id: ReplayRule, kind: string, more: JsonObject[], levels: JsonObject[][], trigger: JsonObject[]) {
  const action = replayRules[id].map(([severity, title], at) => ({
    ...{ title, priority: priorities[severity], trigger },
    ...(levels[at]!.length > 0 ? { extension: levels[at]! } : {}),
  }));
  return {
    ...{ resourceType: 'PlanDefinition', id, status: 'active', title: id },
    type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/plan-definition-type', code: 'eca-rule' }] },
    extension: [extension('kind', { valueCode: kind }), ...more],
    action,
  } as Resource & { id: string };
}

export function replayPlans(): (Resource & { id: string })[] {
  const { low, rearmLow, high, rearmHigh } = pulseLimits;
  const pulse = [
    ...[quantity('low', low, '/min'), quantity('rearm-low', rearmLow, '/min')],
    ...[quantity('high', high, '/min'), quantity('rearm-high', rearmHigh, '/min')],
  ];
  const levels = [[quantity('high', scoreLimits.high)], [quantity('high', scoreLimits.critical)]];
  const rise = [quantity('change', riseTenths / 10, 'Cel'), extension('direction', { valueCode: 'up' })];
  const trend = [
    quantity('change-per-hour', trendLimit.perHour, '/min'),
    ...[extension('points', { valueInteger: trendLimit.pointsMin }), extension('direction', { valueCode: 'up' })],
  ];
  const systolic = "component.where(code.coding.where(code = '8480-6').exists()).value.value";
  const shock = [
    when('fast pulse', '8867-4', `value.value > ${shockLimits.pulse}`),
    when('low pressure', '85354-9', `${systolic} < ${shockLimits.systolic}`),
  ];
  const vital = onTag('http://terminology.hl7.org/CodeSystem/observation-category', 'vital-signs', 'category');
  return [
    planOf('replay-score', 'score', [], levels, [onTag('urn:cerebra:score', 'news2', '_tag')]),
    planOf('replay-pulse', 'threshold', [], [pulse], [onCode('8867-4')]),
    planOf('replay-rise', 'delta', [seconds(windowSeconds.rise)], [rise], [onCode('8310-5')]),
    planOf('replay-trend', 'trend', [seconds(windowSeconds.trend)], [trend], [onCode('9279-1')]),
    planOf('replay-shock', 'combination', [seconds(windowSeconds.shock)], [[]], shock),
    planOf('replay-silence', 'absence', [seconds(windowSeconds.silence)], [[]], [vital]),
  ];
}
