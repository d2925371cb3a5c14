// The vital signs that scores look at and how they are coded: LOINC (https://loinc.org; those of
// https://hl7.org/fhir/R4/observation-vitalsigns.html#vitals-table first), and SNOMED CT where LOINC has no answer codes.
// Plausible ranges are those of device readings (docs/devices.md), but for the saturation.
import type { Coding, VitalInput } from '../schema.ts';

const loinc = (code: string, display: string): Coding => ({ system: 'http://loinc.org', code, display });
const snomed = (code: string, display: string): Coding => ({ system: 'http://snomed.info/sct', code, display });
/** For what no code system that we know of has a code; sites add their own in SCORES_FILE. */
const own = (code: string, display: string): Coding => ({ system: 'urn:cerebra:vital', code, display });

const perMinute = Object.fromEntries(
  [
    ...['bpm', 'brpm', 'rpm', 'beats/min', 'beats/minute', 'beats per minute', 'breaths/min', 'breaths/minute'],
    ...['breaths per minute', 'br/min', 'resp/min', '/minute', 'per minute', 'per min'],
  ].map((text) => [text, '/min']),
);
const celsius = {
  ...{
    C: 'Cel',
    '°C': 'Cel',
    ºC: 'Cel',
    '℃': 'Cel',
    'deg C': 'Cel',
    degC: 'Cel',
    'degrees C': 'Cel',
    Cel: 'Cel',
    Celsius: 'Cel',
  },
  ...{ F: '[degF]', '°F': '[degF]', ºF: '[degF]', '℉': '[degF]', 'deg F': '[degF]', degF: '[degF]' },
  ...{ 'degrees F': '[degF]', Fahrenheit: '[degF]' },
};

