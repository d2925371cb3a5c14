// Coding system names (HL7 table 0396, CWE.3) and object identifiers to FHIR's URIs: https://hl7.org/fhir/R4/terminologies-systems.html
import { systems, v2Table } from './codes/systems.ts';

const names: Readonly<Record<string, string>> = {
  LN: systems.loinc,
  LOINC: systems.loinc,
  SCT: 'http://snomed.info/sct',
  SCT2: 'http://snomed.info/sct',
  SNOMED: 'http://snomed.info/sct',
  'SNOMED-CT': 'http://snomed.info/sct',
  UCUM: systems.ucum,
  I9: 'http://hl7.org/fhir/sid/icd-9-cm',
  I9C: 'http://hl7.org/fhir/sid/icd-9-cm',
  I9CDX: 'http://hl7.org/fhir/sid/icd-9-cm',
  I9CP: 'http://hl7.org/fhir/sid/icd-9-cm',
  I10: 'http://hl7.org/fhir/sid/icd-10',
  I10C: 'http://hl7.org/fhir/sid/icd-10-cm',
  I10P: 'http://www.cms.gov/Medicare/Coding/ICD10',
  C4: 'http://www.ama-assn.org/go/cpt',
  CPT: 'http://www.ama-assn.org/go/cpt',
  // Modifiers are codes of CPT too.
  CPTM: 'http://www.ama-assn.org/go/cpt',
  // Not in table 0396, but what senders write and nothing else could be meant by.
  CPT4: 'http://www.ama-assn.org/go/cpt',
  'CPT-4': 'http://www.ama-assn.org/go/cpt',
  'ICD-9-CM': 'http://hl7.org/fhir/sid/icd-9-cm',
  ICD9CM: 'http://hl7.org/fhir/sid/icd-9-cm',
  'ICD-10-CM': 'http://hl7.org/fhir/sid/icd-10-cm',
  ICD10CM: 'http://hl7.org/fhir/sid/icd-10-cm',
  I10CM: 'http://hl7.org/fhir/sid/icd-10-cm',
  'ICD-10': 'http://hl7.org/fhir/sid/icd-10',
  ICD10: 'http://hl7.org/fhir/sid/icd-10',
  'ICD-10-PCS': 'http://www.cms.gov/Medicare/Coding/ICD10',
  ICD10PCS: 'http://www.cms.gov/Medicare/Coding/ICD10',
  RXNORM: 'http://www.nlm.nih.gov/research/umls/rxnorm',
  NDC: 'http://hl7.org/fhir/sid/ndc',
  CVX: 'http://hl7.org/fhir/sid/cvx',
  MVX: 'http://terminology.hl7.org/CodeSystem/MVX',
  CDCREC: 'urn:oid:2.16.840.1.113883.6.238',
  PHINQUESTION: 'urn:oid:2.16.840.1.114222.4.5.232',
  CDCPHINVS: 'urn:oid:2.16.840.1.114222.4.5.274',
  FIPS5_2: 'urn:oid:2.16.840.1.113883.6.92',
  FIPS6_4: 'urn:oid:2.16.840.1.113883.6.93',
  ISO3166_1: 'urn:iso:std:iso:3166',
  ISO3166_2: 'urn:iso:std:iso:3166:-2',
  'ISO639-2': 'urn:iso:std:iso:639:-2',
  NULLFL: systems.v3NullFlavor,
  HSLOC: 'https://www.cdc.gov/nhsn/cdaportal/terminology/codesystem/hsloc.html',
  DCM: 'http://dicom.nema.org/resources/ontology/DCM',
  CAS: 'urn:oid:2.16.840.1.113883.6.61',
  NCIT: 'http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl',
  HPC: 'http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets',
  HCPCS: 'http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets',
  UNII: 'http://fdasis.nlm.nih.gov',
  // Table 0396: ATC is the American Type Culture Collection there, WC the WHO's ATC classes.
  WC: 'http://www.whocc.no/atc',
};

