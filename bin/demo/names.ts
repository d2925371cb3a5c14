// What the demo's pieces share. Nobody here exists: 2.999 is the arc kept for examples (ITU-T X.660), 555-0100 a number
// kept for fiction. The same patient comes by FHIR, by HL7v2 and by a device.

export const patientMrn = { system: 'urn:oid:2.999.1.1', value: 'DEMO-0001' };
export const deviceIdentifier = { system: 'urn:oid:2.999.1.5', value: 'DEMO-MONITOR-1' };
/** What the HL7v2 messages name as assigning authorities: namespace and OID. */
export const authorities = {
  patients: 'DEMOHOSP&2.999.1.1&ISO',
  practitioners: 'DEMOHOSP&2.999.1.2&ISO',
  visits: 'DEMOHOSP&2.999.1.3&ISO',
} as const;
export const practitionerIdentifier = { system: 'urn:oid:2.999.1.2', value: 'DEMO-DR-1' };

export const loincPotassium = '2823-3';
export const loincHeartRate = '8867-4';
