// The files of an RF2 release, by their names: https://confluence.ihtsdotools.org/display/DOCRELFMT/3.3.2+Release+File+Naming+Convention

export const SNOMED = 'http://snomed.info/sct';

export const rf2Files = {
  concept: /^x?sct2_Concept_.*Snapshot.*\.txt$/i,
  description: /^x?sct2_Description_.*Snapshot.*\.txt$/i,
  definition: /^x?sct2_TextDefinition_.*Snapshot.*\.txt$/i,
  relationship: /^x?sct2_Relationship_.*Snapshot.*\.txt$/i,
  concrete: /^x?sct2_RelationshipConcreteValues_.*Snapshot.*\.txt$/i,
  language: /^x?der2_cRefset_Language.*Snapshot.*\.txt$/i,
  simple: /^x?der2_Refset_.*Snapshot.*\.txt$/i,
  modules: /^x?der2_ssRefset_ModuleDependency.*Snapshot.*\.txt$/i,
};

export const isId = (text: string): boolean => /^[1-9]\d{5,17}$/.test(text);
