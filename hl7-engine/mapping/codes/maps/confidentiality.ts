// Confidentiality and security labels: HL7 table 0177 and the codes of HL7 v3.
// After https://hl7.org/fhir/uv/v2mappings/concept_maps.html; `!` marks what is ours.
import type { ConceptMapSource } from '../concept-map.ts';

export const confidentialityMaps: Readonly<Record<string, ConceptMapSource>> = {
  ConfidentialityCode: {
    table: '0177',
    system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality',
    codes: 'V R U EMP UWM VIP PSY AID=HIV HIV ETH=ETHUD',
    systems: {
      'http://terminology.hl7.org/CodeSystem/v2-0177': 'U UWM VIP',
      'http://terminology.hl7.org/CodeSystem/v3-ActCode': 'EMP ETHUD',
    },
  },
  ConfidentialityClassification: {
    table: '0952',
    codes: '',
  },
};
