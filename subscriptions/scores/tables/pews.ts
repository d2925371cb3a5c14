// Bedside Paediatric Early Warning System score: Parshuram, Hutchison, Middaugh: "Development and initial validation of the
// Bedside Paediatric Early Warning System score", Critical Care 2009; 13: R135, tables 1 and 3. Seven items, 0 to 26; at 8 and
// more 82 % of the children who needed intensive care were found, 93 % of the others not.
import type { ScoreTableInput } from '../schema.ts';

const own = (code: string, display: string) => ({ system: 'urn:cerebra:score', code, display });
/** Children's observations are taken at least every four hours; twice that. */
const windowMinutes = 8 * 60;

/** The first whole numbers of 4, 2, 1, 0, and again 1, 2 and 4 points. */
type Limits = [two: number, one: number, none: number, above1: number, above2: number, above4: number];

const bandsOf = ([two, one, none, above1, above2, above4]: Limits) => [
  { points: 4 },
  { from: two, points: 2 },
  { from: one, points: 1 },
  { from: none, points: 0 },
  { from: above1, points: 1 },
  { from: above2, points: 2 },
  { from: above4, points: 4 },
];

/** Months of age at which the five age groups end: 3 months, and 1, 4 and 12 years. */
const ends = [3, 12, 48, 144, undefined];

const byAge = (vital: string, limits: Limits[]) =>
  limits.map((each, i) => ({
    vital,
    ...(i === 0 ? {} : { fromMonths: ends[i - 1]! }),
    ...(ends[i] === undefined ? {} : { belowMonths: ends[i] }),
    bands: bandsOf(each),
  }));

export const pews: ScoreTableInput = {
  name: 'pews',
  title: 'Bedside Paediatric Early Warning System score',
  source: 'Parshuram CS, Hutchison J, Middaugh K. Critical Care 2009; 13: R135',
  codings: [own('pews', 'Bedside Paediatric Early Warning System score')],
  outcome: 'Clinical deterioration: urgent admission to intensive care within 24 hours',
  belowMonths: 16 * 12,
  unknownAge: false,
  parameters: [
    {
      ...{ name: 'heart-rate', title: 'Heart rate', windowMinutes },
      coding: own('pews-heart-rate', 'Bedside PEWS: heart rate'),
      cases: byAge('heart-rate', [
        [81, 91, 111, 150, 180, 190],
        [71, 81, 101, 150, 170, 180],
        [61, 71, 91, 120, 150, 170],
        [51, 61, 71, 110, 130, 150],
        [41, 51, 61, 100, 120, 140],
      ]),
    },
    {
      ...{ name: 'systolic-pressure', title: 'Systolic blood pressure', windowMinutes },
      coding: own('pews-systolic-pressure', 'Bedside PEWS: systolic blood pressure'),
      cases: byAge('systolic-pressure', [
        [46, 51, 61, 80, 100, 130],
        [61, 71, 81, 100, 120, 150],
        [66, 76, 91, 110, 125, 160],
        [71, 81, 91, 120, 140, 170],
        [76, 86, 101, 130, 150, 190],
      ]),
    },
    {
      ...{ name: 'capillary-refill', title: 'Capillary refill time', windowMinutes, decimals: 1 },
      coding: own('pews-capillary-refill', 'Bedside PEWS: capillary refill time'),
      cases: [{ vital: 'capillary-refill', bands: [{ points: 0 }, { from: 3, points: 4 }] }],
    },
    {
      ...{ name: 'respiratory-rate', title: 'Respiratory rate', windowMinutes },
      coding: own('pews-respiratory-rate', 'Bedside PEWS: respiratory rate'),
      cases: byAge('respiratory-rate', [
        [16, 20, 30, 61, 81, 91],
        [16, 20, 25, 51, 71, 81],
        [13, 16, 20, 41, 61, 71],
        [11, 15, 20, 31, 41, 51],
        [10, 11, 12, 17, 23, 30],
      ]),
    },
    {
      ...{ name: 'respiratory-effort', title: 'Respiratory effort', windowMinutes },
      coding: own('pews-respiratory-effort', 'Bedside PEWS: respiratory effort'),
      cases: [{ vital: 'respiratory-effort', points: { normal: 0, mild: 1, moderate: 2, severe: 4 } }],
    },
    {
      ...{ name: 'oxygen-saturation', title: 'Oxygen saturation', windowMinutes },
      coding: own('pews-oxygen-saturation', 'Bedside PEWS: oxygen saturation'),
      cases: [{ vital: 'oxygen-saturation', bands: [{ points: 2 }, { from: 91, points: 1 }, { from: 95, points: 0 }] }],
    },
    {
      ...{ name: 'oxygen', title: 'Oxygen therapy', windowMinutes, decimals: 1 },
      coding: own('pews-oxygen', 'Bedside PEWS: oxygen therapy'),
      // That oxygen is given says nothing of how much: it gives no points, not 2.
      cases: [
        { vital: 'oxygen-flow', bands: [{ points: 0 }, { from: 0.1, points: 2 }, { from: 4, points: 4 }] },
        { vital: 'oxygen-concentration', bands: [{ points: 0 }, { from: 21.1, points: 2 }, { from: 50, points: 4 }] },
        { vital: 'oxygen', points: { air: 0 } },
      ],
    },
  ],
  levels: [
    { from: 0, code: 'low', title: 'Below 8', risk: 'low' },
    { from: 8, code: 'high', title: '8 or more: urgent review, intensive care may be needed', risk: 'high' },
  ],
};
