// MEWS: Subbe, Kruger, Rutherford, Gemmel: "Validation of a modified Early Warning Score in medical admissions", QJM 2001;
// 94: 521–526. qSOFA: Singer et al., "The Third International Consensus Definitions for Sepsis and Septic Shock (Sepsis-3)",
// JAMA 2016; 315: 801–810, with Seymour et al. in the same issue.
import type { ScoreTableInput } from '../schema.ts';

const windowMinutes = 12 * 60;
const adultMonths = 16 * 12;
const own = (code: string, display: string) => ({ system: 'urn:cerebra:score', code, display });

export const mews: ScoreTableInput = {
  name: 'mews',
  title: 'Modified Early Warning Score',
  source: 'Subbe CP, Kruger M, Rutherford P, Gemmel L. QJM 2001; 94: 521-526',
  codings: [own('mews', 'Modified Early Warning Score')],
  outcome: 'Admission to intensive or high dependency care, cardiac arrest or death',
  fromMonths: adultMonths,
  unknownAge: true,
  parameters: [
    {
      ...{ name: 'systolic-pressure', title: 'Systolic blood pressure', windowMinutes },
      coding: own('mews-systolic-pressure', 'MEWS: systolic blood pressure'),
      cases: [
        {
          vital: 'systolic-pressure',
          bands: [
            { points: 3 },
            { from: 71, points: 2 },
            { from: 81, points: 1 },
            { from: 101, points: 0 },
            { from: 200, points: 2 },
          ],
        },
      ],
    },
    {
      ...{ name: 'heart-rate', title: 'Heart rate', windowMinutes },
      coding: own('mews-heart-rate', 'MEWS: heart rate'),
      cases: [
        {
          vital: 'heart-rate',
          bands: [
            { points: 2 },
            { from: 41, points: 1 },
            { from: 51, points: 0 },
            { from: 101, points: 1 },
            { from: 111, points: 2 },
            { from: 130, points: 3 },
          ],
        },
      ],
    },
    {
      ...{ name: 'respiratory-rate', title: 'Respiratory rate', windowMinutes },
      coding: own('mews-respiratory-rate', 'MEWS: respiratory rate'),
      cases: [
        {
          vital: 'respiratory-rate',
          bands: [
            { points: 2 },
            { from: 9, points: 0 },
            { from: 15, points: 1 },
            { from: 21, points: 2 },
            { from: 30, points: 3 },
          ],
        },
      ],
    },
    {
      ...{ name: 'temperature', title: 'Temperature', windowMinutes, decimals: 1 },
      coding: own('mews-temperature', 'MEWS: temperature'),
      cases: [{ vital: 'temperature', bands: [{ points: 2 }, { from: 35, points: 0 }, { from: 38.5, points: 2 }] }],
    },
    {
      ...{ name: 'consciousness', title: 'Consciousness (AVPU)', windowMinutes },
      coding: own('mews-consciousness', 'MEWS: consciousness'),
      // AVPU has no confusion; who is confused reacts to voice at best.
      cases: [{ vital: 'consciousness', points: { alert: 0, confusion: 1, voice: 1, pain: 2, unresponsive: 3 } }],
    },
  ],
  levels: [
    { from: 0, code: 'low', title: 'Below 5', risk: 'low' },
    { from: 5, code: 'high', title: '5 or more: more likely to need intensive care or to die', risk: 'high' },
  ],
};

export const qsofa: ScoreTableInput = {
  name: 'qsofa',
  title: 'Quick SOFA score',
  source: 'Singer M et al. (Sepsis-3). JAMA 2016; 315: 801-810',
  codings: [own('qsofa', 'Quick Sequential Organ Failure Assessment')],
  outcome: 'Poor outcome where infection is suspected: death, or three days and more of intensive care',
  fromMonths: adultMonths,
  unknownAge: true,
  parameters: [
    {
      ...{ name: 'respiratory-rate', title: 'Respiratory rate of 22/min or more', windowMinutes },
      coding: own('qsofa-respiratory-rate', 'qSOFA: respiratory rate'),
      cases: [{ vital: 'respiratory-rate', bands: [{ points: 0 }, { from: 22, points: 1 }] }],
    },
    {
      ...{ name: 'mentation', title: 'Altered mentation', windowMinutes },
      coding: own('qsofa-mentation', 'qSOFA: altered mentation'),
      cases: [
        { vital: 'glasgow-coma-scale', bands: [{ points: 1 }, { from: 15, points: 0 }] },
        { vital: 'consciousness', points: { alert: 0, confusion: 1, voice: 1, pain: 1, unresponsive: 1 } },
      ],
    },
    {
      ...{ name: 'systolic-pressure', title: 'Systolic blood pressure of 100 mmHg or less', windowMinutes },
      coding: own('qsofa-systolic-pressure', 'qSOFA: systolic blood pressure'),
      cases: [{ vital: 'systolic-pressure', bands: [{ points: 1 }, { from: 101, points: 0 }] }],
    },
  ],
  levels: [
    { from: 0, code: 'low', title: 'Below 2', risk: 'low' },
    {
      from: 2,
      code: 'high',
      title: '2 or more: where infection is suspected, look for organ dysfunction',
      risk: 'high',
    },
  ],
};
