// National Early Warning Score 2: Royal College of Physicians, "National Early Warning Score (NEWS) 2", London 2017,
// charts 1 (points) and 2 (thresholds). Codes: SNOMED CT UK. For people of 16 years and more; not in pregnancy.
import type { Coding, ScoreTableInput } from '../schema.ts';

const part = (code: string, what: string): Coding => ({
  system: 'http://snomed.info/sct',
  code,
  display: `Royal College of Physicians NEWS2 (National Early Warning Score 2) - ${what} score`,
});

/** A ward's longest interval between observations is 12 hours. */
const windowMinutes = 12 * 60;
const scale1 = part('1104311000000102', 'oxygen saturation scale 1');
const scale2 = part('1104321000000108', 'oxygen saturation scale 2');
const isScale2 = { vital: 'spo2-scale', value: '2' };

export const news2: ScoreTableInput = {
  name: 'news2',
  title: 'National Early Warning Score 2',
  source: 'Royal College of Physicians: National Early Warning Score (NEWS) 2. London: RCP, 2017',
  codings: [
    {
      system: 'http://snomed.info/sct',
      code: '1104051000000101',
      display: 'Royal College of Physicians NEWS2 (National Early Warning Score 2) total score',
    },
  ],
  outcome: 'Clinical deterioration: cardiac arrest, unplanned intensive care or death within 24 hours',
  fromMonths: 16 * 12,
  unknownAge: true,
  // Whether the scale 2 is used is decided by a clinician and holds until it is decided otherwise.
  context: [{ vital: 'spo2-scale', windowMinutes: 10 * 366 * 24 * 60 }],
  parameters: [
    {
      ...{ name: 'respiratory-rate', title: 'Respiration rate', windowMinutes },
      coding: part('1104301000000104', 'respiration rate'),
      cases: [
        {
          vital: 'respiratory-rate',
          bands: [
            { points: 3 },
            { from: 9, points: 1 },
            { from: 12, points: 0 },
            { from: 21, points: 2 },
            { from: 25, points: 3 },
          ],
        },
      ],
    },
    {
      ...{ name: 'oxygen', title: 'Air or oxygen', windowMinutes, decimals: 1 },
      coding: part('1104331000000105', 'air or oxygen'),
      cases: [
        { vital: 'oxygen-flow', bands: [{ points: 0 }, { from: 0.1, points: 2 }] },
        { vital: 'oxygen-concentration', bands: [{ points: 0 }, { from: 21.1, points: 2 }] },
        { vital: 'oxygen', points: { air: 0, oxygen: 2 } },
      ],
    },
    {
      ...{ name: 'oxygen-saturation', title: 'Oxygen saturation', windowMinutes },
      coding: scale1,
      cases: [
        {
          vital: 'oxygen-saturation',
          when: [isScale2, { parameter: 'oxygen', points: 2 }],
          bands: [
            { points: 3 },
            { from: 84, points: 2 },
            { from: 86, points: 1 },
            { from: 88, points: 0 },
            { from: 93, points: 1 },
            { from: 95, points: 2 },
            { from: 97, points: 3 },
          ],
          coding: scale2,
        },
        {
          vital: 'oxygen-saturation',
          when: [isScale2, { parameter: 'oxygen', points: 0 }],
          bands: [{ points: 3 }, { from: 84, points: 2 }, { from: 86, points: 1 }, { from: 88, points: 0 }],
          coding: scale2,
        },
        // Above 92 % it depends on whether oxygen is given, which is not known here.
        {
          vital: 'oxygen-saturation',
          when: [isScale2],
          bands: [
            { points: 3 },
            { from: 84, points: 2 },
            { from: 86, points: 1 },
            { from: 88, points: 0 },
            { from: 93, points: null },
          ],
          coding: scale2,
        },
        {
          vital: 'oxygen-saturation',
          bands: [{ points: 3 }, { from: 92, points: 2 }, { from: 94, points: 1 }, { from: 96, points: 0 }],
        },
      ],
    },
    {
      ...{ name: 'systolic-pressure', title: 'Systolic blood pressure', windowMinutes },
      coding: part('1104341000000101', 'systolic blood pressure'),
      cases: [
        {
          vital: 'systolic-pressure',
          bands: [
            { points: 3 },
            { from: 91, points: 2 },
            { from: 101, points: 1 },
            { from: 111, points: 0 },
            { from: 220, points: 3 },
          ],
        },
      ],
    },
    {
      ...{ name: 'pulse', title: 'Pulse', windowMinutes },
      coding: part('1104351000000103', 'pulse'),
      cases: [
        {
          vital: 'heart-rate',
          bands: [
            { points: 3 },
            { from: 41, points: 1 },
            { from: 51, points: 0 },
            { from: 91, points: 1 },
            { from: 111, points: 2 },
            { from: 131, points: 3 },
          ],
        },
      ],
    },
    {
      ...{ name: 'consciousness', title: 'Consciousness', windowMinutes },
      coding: part('1104361000000100', 'consciousness'),
      cases: [{ vital: 'consciousness', points: { alert: 0, confusion: 3, voice: 3, pain: 3, unresponsive: 3 } }],
    },
    {
      ...{ name: 'temperature', title: 'Temperature', windowMinutes, decimals: 1 },
      coding: part('1104371000000107', 'temperature'),
      cases: [
        {
          vital: 'temperature',
          bands: [
            { points: 3 },
            { from: 35.1, points: 1 },
            { from: 36.1, points: 0 },
            { from: 38.1, points: 1 },
            { from: 39.1, points: 2 },
          ],
        },
      ],
    },
  ],
  levels: [
    { from: 0, code: 'low', title: 'Low: ward-based response', risk: 'low' },
    { from: 5, code: 'medium', title: 'Medium: key threshold for urgent response', risk: 'moderate' },
    { from: 7, code: 'high', title: 'High: urgent or emergency response', risk: 'high' },
  ],
  red: {
    points: 3,
    level: {
      code: 'low-medium',
      title: 'Low to medium: one parameter scores 3, urgent ward-based response',
      risk: 'moderate',
    },
  },
};
