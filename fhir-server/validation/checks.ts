// The checks of a server put together: what $validate asks, and what is asked of each write.
import type { Definitions } from '#fhir-model';
import type { Log, Metrics } from '#platform';
import { type Admissions, createOnWrite, type OnWrite } from './on-write.ts';
import { createPolicy, type Policy, type PolicyOptions } from './policy.ts';
import type { ValidateCodes } from './profile/ask-codes.ts';
import { createResourceValidator, type ProfileSource, type ResourceValidator } from './validate.ts';

export interface Checks {
  validation: ResourceValidator;
  policy: Policy;
  onWrite: OnWrite;
}

export interface CheckParts {
  definitions: Definitions;
  profiles: ProfileSource;
  validateCodes?: ValidateCodes | undefined;
  log: Log;
  metrics: Metrics;
  /** Without it: structure, and claims as far as they are known. */
  policy?: PolicyOptions | undefined;
  admissions?: Admissions | undefined;
}

/** Throws `config` for a policy that is wrong. */
export function createChecks(parts: CheckParts): Checks {
  const { definitions, profiles, log, metrics, validateCodes, policy: options, admissions } = parts;
  const validation = createResourceValidator({ definitions, profiles, validateCodes });
  const policy = createPolicy(definitions, options);
  const recorded = metrics.counter(
    'cerebra_validation_recorded_total',
    'Resources that were let in although they do not conform to a profile, by type',
    ['type'],
  );
  const onRecorded = (type: string, faults: number): void => {
    recorded.inc({ type });
    log.info({ type, faults }, 'a resource is let in that does not conform to its profiles');
  };
  const onWrite = createOnWrite({ policy, validator: validation, profiles, admissions, onRecorded });
  return { validation, policy, onWrite };
}
