// Why elements that other converters write are not in ours: for the comparison in docs/hl7-mapping.md.

export interface Reason {
  /** Paths of elements: `Patient.name.family`. */
  of: RegExp;
  why: string;
}

export const unexplained = 'not in our tables: the segments above say of each field where it goes';

/** Why there is no such resource in a message where the other converter makes one. */
export const resourceReasons: Readonly<Record<string, string>> = {
  Account: 'made of administrative messages only; a laboratory’s or pharmacy’s view of it changes nothing',
  Condition: 'diagnoses are read where the message’s structure has them for the patient or the order',
  Consent: 'documents about consent are documents: DocumentReference',
  Device: 'sender and receiver are named in Provenance; devices are made where a result or participant names one',
  DocumentReference:
    'theirs keeps the message itself as a document: ours stands in the journal, which Provenance names',
  Encounter: 'PV1 without a visit number, an account number or a time of admission says nothing to know a visit by',
  EpisodeOfCare: 'needs PV1-54 to be known by',
  Linkage: 'patients that are linked or merged say so themselves: Patient.link',
  Location: 'a place of which only a name is sent is named where it stands: reference.display',
  Medication: 'contained in the request, since messages give medicaments no number to be known by',
  MessageHeader:
    'a MessageHeader is of messages, not of what is stored: Provenance and the journal tell of the message',
  Organization:
    'organizations without a number are named where they stand: one resource a name would be a new one each time',
  PractitionerRole: 'the Practitioner is referred to; the role stands in the element that names both',
  ResearchStudy: 'clinical trials (CTI) are of the sender’s study system',
  Substance: 'additives are codes: Specimen.container.additiveCodeableConcept',
};

/** The first that fits. */
export const reasons: readonly Reason[] = [
  { of: /\.coding\.display$/, why: 'the message has no name for the code: the code system has it' },
  { of: /\.coding\.version$/, why: 'the message names no version of the code system' },
  { of: /assigner\.reference$/, why: 'the assigner is named: assigner.display' },
  {
    of: /^Provenance\.entity\.what\.reference$/,
    why: 'the message stands in the journal: entity.what.identifier is its number there',
  },
  {
    of: /^Provenance\.(?:location|agent)\./,
    why: 'who has no number of their own is named, or identified without a resource',
  },
  { of: /\.meta\.security\.extension\./, why: 'labels have no periods in R4' },
  { of: /\.active$/, why: 'no message says it of a patient that is not merged: what is not said is not written' },
  {
    of: /\.communication\.preferred$/,
    why: 'PID-15 and NK1-20 are the primary language: that it is preferred is not said',
  },
  {
    of: /^Organization\.contact\./,
    why: 'people to ask at an organization are of its owner’s records, not of a patient’s message',
  },
  {
    of: /^Organization\.(?:address|telecom|partOf)\b/,
    why: 'an organization that is found stays as it is: its master data come from elsewhere',
  },
  { of: /^Encounter\.(?:identifier|participant)\.type\.text$/, why: 'a text beside the code that says the same' },
  { of: /^Encounter\.location\.extension\./, why: 'an extension of their own' },
  {
    of: /^(?:Patient|RelatedPerson|Observation|Condition)\.extension\.(?:extension\.)?(?:url|value)/,
    why: 'extensions of their own or of later versions',
  },
  {
    of: /^AllergyIntolerance\.(?:category|type|criticality)$/,
    why: 'a code without equivalent in the required value set is left out, with a warning',
  },
  { of: /\.identifier\.type\.coding\.(?:code|system)$/, why: 'a type that table 0203 does not have is kept as text' },
  {
    of: /^MedicationDispense\.authorizingPrescription\./,
    why: 'a reference to the MedicationRequest that the message makes',
  },
];
