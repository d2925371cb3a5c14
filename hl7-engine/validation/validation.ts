// Validation as routes ask for it: by the standard's tables (off, lenient, strict) and by a conformance profile.
import type { AdminRoute } from '#platform';
import type { Hl7Message } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';
import type { ValidateMessage } from '../routes/compile.ts';
import type { Route } from '../routes/schema.ts';
import { validationRoutes } from './admin.ts';
import { type Finding, refusalOf, warningsOf } from './finding.ts';
import { lenient } from './lenient.ts';
import { createProfiles, type ProfilesOptions } from './profiles.ts';
import { loadStandardValidator, type StandardValidator } from './standard.ts';

export interface Validation {
  validate: ValidateMessage;
  /** Loads what a route's validation needs. Throws CerebraError `unavailable`. */
  prepare(route: Pick<Route, 'validation'>): Promise<void>;
  /** Names of the profiles that there are. */
  profiles(): string[];
  readonly adminRoutes: AdminRoute[];
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface ValidationOptions extends ProfilesOptions {
  /** Routes that a profile is used by. */
  usedBy(profile: string): string[];
}

export function createValidation(options: ValidationOptions): Validation {
  const profiles = createProfiles(options);
  let standard: StandardValidator | undefined;
  const load = async (): Promise<void> => {
    standard ??= await loadStandardValidator();
  };

  function findingsOf(message: Hl7Message, settings: Route['validation']): Finding[] {
    const { structure, profile: name } = settings;
    const findings: Finding[] = [];
    if (structure !== 'off') {
      if (standard === undefined) throw notReady('the dictionary is being loaded');
      const found = standard.check(message);
      findings.push(...(structure === 'lenient' ? lenient(found, message) : found));
    }
    if (name !== undefined) {
      const known = profiles.find(name);
      if (known === undefined) throw notReady(`there is no profile ${name}`);
      findings.push(...known.profile.check(message));
    }
    return findings;
  }

  return {
    validate(message, settings) {
      const findings = findingsOf(message, settings);
      const refusal = refusalOf(findings);
      if (refusal !== undefined) throw refusal;
      return warningsOf(findings);
    },
    prepare: async ({ validation }) => (validation.structure === 'off' ? undefined : load()),
    profiles: () => profiles.all().map(({ name }) => name),
    adminRoutes: validationRoutes({
      ...{ profiles, usedBy: options.usedBy },
      async check(message, settings) {
        if (settings.structure !== 'off') await load();
        return findingsOf(message, settings);
      },
    }),
    start: profiles.start,
    stop: profiles.stop,
  };
}

/** Not the message's fault: it can be sent again when the operator has mended it. */
function notReady(why: string): Refusal {
  return new Refusal('AE', '207', `The message could not be validated: ${why}`, { transient: true });
}
