// A report with an order, a specimen and two results, for tests of what ORU^R01 becomes.
export const oru = [
  'MSH|^~\\&|LAB|NORTH|EHR|SOUTH|20260131120000+0100||ORU^R01^ORU_R01|M1|P|2.5.1',
  'PID|1||777^^^HOSP&1.2.3&ISO^MR~999-99-9999^^^USSSA^SS||Test^Anna||19800102|F',
  'PV1|1|I|||||100^Doc^Dora^^^Dr^MD^^HOSP||||||||||||V55^^^HOSP',
  'ORC|RE|P1^EHR|F1^LAB||CM||||20260131',
  'OBR|1|P1^EHR|F1^LAB|24323-8^Panel^LN|||20260131080000|||||||||100^Doc^Dora^^^Dr^MD^^HOSP||||||20260131113000||CH|F',
  'NTE|1||Order note',
  'OBX|1|NM|2823-3^Potassium^LN||6.90|mmol/L^^UCUM|3.5-5.1|HH^^HL70078|||F|||20260131081500|||||||||Lab Inc^^^^^CLIA&2.16.840.1.113883.4.7&ISO^XX^^^45D0000001',
  'NTE|1||critical, phoned',
  'OBX|2|ST|COLOR^Color^L||yellow||||||F',
  'SPM|1|S1&EHR^S2&LAB||119297000^Blood^SCT|||||||||||||20260131080000|20260131090000',
];
