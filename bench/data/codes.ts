// What the benchmark's Observations measure: LOINC codes with UCUM units and usual ranges, https://loinc.org

export interface Measure {
  code: string;
  display: string;
  unit: string;
  low: number;
  high: number;
  digits: number;
  category: 'vital-signs' | 'laboratory';
}

type Row = [code: string, display: string, unit: string, low: number, high: number, digits: number];

const vitals: Row[] = [
  ['8867-4', 'Heart rate', '/min', 52, 110, 0],
  ['9279-1', 'Respiratory rate', '/min', 10, 24, 0],
  ['8310-5', 'Body temperature', 'Cel', 35.8, 39.4, 1],
  ['2708-6', 'Oxygen saturation in Arterial blood', '%', 90, 100, 0],
  ['8302-2', 'Body height', 'cm', 150, 195, 1],
  ['29463-7', 'Body weight', 'kg', 48, 120, 1],
  ['39156-5', 'Body mass index (BMI) [Ratio]', 'kg/m2', 18, 38, 1],
  ['8480-6', 'Systolic blood pressure', 'mm[Hg]', 95, 170, 0],
  ['8462-4', 'Diastolic blood pressure', 'mm[Hg]', 55, 105, 0],
];

const laboratory: Row[] = [
  ['2951-2', 'Sodium [Moles/volume] in Serum or Plasma', 'mmol/L', 136, 145, 0],
  ['2823-3', 'Potassium [Moles/volume] in Serum or Plasma', 'mmol/L', 3.6, 5, 1],
  ['2075-0', 'Chloride [Moles/volume] in Serum or Plasma', 'mmol/L', 98, 107, 0],
  ['2028-9', 'Carbon dioxide, total [Moles/volume] in Serum or Plasma', 'mmol/L', 21, 29, 0],
  ['2160-0', 'Creatinine [Mass/volume] in Serum or Plasma', 'mg/dL', 0.5, 1.4, 2],
  ['3094-0', 'Urea nitrogen [Mass/volume] in Serum or Plasma', 'mg/dL', 7, 22, 0],
  ['2345-7', 'Glucose [Mass/volume] in Serum or Plasma', 'mg/dL', 68, 190, 0],
  ['17861-6', 'Calcium [Mass/volume] in Serum or Plasma', 'mg/dL', 8.5, 10.4, 1],
  ['1742-6', 'Alanine aminotransferase [Enzymatic activity/volume] in Serum or Plasma', 'U/L', 8, 60, 0],
  ['1920-8', 'Aspartate aminotransferase [Enzymatic activity/volume] in Serum or Plasma', 'U/L', 8, 55, 0],
  ['6768-6', 'Alkaline phosphatase [Enzymatic activity/volume] in Serum or Plasma', 'U/L', 40, 130, 0],
  ['1975-2', 'Bilirubin.total [Mass/volume] in Serum or Plasma', 'mg/dL', 0.2, 1.4, 1],
  ['1751-7', 'Albumin [Mass/volume] in Serum or Plasma', 'g/dL', 3.4, 5.2, 1],
  ['4548-4', 'Hemoglobin A1c/Hemoglobin.total in Blood', '%', 4.6, 8.9, 1],
  ['718-7', 'Hemoglobin [Mass/volume] in Blood', 'g/dL', 11, 17.5, 1],
  ['4544-3', 'Hematocrit [Volume Fraction] of Blood by Automated count', '%', 34, 52, 1],
  ['6690-2', 'Leukocytes [#/volume] in Blood by Automated count', '10*3/uL', 3.8, 12, 1],
  ['777-3', 'Platelets [#/volume] in Blood by Automated count', '10*3/uL', 140, 420, 0],
  ['2093-3', 'Cholesterol [Mass/volume] in Serum or Plasma', 'mg/dL', 120, 260, 0],
  ['2085-9', 'Cholesterol in HDL [Mass/volume] in Serum or Plasma', 'mg/dL', 32, 80, 0],
  ['2571-8', 'Triglyceride [Mass/volume] in Serum or Plasma', 'mg/dL', 50, 280, 0],
];

const measuresOf = (rows: Row[], category: Measure['category']): Measure[] =>
  rows.map(([code, display, unit, low, high, digits]) => ({ code, display, unit, low, high, digits, category }));

/** 30 codes: 9 vital signs, 21 laboratory tests. */
export const measures: readonly Measure[] = [
  ...measuresOf(vitals, 'vital-signs'),
  ...measuresOf(laboratory, 'laboratory'),
];
