// A server without a terminology service: https://hl7.org/fhir/R4/terminology-service.html
import type { Terminology } from '#fhir-model';
import { CerebraError } from '#platform';

const MESSAGE = 'This server runs without a terminology service';

const refuse = (): Promise<never> => Promise.reject(new CerebraError('unsupported', MESSAGE));

/** Refuses what searches ask; of codes it can't tell whether they are valid. */
export const noTerminology: Terminology = {
  valueSet: refuse,
  subsumption: refuse,
  validateCodes: async (codes) => codes.map(() => ({ result: 'unknown', message: MESSAGE })),
};
