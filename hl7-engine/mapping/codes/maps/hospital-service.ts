// HL7 table 0069, hospital services, and the codes of service-type that are sent as they are.
// After https://hl7.org/fhir/uv/v2mappings/concept_maps.html; `!` marks what is ours.
import type { ConceptMapSource } from '../concept-map.ts';

export const hospitalServiceMaps: Readonly<Record<string, ConceptMapSource>> = {
  HospitalService: {
    table: '0069',
    codes: 'MED=382 SUR URO=222 PUL CAR',
    systems: {
      'http://terminology.hl7.org/CodeSystem/service-type': '382 222',
    },
  },
};
