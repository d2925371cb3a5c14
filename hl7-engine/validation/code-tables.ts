// Codes of HL7 tables that values of type ID are taken from: HL7 v2.9 chapter 2C (https://terminology.hl7.org/codesystems-v2.html).
// Codes of all versions together: a code is of no use as a sign of the version. Left out are tables that grow between versions or
// are the sender's (0396 and the lists of media types), and those that the header is read by (0003, 0076, 0104, 0211, 0354).
import { ownValue } from '#platform';

const texts: Readonly<Record<string, string>> = {
  '0008': 'AA AE AR CA CE CR',
  '0012': 'AN FL',
  '0027': 'A P R S T',
  '0038': 'A CA CM DC ER HD IP RP SC',
  '0065': 'A C G L O P R S',
  '0074': `
    AU BG BLB CG CH CP CT CTH CUS EC EN GE HM ICU IMG IMM LAB MB MCB MYC NMR NMS NRS OSL OT OTH OUS PAR PAT PF PHR PHY
    PT RAD RC RT RUS RX SP SR TX URN VR VUS XRC`,
  '0080': 'A B N R S SP ST',
  '0085': 'A B C D F I N O P R S U V W X',
  '0091': 'D I',
  '0100': 'D O R S T',
  '0102': 'D F',
  '0103': 'D N P T V',
  '0105': 'L O P',
  '0106': 'D R T',
  '0107': 'B L',
  '0108': 'O R S T',
  '0109': 'R S',
  '0119': `
    AF CA CH CN CP CR DC DE DF DR FU HD HR LI MC NA NR NW OC OD OE OF OH OK OP OR PA PR PY RA RC RD RE RF RL RO RP RQ
    RR RU SC SN SQ SR SS SU UA UC UD UF UH UM UN UR UX XO XR XX`,
  '0121': 'D E F N R',
  '0122': 'CH CO CR DP GR NC PC RS',
  '0123': 'A C F I M N O P R S X Y Z',
  '0124': 'CART PORT WALK WHLC',
  '0136': 'N Y',
  '0148': 'AT PC',
  '0155': 'AL ER NE SU',
  '0156': 'ANY CAN COL ORD RCT REP SCHED',
  '0157': 'ANY CFN COR FIN PRE REP',
  '0158': '1ST ALL LST REV',
  '0159': 'D P S',
  '0161': 'G N T',
  '0166': 'A B',
  '0167': '0 1 2 3 4 5 7 8 G N T',
  '0168': 'A B C P R S T',
  '0169': 'C R',
  '0170': 'C N P',
  '0178': 'REP UPD',
  '0179': 'AL ER NE SU',
  '0180': 'MAC MAD MDC MDL MUP',
  '0183': 'A I',
  '0187': 'I P',
  '0190': 'B BA BDL BI BR C F H L M N O P RH S SH TM V',
  '0200': 'A B BAD C D F I K L M MSK N NAV NB NOUSE O P R REL S T TEMP U',
  '0201': 'ASN BPN EMR NET ORN PRN PRS VHN WPN',
  '0202': 'BP CP FX Internet MD PH SAT TDD TTY X.400',
  '0203': `
    AC ACSN AM AMA AN ANC AND ANON ANT APRN ASID BA BC BCFN BCT BR BRN BSNR CC CONM CY CZ DC DCFN DDS DEA DFN DI DL DN
    DO DP DPM DR DS EI EN ESN FDR FDRFN FI FILL GI GL GN HC IND JHN LACSN LANR LI LN LR MA MB MC MCD MCN MCR MCT MD MI
    MR MRT MS NBSNR NCT NE NH NI NII NIIP NNxxx NP NPI OBI OD PA PC PCN PE PEN PHC PHE PHO PI PLAC PN PNT PPIN PPN PRC
    PRN PT QA RI RN RPH RR RRI RRP SB SID SL SN SNBSN SNO SP SR SS STN TAX TN TPR TRL U UDI UPIN USID VN VP VS WC WCN
    WP XV XX`,
  '0205': 'AP DC IC PF TF TP UP',
  '0206': 'A D S U X',
  '0207': 'A I R T',
  '0208': 'AE AR NF OK PD TM',
  '0209': 'CT EQ GE GN GT LE LT NE',
  '0210': 'AND OR',
  '0224': 'A N U',
  '0225': 'N R U',
  '0234': '10D 15D 30D 3D 7D AD CO DE PD RQ',
  '0235': 'C D E H L M N O P R',
  '0236': 'D L M R',
  '0237': 'A B D I L M O W',
  '0238': 'N S Y',
  '0239': 'N U Y',
  '0240': 'C D H I J L O P R',
  '0241': 'D F N R S U W',
  '0242': 'C H L M O P R',
  '0243': 'N NA Y',
  '0248': 'A L N R',
  '0250': 'H I M N S',
  '0251': 'DI DR N OT WP WT',
  '0252': 'AW BE DR EX IN LI OE OT PL SE TC',
  '0253': 'B F O P X',
  '0271': 'AU DI DO IN IP LA PA',
  '0272': '1 2 3 R RE U UC V VR',
  '0273': 'AV CA OB UN',
  '0275': 'AA AC AR PU',
  '0287': 'AD CO DE LI SP UC UN UP',
  '0298': 'F P',
  '0299': 'A Base64 Hex',
  '0301': 'CAP CLIA CLIP DNS EUI64 GUID HCD HL7 ISO L M N NPI Random URI UUID x400 x500',
  '0321': 'AD F TR UD',
  '0322': 'CP NA PA RE',
  '0323': 'A D U X',
  '0329': 'A E',
  '0330': '510E 510K 522S PMA PRE TXN',
  '0331': 'A D M U',
  '0332': 'A I',
  '0337': 'C E',
  '0355': 'CE CWE PL',
  '0395': 'M N',
  '0397': 'A AN D DN N',
  '0398': 'F I',
  '0427': 'B C D E F H I J K O P R S T',
  '0440': `
    AD AUI CCD CCP CD CE CF CK CM CN CNE CNN CNS CP CQ CSU CWE CX DDI DIN DLD DLN DLT DR DT DTM DTN ED EI EIP ELD ERL
    FC FN FT GTS HD ICD ID IS JCC LA1 LA2 MA MO MOC MOP MSG NA NDL NM NR OCD OSD OSP PIP PL PLN PN PPN PRL PT PTA QIP
    QSC RCD RFR RI RMC RP RPT SAD SCV SI SN SNM SPD SPS SRT ST TM TN TQ TS TX UVC VH VID VR WVI WVS XAD XCN XON XPN
    XTN`,
  '0444': 'F G',
  '0465': 'A I P',
  '0472': 'A C S',
  '0478': 'G N R Y',
  '0480': 'M O S',
  '0500': 'F N P',
  '0503': 'C R S',
  '0504': 'EE ES SE SS',
  '0505': '# * F L',
  '0506': 'C E N S T',
  '0511': 'C D F O P W',
  '0516': 'E F I W',
  '0520': 'H L M',
  '0523': '% a',
  '0524': 'C R S',
  '0527': 'DM DW DY HD MY NH SN WY',
  '0528': 'AC ACD ACM ACV HS IC ICD ICM ICV PC PCD PCM PCV',
  '0529': 'D H L M S Y',
  '0617': 'C M V',
  '0904': 'BCV CCS VID',
  '0909': 'SID SIDC SIMM STBD SWNL SWTH',
};

// Observation values (OBX-2) are of any data type.
const sameCodes: Readonly<Record<string, string>> = { '0125': '0440' };

/** NNxxx is the national identifier of a country: NNUSA. */
const patterns: Readonly<Record<string, RegExp>> = { '0203': /^NN[A-Z]{3}$/ };

const tables = new Map(Object.entries(texts).map(([table, codes]) => [table, new Set(codes.trim().split(/\s+/))]));

/** Whether the table has the code; undefined for a table whose codes are not known or are the sender's. */
export function tableHas(table: string, code: string): boolean | undefined {
  const codes = tables.get(ownValue(sameCodes, table) ?? table);
  return codes && (codes.has(code) || (ownValue(patterns, table)?.test(code) ?? false));
}
