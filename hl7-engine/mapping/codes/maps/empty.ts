// Concept maps of the guide without codes: what is sent stays as it is, unless a site's own code map has it.
import type { ConceptMapSource } from '../concept-map.ts';

/** HL7 tables; '' where the field has none. */
const tables = {
  ContainerType: '',
  DischargedToLocation: '0113',
  OperatorID: '0188',
  ParticipantOrganizationUnitType: '0406',
  PlanId: '0072',
  RequestedDispenseUnits: '',
  RequestedDosageForm: '',
  RequestedDrugStrengthVolumeUnits: '',
  RequestedGiveStrengthUnits: '',
  RequestedGiveUnits: '',
  RoutingInstruction: '0164',
  SecurityLabelHandlingInstructions: '',
  SpecimenSourceSite: '',
  SpecimenSourceTypeModifier: '0541',
};

export const emptyMaps: Readonly<Record<string, ConceptMapSource>> = Object.fromEntries(
  Object.entries(tables).map(([name, table]) => [name, { table, codes: '' }]),
);
