// Patient administration: HL7 v2.9 chapter 3.3. The standard's structures, with the segments that earlier versions had.
const head = 'MSH ARV* SFT* UAC? EVN';
const person = 'PID PD1? OH1* OH2* OH3? OH4* ARV* ROL* PRT*';
const visit = 'PV1 PV2? ARV* ROL* PRT*';
const kin = 'NEXT_OF_KIN{NK1 OH2* OH3?}*';
const seen = 'DB1* OBSERVATION{OBX PRT* NTE*}*';
const content = 'AL1* IAM* DG1* DRG? PROCEDURE{PR1 ROL* PRT*}*';
const payers = `GT1* INSURANCE{IN1 IN2? IN3* ROL* PRT* AUTHORIZATION{AUT PRT*}* REFERRAL{RF1 PRT*}*}*`;
const bills = 'ACC? UB1? UB2? PDA?';
const admission = `${head} ${person} ${kin} ${visit} ${seen} ${content} ${payers} ${bills}`;
const transfer = `${head} ${person} ${kin} ${visit} ${seen} ${content} PDA?`;
const other = `${head} PID PD1? OH1* OH2* OH3? OH4* ARV* ROL* PRT* ${kin} ${visit} ${seen} DG1*`;

export const admissionStructures = {
  ADT_A01: admission,
  ADT_A02: transfer,
  ADT_A03: `${head} ${person} ${kin} ${visit} DB1* ${content} OBSERVATION{OBX PRT* NTE*}* ${payers} ${bills}`,
  ADT_A05: admission,
  ADT_A06: `${head} ${person} MRG? ${kin} ${visit} ${seen} ${content} ${payers} ${bills}`,
  ADT_A09: other,
  ADT_A11: other,
  ADT_A12: other,
  ADT_A15: other,
  ADT_A16: `${head} ${person} ${kin} ${visit} ${seen} ${content} ${payers} ACC?`,
  ADT_A17: `${head} PATIENT{PID PD1? ARV* PV1 PV2? ARV* DB1* OBSERVATION{OBX PRT*}*}+`,
  ADT_A18: `${head} PID PD1? ARV* MRG PV1?`,
  ADT_A20: `${head} NPU*`,
  ADT_A21: other,
  ADT_A24: `${head} PATIENT{PID PD1? ARV* PV1? DB1*}+`,
  ADT_A30: `${head} PID PD1? ARV* MRG`,
  ADT_A37: `${head} PATIENT{PID PD1? ARV* PV1? DB1*}+`,
  ADT_A38: `${head} ${person} ${visit} ${seen} DG1* DRG?`,
  ADT_A39: `${head} PATIENT{PID PD1? ARV* MRG PV1?}+`,
  ADT_A43: `${head} PATIENT{PID PD1? ARV* MRG}+`,
  ADT_A44: `${head} PATIENT{PID PD1? ARV* MRG}+`,
  ADT_A45: `${head} PID PD1? ARV* MERGE_INFO{MRG PV1}+`,
  ADT_A50: `${head} PID PD1? ARV* MRG PV1`,
  ADT_A52: `${head} ${person} ${visit}`,
  ADT_A54: `${head} ${person} ${visit}`,
  ADT_A60: `${head} PID ARV* VISIT_GROUP{PV1 PV2? ARV*}? ADVERSE_REACTION_GROUP{IAM NTE* IAR*}*`,
  ADT_A61: `${head} PID PD1? ARV* ROL* PV1 ROL* PV2? ROL*`,
} as const satisfies Record<string, string>;
