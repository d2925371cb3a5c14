// Critical laboratory values: results that a laboratory tells a clinician of at once. The mean limits of two surveys:
//  [1] Kost GJ. Critical limits for urgent clinician notification at US medical centers. JAMA 1990;263:704-707.
//      https://doi.org/10.1001/jama.263.5.704 (with the whole of its table: Table of Critical Limits, Clinical Laboratory Reference)
//  [2] Kost GJ. Critical limits for emergency clinician notification at United States children's hospitals.
//      Pediatrics 1991;88:597-603.
// Laboratories differ (potassium in [1]: 2.5 to 3.6 and 5.0 to 8.0): a rule of one's own replaces the table as a whole.
import type { Severity } from '../seams.ts';

export interface Limits {
  low?: number;
  high?: number;
}

/** Limits that hold from an age on, in days, up to the next band's. */
export interface AgeBand extends Limits {
  fromDays: number;
}

export interface Analyte {
  /** `potassium`: after "Critically high". */
  name: string;
  /** LOINC, https://loinc.org */
  codes: readonly string[];
  /** UCUM, of all limits. */
  unit: string;
  /** g/mol, where results come by mass and by amount of substance. */
  molarMass?: number;
  /** Equivalents in one mol. */
  valence?: number;
  /** The first one from birth; of unknown age the last, which is the adults'. */
  bands: readonly [AgeBand, ...AgeBand[]];
  severity: Severity;
  /** SNOMED CT, https://snomed.info */
  finding?: { low?: Coded; high?: Coded };
}

interface Coded {
  code: string;
  display: string;
}

/** Until the 28th day after birth. */
const child = 28;
/** [2] is of children's hospitals: until the 18th birthday, which is 6,574 or 6,575 days after birth (age.ts). */
export const adult = 6_574;

