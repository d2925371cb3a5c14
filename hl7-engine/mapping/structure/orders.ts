// Orders, their responses, pharmacy, vaccination and documents: HL7 v2.9 chapters 4, 4A and 9; laboratory automation's reports:
// chapter 13. Where a segment that begins a group is optional in the standard, but without it the group could not be told from
// the next (PID of PRIOR_RESULT), it is required here. Where senders put ORC before OBR and the standard has it behind, both do.
const head = 'MSH SFT* UAC? NTE*';
const timing = 'TIMING{TQ1 TQ2*}*';
const visit = 'PATIENT_VISIT{PV1 PV2? PRT*}?';
const patient = `PATIENT{PID PD1? PRT* NTE* NK1* ARV* ${visit} INSURANCE{IN1 IN2? IN3?}* GT1? AL1*}?`;
const observation = 'OBSERVATION{OBX PRT* TCD? SID* NTE*}*';
const container = 'CONTAINER{SAC INV* NTE* CONTAINER_OBSERVATION{OBX PRT*}*}*';
const specimen = `SPECIMEN{SPM NTE* SPECIMEN_OBSERVATION{OBX PRT*}* ${container}}*`;
const prior = `PRIOR_RESULT{
  PATIENT_PRIOR{PID PD1? PRT* ARV*} PATIENT_VISIT_PRIOR{PV1 PV2? PRT*}? AL1*
  ORDER_PRIOR{ORC? PRT* OBR NTE* PRT* TIMING_PRIOR{TQ1 TQ2*}* NTE* PRT* OBSERVATION_PRIOR{OBX PRT* NTE*}*}+ }*`;
const request = `OBR TCD? NTE* PRT* CTD? DG1* ${observation}`;
const shipment = `SPECIMEN_SHIPMENT{SHP SHIPMENT_OBSERVATION{OBX PRT*}* PACKAGE{PAC PACKAGE_OBSERVATION{OBX PRT*}* ${specimen}}*}*`;
const after = 'FT1* CTI* BLG?';
const anyDetail = `OBR? RQD? RQ1? RXO? ODS* ODT* NTE* RXR* RXC* PRT* CTD? DG1* ${observation} ${specimen}`;
const result = 'RESULT{OBX PRT* TCD? SID* NTE*}*';
const unsolicited = `${head} PATIENT{PID PD1? PRT* NTE* ARV* PATIENT_OBSERVATION{OBX PRT*}* NK1* VISIT{PV1 PV2? PRT*}?}?`;
const specimenHead = 'SPM NTE* SPECIMEN_OBSERVATION{OBX PRT*}*';
const resultOrder = `ORC? OBR ORC? PRT* NTE* TIMING_QTY{TQ1 TQ2*}* ${result}`;
const response = 'MSH MSA ERR* SFT* UAC? NTE*';

const component = 'COMPONENT{RXC NTE*}*';
const infusion = 'INFUSION{RXV TQ1* TQ2*}*';
const ordered = `ORDER_DETAIL{RXO NTE* PRT* RXR* ${component} ${infusion}}?`;
const encoded = `ENCODING{RXE PRT* NTE* TIMING_ENCODED{TQ1 TQ2*}* RXR* RXC* CDO* ${infusion}}?`;
const medication = 'OBSERVATION{OBX PRT* NTE*}*';

export const orderStructures = {
  OML_O21: `${head} ${patient} ORDER{ORC NTE* PRT* ${timing}
    OBSERVATION_REQUEST{${request} ${specimen} ${shipment} ${prior}}? ${after}}+`,
  OML_O33: `${head} ${patient} SPECIMEN{${specimenHead} ${container}
    ORDER{ORC NTE* PRT* ${timing} OBSERVATION_REQUEST{${request} ${prior}}? ${after}}+}+`,
  OML_O35: `${head} ${patient} SPECIMEN{${specimenHead} CONTAINER{SAC INV* NTE* CONTAINER_OBSERVATION{OBX PRT*}*
    ORDER{ORC NTE* PRT* ${timing} OBSERVATION_REQUEST{${request} ${prior}}? ${after}}+}+}+`,
  OMG_O19: `${head} ${patient} ORDER{ORC NTE* PRT* ${timing} ${request} ${specimen} ${prior} ${after}}+`,
  ORM_O01: `${head} ${patient} ORDER{ORC ${timing} ORDER_DETAIL{${anyDetail}}? ${after}}+`,
  OMP_O09: `${head} ${patient} ORDER{ORC PRT* ${timing} RXO? NTE* PRT* RXR* ${component} ${infusion} ${medication} ${after}}+`,
  RDE_O11: `${head} ${patient} ORDER{ORC PRT* ${timing} ${ordered} ${encoded} RXD* RXR* ${medication} ${after}}+`,
  RDS_O13: `${head} ${patient} ORDER{ORC PRT* ${timing} ${ordered} ${encoded}
    RXD PRT* NTE* RXR* RXC* CDO* ${medication} ${after}}+`,
  RAS_O17: `${head} ${patient} ORDER{ORC PRT* ${timing} ${ordered} ${encoded}
    ADMINISTRATION{RXA+ NTE* PRT* RXR? ${medication}}+ CTI*}+`,
  RGV_O15: `${head} ${patient} ORDER{ORC PRT* ${timing} ${ordered} ${encoded}
    GIVE{RXG PRT* NTE* TIMING_GIVE{TQ1 TQ2*}* RXR* RXC* CDO* ${infusion} ${medication}}+}+`,
  ORA_R33: 'MSH MSA ERR* SFT* UAC? ORDER{ORC PRT*}*',
  ORL_O22: `${response} RESPONSE{PATIENT{PID PD1? NTE* ARV*}? SPECIMEN{SPM SPECIMEN_OBSERVATION{OBX PRT*}* ${container}}*
    ORDER{ORC NTE* PRT* ${timing} OBSERVATION_REQUEST{OBR TCD? NTE* PRT* CTD? ${observation} ${specimen}}?}*}?`,
  ORR_O02: `${response} RESPONSE{PATIENT{PID NTE* ARV*}? ORDER{ORC ${timing} ORDER_DETAIL{${anyDetail}}? CTI*}*}?`,
  VXU_V04: `${head} PID PD1? PRT* NK1* ARV* PATIENT_VISIT{PV1 PV2? PRT*}? GT1* INSURANCE{IN1 IN2? IN3?}*
    PERSON_OBSERVATION{OBX PRT* NTE*}* ORDER{ORC? PRT* ${timing} RXA PRT* RXR? OBSERVATION{OBX PRT* NTE*}*}* DSC?`,
  MDM_T02: `${head} EVN? PID PD1? PRT* NK1* ARV* PV1? PV2? PRT*
    COMMON_ORDER{ORC ${timing} OBR NTE* PRT*}* TXA CON* OBSERVATION{OBX PRT* NTE*}*`,
  OUL_R22: `${unsolicited} SPECIMEN{${specimenHead} ${container} ORDER{${resultOrder} CTI*}+}+ DSC?`,
  OUL_R23: `${unsolicited} SPECIMEN{${specimenHead} CONTAINER{SAC INV* ORDER{${resultOrder} CTI*}+}+}+ DSC?`,
  OUL_R24: `${unsolicited} ORDER{${resultOrder} ${specimen} CTI*}+ DSC?`,
} as const satisfies Record<string, string>;
