// The profiles of what an entry writes, checked before its transaction begins: https://hl7.org/fhir/R4/profiling.html

import type { Beside } from '../validation/on-write.ts';
import type { Core } from './core.ts';
import { at, type Plan } from './entries.ts';

/**
 * The plan with what it is to store; undefined, at once, where no profile has a say. A patch, or what is merged with the
 * resource that is there, is checked when it is known: content-profiles.ts. Throws `invalid-resource` with the entry's place.
 * `beside`: all entries.
 */
export function withProfiles(core: Core, plan: Plan, beside?: readonly Beside[]): Promise<Plan> | undefined {
  const { method, entry, index } = plan;
  if ((method !== 'POST' && method !== 'PUT') || entry.merge || entry.resource === undefined) return undefined;
  if (!core.onWrite.concerns(entry.resource)) return undefined;
  const checked = core.onWrite.check(entry.resource, at(index, '.resource'), beside);
  return checked?.then((resource) => (resource === entry.resource ? plan : { ...plan, entry: { ...entry, resource } }));
}