export const analytes: readonly Analyte[] = [
  {
    name: 'potassium',
    // In serum, plasma or blood; urine, sweat, stool, fluids and erythrocytes have other limits.
    codes: ['2823-3', '6298-4', '77142-8', '32713-0', '39789-3', '39790-1', '41656-0', '22760-3', '75940-7'],
    unit: 'mmol/L',
    molarMass: 39.0983,
    valence: 1,
    bands: [
      { fromDays: 0, low: 2.8, high: 7.8 },
      { fromDays: child, low: 2.8, high: 6.4 },
      { fromDays: adult, low: 2.8, high: 6.2 },
    ],
    severity: 'critical',
    finding: {
      low: { code: '43339004', display: 'Hypokalemia' },
      high: { code: '14140009', display: 'Hyperkalemia' },
    },
  },
  {
    name: 'sodium',
    codes: ['2951-2', '2947-0', '77139-4'],
    unit: 'mmol/L',
    molarMass: 22.9898,
    valence: 1,
    bands: [
      { fromDays: 0, low: 121, high: 156 },
      { fromDays: adult, low: 120, high: 158 },
    ],
    severity: 'critical',
    finding: {
      low: { code: '89627008', display: 'Hyponatremia' },
      high: { code: '39355002', display: 'Hypernatremia' },
    },
  },
  {
    name: 'glucose',
    codes: ['2345-7', '2339-0', '14749-6', '15074-8', '2340-8', '41653-7', '14743-9', '32016-8'],
    unit: 'mmol/L',
    molarMass: 180.156,
    bands: [
      { fromDays: 0, low: 1.8, high: 18.2 },
      { fromDays: child, low: 2.6, high: 24.7 },
      { fromDays: adult, low: 2.6, high: 26.9 },
    ],
    severity: 'critical',
    finding: {
      low: { code: '302866003', display: 'Hypoglycemia' },
      high: { code: '80394007', display: 'Hyperglycemia' },
    },
  },
  {
    name: 'calcium',
    codes: ['17861-6', '2000-8'],
    unit: 'mmol/L',
    molarMass: 40.078,
    valence: 2,
    bands: [
      { fromDays: 0, low: 1.62, high: 3.17 },
      { fromDays: adult, low: 1.65, high: 3.22 },
    ],
    severity: 'critical',
    finding: {
      low: { code: '5291005', display: 'Hypocalcemia' },
      high: { code: '66931009', display: 'Hypercalcemia' },
    },
  },
  {
    name: 'ionized calcium',
    codes: ['1994-3', '1995-0', '12180-6'],
    unit: 'mmol/L',
    molarMass: 40.078,
    valence: 2,
    bands: [{ fromDays: 0, low: 0.82, high: 1.55 }],
    severity: 'critical',
  },
  {
    name: 'magnesium',
    codes: ['19123-9', '2601-3'],
    unit: 'mmol/L',
    molarMass: 24.305,
    valence: 2,
    bands: [{ fromDays: 0, low: 0.41, high: 2.02 }],
    severity: 'high',
  },
  {
    name: 'phosphate',
    codes: ['2777-1', '14879-1'],
    unit: 'mmol/L',
    // Results by mass are of phosphorus.
    molarMass: 30.9738,
    bands: [{ fromDays: 0, low: 0.39, high: 2.87 }],
    severity: 'high',
  },
  {
    name: 'carbon dioxide content',
    codes: ['2028-9', '1963-8'],
    unit: 'mmol/L',
    valence: 1,
    bands: [{ fromDays: 0, low: 11, high: 40 }],
    severity: 'critical',
  },
  {
    name: 'urea nitrogen',
    codes: ['3094-0', '6299-2', '14937-7'],
    // Of urea: two atoms of nitrogen, 28.0134 g, in a mol of it.
    unit: 'mmol/L',
    molarMass: 28.0134,
    bands: [{ fromDays: 0, high: 37.1 }],
    severity: 'high',
  },
  {
    name: 'creatinine',
    codes: ['2160-0', '14682-9', '38483-4'],
    unit: 'umol/L',
    molarMass: 113.118,
    bands: [{ fromDays: 0, high: 654 }],
    severity: 'high',
  },
  {
    name: 'bilirubin',
    codes: ['1975-2', '14631-6'],
    unit: 'umol/L',
    molarMass: 584.662,
    bands: [
      { fromDays: 0, high: 257 },
      // Critical in the newborn only, for whose brain it is the danger.
      { fromDays: child },
    ],
    severity: 'critical',
  },
  {
    name: 'osmolality',
    codes: ['2692-2'],
    unit: 'mosm/kg',
    bands: [{ fromDays: 0, low: 250, high: 326 }],
    severity: 'high',
  },
  {
    name: 'hemoglobin',
    codes: ['718-7', '20509-6'],
    unit: 'g/L',
    bands: [
      { fromDays: 0, low: 69, high: 208 },
      { fromDays: adult, low: 66, high: 199 },
    ],
    severity: 'critical',
  },
  {
    name: 'hematocrit',
    codes: ['4544-3', '20570-8'],
    unit: '%',
    bands: [
      { fromDays: 0, low: 20, high: 62 },
      { fromDays: adult, low: 18, high: 61 },
    ],
    severity: 'critical',
  },
  {
    name: 'platelet count',
    codes: ['777-3', '26515-7'],
    unit: '10*9/L',
    bands: [
      { fromDays: 0, low: 53, high: 916 },
      { fromDays: adult, low: 37, high: 910 },
    ],
    severity: 'critical',
  },
  {
    name: 'white blood cell count',
    codes: ['6690-2', '26464-8', '804-5'],
    unit: '10*9/L',
    bands: [
      { fromDays: 0, low: 2.1, high: 42.9 },
      { fromDays: adult, low: 2, high: 37 },
    ],
    severity: 'critical',
  },
  {
    name: 'prothrombin time',
    codes: ['5902-2', '5964-2'],
    unit: 's',
    bands: [{ fromDays: 0, high: 27 }],
    severity: 'critical',
  },
  {
    name: 'arterial pH',
    codes: ['2744-1'],
    unit: '[pH]',
    bands: [{ fromDays: 0, low: 7.21, high: 7.59 }],
    severity: 'critical',
  },
  {
    name: 'arterial pCO2',
    codes: ['2019-8'],
    unit: 'mm[Hg]',
    bands: [
      { fromDays: 0, low: 21, high: 66 },
      { fromDays: adult, low: 19, high: 67 },
    ],
    severity: 'critical',
  },
  {
    name: 'arterial pO2',
    codes: ['2703-7'],
    unit: 'mm[Hg]',
    bands: [
      { fromDays: 0, low: 45, high: 124 },
      { fromDays: adult, low: 43 },
    ],
    severity: 'critical',
  },
];

export const analyteOf: ReadonlyMap<string, Analyte> = new Map(
  analytes.flatMap((analyte) => analyte.codes.map((code) => [code, analyte] as const)),
);
