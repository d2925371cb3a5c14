// What operations return: https://hl7.org/fhir/R4/operations.html#response
export { all, one, parametersOf } from '#fhir-model';
