// Metric names and what they are in FHIR. Codes and units of the vital signs profiles:
// https://hl7.org/fhir/R4/observation-vitalsigns.html#vitals-table; the rest from https://loinc.org.

export interface Coding {
  system: string;
  code: string;
  display?: string;
}

export interface ScalarMetric {
  kind: 'scalar';
  codings: readonly Coding[];
  category: 'vital-signs' | 'laboratory';
  /** UCUM code of the stored value. */
  unit: string;
  /** What a living person or a working sensor can yield, in `unit`, both ends included. */
  plausible: readonly [min: number, max: number];
  /** Where another kind of unit means another LOINC code: tried in order when `unit` is not commensurable. */
  otherwise?: ScalarMetric;
}

export interface PanelMetric {
  kind: 'panel';
  codings: readonly Coding[];
  category: 'vital-signs';
  /** Member of `value` -> its component. */
  components: ReadonlyMap<string, ScalarMetric>;
  /** Members that must be there. */
  required: readonly string[];
}

export type Metric = ScalarMetric | PanelMetric;

const loinc = (code: string, display: string): Coding => ({ system: 'http://loinc.org', code, display });

function vital(codings: Coding | Coding[], unit: string, min: number, max: number): ScalarMetric {
  return {
    kind: 'scalar',
    codings: Array.isArray(codings) ? codings : [codings],
    category: 'vital-signs',
    unit,
    plausible: [min, max],
  };
}

const bloodPressure: PanelMetric = {
  kind: 'panel',
  codings: [loinc('85354-9', 'Blood pressure panel with all children optional')],
  category: 'vital-signs',
  components: new Map([
    ['systolic', vital(loinc('8480-6', 'Systolic blood pressure'), 'mm[Hg]', 0, 400)],
    ['diastolic', vital(loinc('8462-4', 'Diastolic blood pressure'), 'mm[Hg]', 0, 350)],
    ['mean', vital(loinc('8478-0', 'Mean blood pressure'), 'mm[Hg]', 0, 375)],
  ]),
  required: ['systolic', 'diastolic'],
};

// A LOINC code fixes mass or amount of substance, so glucose has one code per kind of unit. Glucose is not among FHIR's
// vital signs: category laboratory.
const glucose: ScalarMetric = {
  ...vital(loinc('2339-0', 'Glucose [Mass/volume] in Blood'), 'mg/dL', 0, 3000),
  category: 'laboratory',
  otherwise: {
    ...vital(loinc('15074-8', 'Glucose [Moles/volume] in Blood'), 'mmol/L', 0, 167),
    category: 'laboratory',
  },
};

/** A Map, so that names like `constructor` find nothing. */
export const metricsByName: ReadonlyMap<string, Metric> = new Map<string, Metric>([
  ['heart-rate', vital(loinc('8867-4', 'Heart rate'), '/min', 0, 400)],
  ['respiratory-rate', vital(loinc('9279-1', 'Respiratory rate'), '/min', 0, 200)],
  ['body-temperature', vital(loinc('8310-5', 'Body temperature'), 'Cel', 8, 50)],
  [
    'oxygen-saturation',
    vital(
      [
        loinc('2708-6', 'Oxygen saturation in Arterial blood'),
        loinc('59408-5', 'Oxygen saturation in Arterial blood by Pulse oximetry'),
      ],
      '%',
      0,
      100,
    ),
  ],
  ['blood-pressure', bloodPressure],
  ['body-weight', vital(loinc('29463-7', 'Body weight'), 'kg', 0.1, 800)],
  ['body-height', vital(loinc('8302-2', 'Body height'), 'cm', 10, 300)],
  ['head-circumference', vital(loinc('9843-4', 'Head Occipital-frontal circumference'), 'cm', 10, 100)],
  ['body-mass-index', vital(loinc('39156-5', 'Body mass index (BMI) [Ratio]'), 'kg/m2', 5, 300)],
  ['glucose', glucose],
]);
