// Segments that a note may stand behind.
import { segment } from './mapped.ts';

export const msh = (type: string) => `MSH|^~\\&|EHR|SOUTH|CERE|NORTH|20260301080000||${type}|M1|P|2.5.1`;
export const pid = 'PID|1||777^^^HOSP^MR||TEST^PATIENT';
export const pv1 = segment('PV1', { 2: 'I', 19: 'V1^^^HOSP^VN' });
export const orc = 'ORC|NW|P1^EHR|F1^LAB';
export const obr = 'OBR|1|P1^EHR|F1^LAB|24323-8^Panel^LN|||20260301070000';
export const obx = 'OBX|1|NM|2345-7^Glucose^LN||90|mg/dL|||||F|||20260301070000';
export const spm = 'SPM|1|^S1&LAB||119297000^Blood^SCT';
export const sac = 'SAC|||C1^LAB';
export const dg1 = 'DG1|1||E11^Diabetes^I10||20260301|A';
export const pr1 = 'PR1|1||80146002^Appendectomy^SCT|Appendectomy|20260228';
export const ft1 = segment('FT1', { 1: '1', 2: 'T1', 4: '20260301', 6: 'CG', 7: '99213^Visit^C4' });
export const rxo = 'RXO|1234^Amoxicillin^L|250||mg^mg^UCUM';
export const rxe = 'RXE||1234^Amoxicillin^L|250||mg^mg^UCUM';
export const rxr = 'RXR|PO^Oral^HL70162';
export const rxd = 'RXD|1|1234^Amoxicillin^L|20260301|20|EA';
export const rxa = 'RXA|0|1|20260301070000|20260301070000|1234^Amoxicillin^L|250|mg^mg^UCUM';
export const vaccine = 'RXA|0|1|20260301|20260301|08^Hep B^CVX|0.5|mL^mL^UCUM';
export const tq1 = 'TQ1|1||BID';
