// Scheduling, finance, problems, referrals, master files, queries and acknowledgments: HL7 v2.9 chapters 10, 6, 12, 11, 8, 5, 2.
// Segments that begin a group are optional where senders leave them out and the group is told by the next (RGS, VISIT), and
// where the order of groups has no meaning (the resources of an appointment), a new group takes what comes in another.
const head = 'MSH SFT* UAC?';
const person = 'PID PD1? PRT* ROL* ARV* NK1*';
const visit = 'PV1? PV2? PRT* ROL* ARV* DB1*';
const insurance = 'INSURANCE{IN1 IN2? IN3* PRT* ROL* AUTHORIZATION{AUT PRT*}* REFERRAL{RF1 PRT*}*}*';
const procedure = 'PROCEDURE{PR1 PRT* ROL* OBX*}*';
const observation = 'OBSERVATION{OBX PRT* NTE*}*';
const timing = 'TIMING{TQ1 TQ2*}*';
const commonOrder = `COMMON_ORDER{ORC? PRT* ${timing} ORDER{OBR NTE* PRT*}? ${observation}}*`;
const billing = `DG1* DRG? GT1* NK1* ${insurance} ACC? UB1? UB2?`;
const charge = `FT1 PRT* NTE* ${procedure} ${commonOrder}`;

const variance = 'VARIANCE{VAR PRT*}*';
const role = 'ROLE{ROL VAR* PRT*}*';
const careOrder = `ORDER{ORC PRT* OBR? RXO? NTE* VAR* ${observation}}*`;
const goalParts = `NTE* VAR* PRT* ${role} GOAL_OBSERVATION{OBX NTE* PRT*}*`;
const problemParts = `NTE* VAR* PRT* ${role} PROBLEM_OBSERVATION{OBX NTE* PRT*}*`;
const patientVisit = 'PATIENT_VISIT{PV1 PV2? PRT*}?';
const goals = `GOAL{GOL ${goalParts}`;
const problems = `PROBLEM{PRB ${problemParts}`;

const provider = 'PROVIDER{PRD CTD* PRT*}*';
const results = 'OBSERVATION{OBR NTE* PRT* RESULTS{OBX PRT* NTE*}*}*';

export const managementStructures = {
  ACK: `${head} MSA ERR*`,
  SIU_S12: `${head} EVN? SCH TQ1* NTE* PATIENT{PID PD1? PRT* NK1* ARV* PV1? PV2? PRT* OBX* DG1* AL1* GT1* ${insurance}}*
    RESOURCES{RGS? SERVICE{AIS NTE* PRT*}* GENERAL_RESOURCE{AIG NTE* PRT*}*
      LOCATION_RESOURCE{AIL NTE* PRT*}* PERSONNEL_RESOURCE{AIP NTE* PRT*}*}*`,
  DFT_P03: `${head} EVN ${person} ${visit} ${commonOrder} FINANCIAL{${charge}}* ${billing}`,
  DFT_P11: `${head} EVN ${person} ${visit} ${commonOrder} ${billing} FINANCIAL{${charge} DG1* DRG? GT1* ${insurance}}*`,
  BAR_P01: `${head} EVN PID PD1? PRT* ROL* ARV*
    VISIT{${visit} ${observation} AL1* DG1* DRG? ${procedure} GT1* NK1* ${insurance} ACC? UB1? UB2? ABS? RMI?}*`,
  BAR_P02: `${head} EVN PATIENT{PID PD1? PRT* ARV* PV1? DB1*}*`,
  BAR_P06: `${head} EVN PATIENT{PID ARV* PV1?}*`,
  BAR_P12: `${head} EVN PID ARV* PV1? DG1* DRG? ${procedure} ${observation}`,
  PPR_PC1: `${head} PATIENT{PID PD1? PRT* ARV* ${patientVisit}}? ${problems} PATHWAY{PTH VAR* PRT*}* ${goals}}* ${careOrder}}*`,
  PGL_PC6: `${head} PATIENT{PID PD1? PRT* ARV* ${patientVisit}}? ${goals} PATHWAY{PTH VAR* PRT*}* ${problems}}* ${careOrder}}*`,
  PPP_PCB: `${head} PATIENT{PID PD1? PRT* ARV* ${patientVisit}}?
    PATHWAY{PTH NTE* ${variance} PATHWAY_ROLE{ROL PRT*}* ${problems} ${goals}}* ${careOrder}}*}*`,
  REF_I12: `${head} RF1? AUTHORIZATION_CONTACT{AUT CTD? PRT*}? ${provider} PID PD1? PRT* NK1* GT1* ${insurance} ACC? DG1* DRG* AL1*
    PROCEDURE{PR1 PRT* AUTHORIZATION{AUT CTD? PRT*}?}* ${results} PATIENT_VISIT{PV1 PV2? PRT*}? NTE*`,
  RRI_I12: `${head} MSA? ERR* RF1? AUTHORIZATION_CONTACT{AUT CTD? PRT*}? ${provider} PID PD1? PRT* ACC? DG1* DRG* AL1*
    PROCEDURE{PR1 PRT* AUTHORIZATION{AUT CTD? PRT*}?}* ${results} PATIENT_VISIT{PV1 PV2? PRT*}? NTE*`,
  MFN_M02: `${head} MFI MF_STAFF{MFE STF? PRA* ORG* AFF* LAN* EDU* CER* PRT* NTE*}*`,
  MFN_M05: `${head} MFI MF_LOCATION{MFE LOC? LCH* LRL* MF_LOC_DEPT{LDP LCH* LCC*}* PRT*}*`,
  QBP_Q11: `${head} QPD RCP DSC?`,
  QBP_Q21: `${head} QPD RCP DSC?`,
} as const satisfies Record<string, string>;
