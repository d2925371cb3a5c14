// ODS and ODT, dietary orders: HL7 v2.9 chapter 4.8. The guide has no map of them; these are ours.
import { segmentTable } from '../table/table.ts';

/** D diet, S supplement, P preference (table 0159). */
export const odsDiet = segmentTable(
  'ODS',
  'NutritionOrder',
  `
1 | @type              | tells what ODS-3 is
2 | -                  | service period (meals): TQ1 has the times
3 | oralDiet.type[]    | CWE | 1 in ("D", "")
3 | supplement[].type  | CWE | 1 = "S"
3 | foodPreferenceModifier[] | CWE | 1 = "P"
4 | oralDiet.instruction | TX | not 1 = "S"
4 | supplement[0].instruction | TX | 1 = "S"
`,
);

/** Trays: what comes with the meal. */
export const odtTray = segmentTable(
  'ODT',
  'NutritionOrder',
  `
1 | oralDiet.type[] | CWE
2 | -               | service period (meals): TQ1 has the times
3 | oralDiet.instruction | TX
`,
);
