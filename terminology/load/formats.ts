// The releases that can be loaded, the more particular ones first: a folder is what the first of them finds its files in.
import { codeSystem } from './code-system.ts';
import { cvx } from './cvx.ts';
import type { Format } from './format.ts';
import { icd10cm } from './icd10cm.ts';
import { loinc } from './loinc.ts';
import { ndc } from './ndc.ts';
import { rf2 } from './rf2.ts';
import { rxnorm } from './rxnorm.ts';

export const formats: readonly Format[] = [rf2, loinc, rxnorm, icd10cm, ndc, cvx, codeSystem];
