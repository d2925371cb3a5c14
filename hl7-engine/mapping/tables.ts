// Concept maps of the HL7 v2-to-FHIR guide (https://hl7.org/fhir/uv/v2mappings/concept_maps.html). Where the guide leaves a
// code open, our choice is marked.

import { systems, v2Table } from './codes/systems.ts';

export { systems, v2Table };

type Codes = Readonly<Record<string, string>>;

export const administrativeSex: Codes = {
  F: 'female',
  M: 'male',
  O: 'other',
  U: 'unknown',
  A: 'other',
  N: 'other',
};

const marital = systems.v3MaritalStatus;
export const maritalStatus: Readonly<Record<string, { system: string; code: string; display: string }>> = {
  A: { system: marital, code: 'L', display: 'Legally Separated' },
  E: { system: marital, code: 'L', display: 'Legally Separated' },
  D: { system: marital, code: 'D', display: 'Divorced' },
  M: { system: marital, code: 'M', display: 'Married' },
  S: { system: marital, code: 'S', display: 'Never Married' },
  W: { system: marital, code: 'W', display: 'Widowed' },
  C: { system: marital, code: 'C', display: 'Common Law' },
  G: { system: marital, code: 'T', display: 'Domestic partner' },
  P: { system: marital, code: 'T', display: 'Domestic partner' },
  R: { system: marital, code: 'T', display: 'Domestic partner' },
  N: { system: marital, code: 'A', display: 'Annulled' },
  I: { system: marital, code: 'I', display: 'Interlocutory' },
  B: { system: marital, code: 'U', display: 'unmarried' },
  U: { system: systems.v3NullFlavor, code: 'UNK', display: 'unknown' },
  O: { system: systems.v3NullFlavor, code: 'OTH', display: 'other' },
  T: { system: systems.v3NullFlavor, code: 'NAVU', display: 'Not available' },
};

export const nameUse: Codes = {
  BAD: 'old',
  D: 'usual',
  L: 'official',
  R: 'official',
  M: 'maiden',
  MSK: 'anonymous',
  N: 'nickname',
  NAV: 'temp',
  TEMP: 'temp',
  NOUSE: 'old', // ours
  S: 'anonymous', // ours: table 0200 calls S "coded pseudo-name to ensure anonymity"
};

export const addressUse: Codes = {
  BA: 'old',
  BI: 'billing',
  C: 'temp',
  B: 'work',
  H: 'home',
  HOME: 'home', // seen in real feeds
  O: 'work',
};

export const addressType: Codes = { M: 'postal', SH: 'postal' };

export const telecomUse: Codes = {
  PRN: 'home',
  ORN: 'home', // ours
  VHN: 'temp', // ours
  WPN: 'work',
  PRS: 'mobile',
  HOME: 'home', // seen in real feeds
};

export const telecomSystem: Codes = {
  PH: 'phone',
  CP: 'phone',
  FX: 'fax',
  MD: 'other',
  SAT: 'other',
  BP: 'pager',
  INTERNET: 'email',
  'X.400': 'email',
  TDD: 'other',
  TTY: 'other',
};

const actCode = systems.v3ActCode;
export const encounterClass: Readonly<Record<string, { system: string; code: string; display: string }>> = {
  E: { system: actCode, code: 'EMER', display: 'emergency' },
  I: { system: actCode, code: 'IMP', display: 'inpatient encounter' },
  O: { system: actCode, code: 'AMB', display: 'ambulatory' },
  P: { system: actCode, code: 'PRENC', display: 'pre-admission' },
  R: { system: v2Table('0004'), code: 'R', display: 'Recurring patient' },
  B: { system: v2Table('0004'), code: 'B', display: 'Obstetrics' },
  C: { system: v2Table('0004'), code: 'C', display: 'Commercial Account' },
  N: { system: v2Table('0004'), code: 'N', display: 'Not Applicable' },
  U: { system: v2Table('0004'), code: 'U', display: 'Unknown' },
};