export const vitals: VitalInput[] = [
  {
    name: 'respiratory-rate',
    title: 'Respiratory rate',
    codings: [loinc('9279-1', 'Respiratory rate'), snomed('86290005', 'Respiratory rate')],
    unit: '/min',
    unitTexts: perMinute,
    plausible: [0, 200],
  },
  {
    name: 'oxygen-saturation',
    title: 'Oxygen saturation',
    codings: [
      loinc('59408-5', 'Oxygen saturation in Arterial blood by Pulse oximetry'),
      loinc('2708-6', 'Oxygen saturation in Arterial blood'),
      snomed('431314004', 'Peripheral oxygen saturation'),
      snomed('103228002', 'Hemoglobin saturation with oxygen'),
    ],
    unit: '%',
    unitTexts: { percent: '%', pct: '%', '% SpO2': '%', '%SpO2': '%', '% O2': '%', '%O2': '%' },
    // 0.97 % is a part of 1 that was labelled wrong, and 0 % a probe that is off: taken for a value it would score 3.
    plausible: [2, 100],
  },
  {
    name: 'oxygen',
    title: 'Air or oxygen',
    codings: [
      snomed('371825009', 'Patient on oxygen'),
      snomed('722742002', 'Breathing room air'),
      own('oxygen', 'Air or oxygen'),
    ],
    values: {
      air: [snomed('722742002', 'Breathing room air'), own('air', 'Air')],
      oxygen: [snomed('371825009', 'Patient on oxygen'), own('oxygen', 'Oxygen')],
    },
  },
  {
    name: 'oxygen-flow',
    title: 'Inhaled oxygen flow rate',
    codings: [loinc('3151-8', 'Inhaled oxygen flow rate')],
    unit: 'L/min',
    unitTexts: { lpm: 'L/min' },
    plausible: [0, 100],
  },
  {
    name: 'oxygen-concentration',
    title: 'Inhaled oxygen concentration',
    codings: [loinc('3150-6', 'Inhaled oxygen concentration')],
    unit: '%',
    plausible: [10, 100],
  },
  {
    name: 'systolic-pressure',
    title: 'Systolic blood pressure',
    codings: [
      loinc('8480-6', 'Systolic blood pressure'),
      snomed('271649006', 'Systolic blood pressure'),
      snomed('72313002', 'Systolic arterial pressure'),
    ],
    unit: 'mm[Hg]',
    unitTexts: { mmHg: 'mm[Hg]', 'mm Hg': 'mm[Hg]' },
    plausible: [0, 400],
  },
  {
    name: 'heart-rate',
    title: 'Heart rate',
    codings: [
      loinc('8867-4', 'Heart rate'),
      snomed('364075005', 'Heart rate'),
      snomed('78564009', 'Heart rate measured at systemic artery'),
    ],
    unit: '/min',
    unitTexts: perMinute,
    plausible: [0, 400],
  },
  {
    name: 'temperature',
    title: 'Body temperature',
    codings: [
      loinc('8310-5', 'Body temperature'),
      loinc('8331-1', 'Oral temperature'),
      loinc('8332-9', 'Rectal temperature'),
      loinc('8333-7', 'Tympanic membrane temperature'),
      loinc('8328-7', 'Axillary temperature'),
      loinc('8329-5', 'Body temperature - Core'),
      snomed('386725007', 'Body temperature'),
      snomed('276885007', 'Core body temperature'),
    ],
    unit: 'Cel',
    unitTexts: celsius,
    plausible: [8, 50],
  },
  {
    name: 'consciousness',
    title: 'Level of consciousness (ACVPU)',
    codings: [
      snomed('1104441000000107', 'ACVPU (Alert Confusion Voice Pain Unresponsive) scale score'),
      loinc('67775-7', 'Level of responsiveness'),
      own('consciousness', 'Level of consciousness (ACVPU)'),
    ],
    values: {
      alert: [snomed('248234008', 'Mentally alert'), loinc('LA9340-6', 'Alert'), own('alert', 'Alert')],
      confusion: [snomed('130987000', 'Acute confusion'), own('confusion', 'New confusion')],
      voice: [snomed('300202002', 'Response to voice'), loinc('LA9341-4', 'Verbal'), own('voice', 'Voice')],
      pain: [snomed('450847001', 'Responds to pain'), loinc('LA9342-2', 'Painful'), own('pain', 'Pain')],
      unresponsive: [
        snomed('422768004', 'Unresponsive'),
        loinc('LA9343-0', 'Unresponsive'),
        own('unresponsive', 'Unresponsive'),
      ],
    },
  },
  {
    name: 'glasgow-coma-scale',
    title: 'Glasgow coma scale',
    codings: [loinc('9269-2', 'Glasgow coma score total')],
    unit: '{score}',
    unitTexts: { '': '{score}', '1': '{score}', points: '{score}', score: '{score}' },
    plausible: [3, 15],
  },
  {
    name: 'capillary-refill',
    title: 'Capillary refill time',
    codings: [
      loinc('44971-0', 'Capillary refill [Time]'),
      loinc('44963-7', 'Capillary refill [Time] of Nail bed'),
      own('capillary-refill', 'Capillary refill time'),
    ],
    unit: 's',
    unitTexts: { sec: 's', seconds: 's' },
    plausible: [0, 60],
  },
  {
    name: 'respiratory-effort',
    title: 'Respiratory effort',
    codings: [own('respiratory-effort', 'Respiratory effort'), loinc('80341-1', 'Respiratory effort')],
    values: {
      normal: [own('normal', 'Normal')],
      mild: [own('mild', 'Mild increase')],
      moderate: [own('moderate', 'Moderate increase')],
      severe: [own('severe', 'Severe increase or any apnoea')],
    },
  },
  {
    name: 'spo2-scale',
    title: 'NEWS2 oxygen saturation scale in use',
    codings: [own('spo2-scale', 'NEWS2 oxygen saturation scale in use')],
    values: {
      '1': [own('1', 'Scale 1'), own('spo2-scale-1', 'Scale 1')],
      '2': [own('2', 'Scale 2'), own('spo2-scale-2', 'Scale 2: target 88 to 92 %')],
    },
  },
];
