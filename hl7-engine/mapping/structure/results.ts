// Observation reporting and documents: HL7 v2.9 chapters 7 and 9.
export const resultStructures = {
  ORU_R01: `MSH SFT* UAC? PATIENT_RESULT{
    PATIENT{ PID PD1? PRT* NTE* NK1* ARV* PATIENT_OBSERVATION{OBX PRT*}* VISIT{PV1 PV2? PRT*}? }?
    ORDER_OBSERVATION{
      ORC? OBR NTE* PRT* TIMING_QTY{TQ1 TQ2*}* CTD? OBSERVATION{OBX PRT* NTE*}* FT1* CTI*
      SPECIMEN{SPM NTE* SPECIMEN_OBSERVATION{OBX PRT* NTE*}*}* DEVICE{DEV OBX*}* }+ }+ DSC?`,
} as const satisfies Record<string, string>;