/** Table 0085 (OBX-11). */
export const observationStatus: Codes = {
  A: 'amended',
  B: 'amended', // ours: an appended report adds to a final one
  C: 'corrected',
  D: 'entered-in-error',
  F: 'final',
  I: 'registered', // ours: "specimen in lab; results pending"
  N: 'final', // with dataAbsentReason not-asked
  O: 'registered', // ours: "order detail description only (no result)"
  P: 'preliminary',
  R: 'preliminary', // ours: "results entered, not verified"
  S: 'preliminary', // ours: "partial results"
  U: 'final', // ours: "status change to final without retransmitting"
  V: 'final', // ours: "verified, final results reviewed and confirmed"
  W: 'entered-in-error',
  X: 'cancelled',
};

/** Table 0123 (OBR-25). */
export const reportStatus: Codes = {
  O: 'registered',
  I: 'registered',
  S: 'registered',
  A: 'partial', // ours: "some, but not all, results available"
  P: 'preliminary',
  C: 'corrected',
  R: 'partial',
  F: 'final',
  X: 'cancelled',
  M: 'preliminary', // ours: "corrected, not final"
  N: 'registered', // ours: "procedure completed, results pending"
};

/** Table 0038 (ORC-5). */
export const orderStatus: Codes = {
  A: 'active', // ours: "some, but not all, results available"
  CA: 'revoked',
  CM: 'completed',
  DC: 'revoked',
  ER: 'entered-in-error',
  HD: 'on-hold',
  IP: 'active',
  RP: 'revoked',
  SC: 'active',
};

/** Table 0119 (ORC-1); the guide leaves most codes open. */
export const orderControlStatus: Codes = {
  AF: 'active',
  CA: 'active',
  CR: 'revoked',
  DC: 'revoked',
  DF: 'revoked',
  DR: 'revoked',
  FU: 'completed',
  HD: 'active',
  HR: 'on-hold',
  NW: 'active',
  OC: 'revoked',
  OD: 'revoked',
  OH: 'on-hold',
  OK: 'active',
  PR: 'active',
  PY: 'active',
  RL: 'active',
  RO: 'active',
  RQ: 'active',
};

/** Table 0485, and OBR-5 of old. */
export const requestPriority: Codes = { S: 'stat', A: 'asap', R: 'routine' };

export const specimenStatus: Codes = { Y: 'available', N: 'unavailable' };

/** Table 0078; the codes that ObservationInterpretation has as well. */
export const interpretations: ReadonlySet<string> = new Set(
  `< > A AA B CAR D DET E EX EXP H HH HU I IE IND L LL LU MS N NCL ND NEG NR NS OBX POS QCF R RR S SDD SYN-R SYN-S U UNE
  VS W WR`.split(/\s+/),
);

/** Table 0203, identifier types. */
export const identifierTypes: ReadonlySet<string> = new Set(
  `AC ACSN AIN AM AMA AN ANC AND ANON ANT APRN ASID BA BC BCT BR BRN BSNR CAAI CC CONM CY CZ DC DCFS DDS DEA DFN DI DL DN
  DO DP DPM DR DS EI EN ESN FDR FDRFN FGN FI FILL GI GL GN HC IND IRISTEM JHN LACSN LANR LI L&I LN LR MA MB MC MCD MCN MCR
  MCT MD MI MR MRT MS NBSNR NCT NE NH NI NII NIIP NNxxx NP NPI OBI OD PA PC PCN PE PEN PGN PHC PHE PHO PI PIN PLAC PN PNT
  PPIN PPN PRC PRN PT QA RI RN RPH RR RRI RRP SAMN SB SID SL SN SNBSN SNO SP SR SRX SS STN TAX TN TPR TRL U UDI UPIN USID
  VN VP VS WC WCN WP XV XX`.split(/\s+/),
);

/** Table 0007. */
export const admissionTypes: ReadonlySet<string> = new Set('A C E L N R U'.split(' '));

/** Table 0074. */
export const diagnosticSections: ReadonlySet<string> = new Set(
  `AU BG BLB CG CH CP CT CTH CUS EC EN GE HM ICU IMG IMM LAB MB MCB MYC NMR NMS NRS OSL OT OTH OUS PAR PAT PF PHR PHY PT RAD
  RC RT RUS RX SP SR TX URN VR VUS XRC`.split(/\s+/),
);
