// Concept maps of the guide (https://hl7.org/fhir/uv/v2mappings/concept_maps.html) that say nothing that could be done here.

export const conceptMapsElsewhere: Readonly<Record<string, string>> = {
  MessageStructure: 'its codes have no equivalent: nothing points at the definition of a message',
};
