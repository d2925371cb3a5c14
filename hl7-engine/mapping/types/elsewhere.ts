// Data type maps of the guide (https://hl7.org/fhir/uv/v2mappings/datatype_maps.html) that no row of a table names, and why.

export const typesElsewhere: Readonly<Record<string, string>> = {
  'CNN[Practitioner]': 'part of NDL: practitioner.ts',
  'CWE[Device]': 'ORC-18, OBX-18 and PRT: the message makes a Device of it',
  'CWE[Observation-SupportingInfo]':
    'OBR-13 is a text of its own: ServiceRequest.supportingInfo would need an Observation of unknown code',
  'CWE[Organization]': 'a code and a name: Organization by its number, the message makes it',
  'CWE[PractitionerRole]':
    'a role stands beside its person in the element that names both (participant, careTeam, performer)',
  'CWE[Timing-DurationUnit]': 'part of Timing: clinical/timing.ts',
  'CX[RelatedPerson-Mother]': 'PID-21: the message makes a RelatedPerson of it',
  'DLD[Location-Discharge]': 'PV1-37: the message makes a Location of it',
  'ED[Attachment]': 'clinical/document.ts',
  'ED[DocumentReference]': 'clinical/document.ts',
  'EI[Condition]': 'DG1-20: the condition is known by it',
  'EI[Device-udiCarrier]': 'PRT-22: R4 takes the identifier of the device type there',
  'EI[Identifier-Organization]': 'the assigner of an identifier is named, not made a resource',
  'EI[Procedure]': 'PR1-19 and PR1-20: the procedure is known by them',
  'HD[MessageHeader.destination-endpoint]':
    'a MessageHeader is of messages, not of what is stored: Provenance tells the source',
  'HD[MessageHeader.destination-name]':
    'a MessageHeader is of messages, not of what is stored: Provenance tells the source',
  'HD[MessageHeader.source-endpoint]':
    'a MessageHeader is of messages, not of what is stored: Provenance tells the source',
  'HD[MessageHeader.source-name]': 'a MessageHeader is of messages, not of what is stored: Provenance tells the source',
  'ID[CodeableConcept-UniversalID]': 'the type of a universal id is told by its system (urn:oid, urn:uuid)',
  'MSG[Coding]': 'MSH-9: Provenance.activity',
  'MSG[MessageHeader]': 'a MessageHeader is of messages, not of what is stored: Provenance.activity has the event',
  'MSG[code]': 'MSH-9: Provenance.activity',
  'NA[SampledData]': 'OBX-5: clinical/sampled.ts',
  'NDL[PractitionerRole]':
    'OBR-32 to OBR-35: the person alone, practitioner.ts; times and places of a role have no place in the report',
  'OG[Extension-Subidentifier]':
    'OBX-4 as a whole is part of what an Observation is known by; its parts have no place in R4',
  'PT[Meta]': 'MSH-11: resources are what they say, whatever the mode; a route can refuse test messages',
  'RI[Timing]': 'TQ1 and the component of old: clinical/timing.ts',
  'RPT[Timing]': 'TQ1-3: clinical/timing.ts',
  'RP[Attachment]': 'clinical/document.ts',
  'RP[DocumentReference]': 'clinical/document.ts',
  'SN[Quantity]': 'OBX-5: clinical/value.ts',
  'SN[Range]': 'OBX-5: clinical/value.ts',
  'SN[Ratio]': 'OBX-5: clinical/value.ts',
  'SPS[Specimen-Source]': 'OBR-15: clinical/specimen.ts',
  'ST[Identifier]': 'a number without authority: what it is depends on the field, the message’s own code says it',
  'TQ[Appointment]': 'ARQ, SCH and AIS: start, end and duration of the appointment',
  'TQ[MedicationRequest]': 'ORC-7 and RXE-1: clinical/timing.ts',
  'TQ[ServiceRequest]': 'ORC-7, OBR-27 and TQ1: clinical/timing.ts',
  'TQ[Task-ExecutionPeriod]': 'ORC-7: the period of the order itself, no Task beside it',
  'TQ[Task-Priority]': 'ORC-7: the priority of the order itself, no Task beside it',
  'XCN[Patient]': 'nobody but PID says who the patient is',
  'XCN[PractitionerRole]': 'Practitioner; the role stands beside in the element that names both',
  'XCN[RelatedPerson]': 'who is not known to be a practitioner is still found by number: Practitioner',
  'XON[Location]': 'Organization: a number of an organization says no place',
};