const oids: Readonly<Record<string, string>> = {
  '2.16.840.1.113883.6.1': systems.loinc,
  '2.16.840.1.113883.6.96': 'http://snomed.info/sct',
  '2.16.840.1.113883.6.8': systems.ucum,
  '2.16.840.1.113883.6.88': 'http://www.nlm.nih.gov/research/umls/rxnorm',
  '2.16.840.1.113883.6.90': 'http://hl7.org/fhir/sid/icd-10-cm',
  '2.16.840.1.113883.6.3': 'http://hl7.org/fhir/sid/icd-10',
  '2.16.840.1.113883.6.4': 'http://www.cms.gov/Medicare/Coding/ICD10',
  '2.16.840.1.113883.6.103': 'http://hl7.org/fhir/sid/icd-9-cm',
  '2.16.840.1.113883.6.104': 'http://hl7.org/fhir/sid/icd-9-cm',
  '2.16.840.1.113883.6.12': 'http://www.ama-assn.org/go/cpt',
  '2.16.840.1.113883.6.69': 'http://hl7.org/fhir/sid/ndc',
  '2.16.840.1.113883.12.227': 'http://terminology.hl7.org/CodeSystem/MVX',
  '2.16.840.1.113883.12.292': 'http://hl7.org/fhir/sid/cvx',
  '2.16.840.1.113883.3.26.1.1': 'http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl',
  '2.16.840.1.113883.6.285': 'http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets',
  '2.16.840.1.113883.6.73': 'http://www.whocc.no/atc',
  '2.16.840.1.113883.4.9': 'http://fdasis.nlm.nih.gov',
  '2.16.840.1.113883.5.1008': systems.v3NullFlavor,
  '2.16.840.1.113883.5.83': systems.interpretation,
};

/** Tables of HL7 whose codes FHIR has under another system. */
const tablesElsewhere: Readonly<Record<string, string>> = {
  '0078': systems.interpretation,
  '0227': 'http://terminology.hl7.org/CodeSystem/MVX',
  '0292': 'http://hl7.org/fhir/sid/cvx',
};

const oidForm = /^[0-2](?:\.(?:0|[1-9]\d*))+$/;

export function isOid(text: string): boolean {
  return oidForm.test(text);
}

function oidSystem(oid: string): string {
  const table = /^2\.16\.840\.1\.113883\.12\.(\d{1,4})$/.exec(oid)?.[1];
  return oids[oid] ?? (table === undefined ? `urn:oid:${oid}` : v2Table(table.padStart(4, '0')));
}

/**
 * CWE.3 (and the object identifier of CWE.14) as a system. `L`, `99zzz` and names not in table 0396 are the sender's own:
 * `urn:id:<facility>:<name>`, so that two senders' local codes are never taken for the same.
 */
export function codingSystem(name: string | undefined, oid: string | undefined, facility: string): string | undefined {
  if (oid !== undefined && isOid(oid)) return oidSystem(oid);
  if (name === undefined) return undefined;
  if (isOid(name)) return oidSystem(name);
  const known = names[name.toUpperCase()];
  if (known !== undefined) return known;
  const table = /^HL7[_-]?(\d{1,4})$/i.exec(name)?.[1]?.padStart(4, '0');
  if (table !== undefined) return tablesElsewhere[table] ?? v2Table(table);
  if (/^(?:https?|urn):\S+$/i.test(name)) return name;
  return localUri(facility, name);
}

/** Where several names mean one system, the one that receivers know best. */
const preferredNames = [
  'LN',
  'SCT',
  'UCUM',
  'I9C',
  'I10',
  'I10C',
  'I10P',
  'C4',
  'RXNORM',
  'NDC',
  'CVX',
  'MVX',
  'CDCREC',
];
const namesBySystem = new Map(
  [...preferredNames, ...Object.keys(names)].toReversed().map((name) => [names[name]!, name] as const),
);

/** What CWE.3 says of a system, so that codingSystem reads the same; `facility`: whose local codes need no more than their name. */
export function codingSystemName(system: string, facility: string): string {
  const known = namesBySystem.get(system);
  if (known !== undefined) return known;
  if (system === systems.interpretation) return 'HL70078';
  const table = /^http:\/\/terminology\.hl7\.org\/CodeSystem\/v2-(\d{4})$/.exec(system)?.[1];
  if (table !== undefined) return `HL7${table}`;
  if (system.startsWith('urn:oid:')) return system.slice('urn:oid:'.length);
  const name = localName(system, facility);
  return name !== undefined && codingSystem(name, undefined, facility) === system ? name : system;
}

/** Undefined for another facility's, and for what is no part of a URI: a client may have stored `urn:id:LAB:50%`. */
function localName(system: string, facility: string): string | undefined {
  const local = `${localUri(facility)}:`;
  if (!system.startsWith(local)) return undefined;
  try {
    return decodeURIComponent(system.slice(local.length));
  } catch {
    return undefined;
  }
}

/** `urn:id:` with parts that hold no character a URI or a search could stumble on. */
export function localUri(...parts: string[]): string {
  return `urn:id:${parts
    .filter((part) => part !== '')
    .map(encodeURIComponent)
    .join(':')}`;
}
