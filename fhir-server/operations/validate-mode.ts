// What the modes of $validate ask beyond the content: whether the interaction would be carried out.
// https://hl7.org/fhir/R4/valueset-resource-validation-mode.html
import { type Issue, isSubset, type Resource, type StoredVersion } from '#fhir-model';
import { CerebraError, isCerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { partialText } from '../interactions/entries.ts';
import { preconditionOf } from '../interactions/etag.ts';
import { ifMatchRequired } from '../interactions/version-required.ts';
import { holds } from '../store/preconditions.ts';
import { versionMismatch } from '../store/store.ts';

export const MODES = ['create', 'update', 'delete', 'profile'] as const;
export type Mode = (typeof MODES)[number];

/** Where the call is, and what is there. */
export interface Target {
  type: string | undefined;
  id: string | undefined;
  /** The current version, a deletion included. */
  found: StoredVersion | undefined;
  ifMatch: string | undefined;
}

const told = (diagnostics: string): Issue => ({ severity: 'information', code: 'informational', diagnostics });

const fault = (code: string, diagnostics: string, expression: string): Issue => ({
  severity: 'error',
  code,
  diagnostics,
  expression: [expression],
});

/** Its issues instead of an error of the request's. */
function issuesIn(check: () => void): Issue[] {
  try {
    check();
    return [];
  } catch (error) {
    if (!isCerebraError(error)) throw error;
    return error.issues;
  }
}

const currentVersion = ({ found }: Target): number => (found && !found.deleted ? found.version : 0);

/** If-Match, and that the type may require it: https://hl7.org/fhir/R4/http.html#concurrency */
function assertVersion(core: Core, target: Target, method: 'PUT' | 'DELETE'): void {
  const { ifMatch, type = '', id = '' } = target;
  const current = currentVersion(target);
  const wanted = preconditionOf({ method, ...(ifMatch === undefined ? {} : { ifMatch }) });
  const exact = ifMatch !== undefined && ifMatch.trim() !== '*';
  if (core.versionRequired.has(type) && !exact && (current > 0 || method === 'DELETE')) {
    throw ifMatchRequired(type, 'If-Match');
  }
  if (!holds(wanted, current)) throw versionMismatch(type, id, wanted!, current);
}

function createIssues(resource: Resource): Issue[] {
  if (resource.id === undefined) return [];
  return [told('A create gives a new id: the one in the resource is not kept')];
}

function updateIssues(core: Core, target: Target, resource: Resource): Issue[] {
  const { type = '', id = '', found } = target;
  const issues: Issue[] = [];
  if (resource.id === undefined) issues.push(fault('required', `An update needs the id '${id}'`, `${type}.id`));
  else if (resource.id !== id) {
    issues.push(fault('invalid', `The resource's id must be the one in the URL, '${id}'`, `${type}.id`));
  }
  if (isSubset(resource)) issues.push(fault('business-rule', partialText, `${type}.meta.tag`));
  issues.push(...issuesIn(() => assertVersion(core, target, 'PUT')));
  if (!found) issues.push(told(`${type}/${id} does not exist: the update would create it`));
  else if (found.deleted) issues.push(told(`${type}/${id} was deleted: the update would bring it back`));
  return issues;
}

function deleteIssues(core: Core, target: Target): Issue[] {
  const { type = '', id = '', found } = target;
  const issues = issuesIn(() => assertVersion(core, target, 'DELETE'));
  if (!found || found.deleted) issues.push(told(`${type}/${id} does not exist: there is nothing to delete`));
  return issues;
}

/** What stands in the way of the interaction. Nothing is changed. */
export function interactionIssues(core: Core, mode: Mode, target: Target, resource: Resource | undefined): Issue[] {
  if (mode === 'delete') return deleteIssues(core, target);
  if (resource === undefined) return [];
  if (mode === 'create') return createIssues(resource);
  return mode === 'update' ? updateIssues(core, target, resource) : [];
}

const wrong = (text: string, expression = 'mode'): CerebraError =>
  new CerebraError('invalid-parameter', text, { expression: [expression] });

/** Throws `invalid-parameter` for a mode that there is not, or not at this level. */
export function modeOf(
  given: string | undefined,
  id: string | undefined,
  profiles: readonly string[],
): Mode | undefined {
  if (given === undefined) return undefined;
  const mode = MODES.find((one) => one === given);
  if (mode === undefined) throw wrong(`'${given.slice(0, 80)}' is no mode: there are ${MODES.join(', ')}`);
  const instance = mode === 'update' || mode === 'delete';
  if (instance && id === undefined) throw wrong(`mode=${mode} is about one resource: call [type]/[id]/$validate`);
  if (mode === 'create' && id !== undefined) throw wrong('mode=create is about a new resource: call [type]/$validate');
  if (mode === 'profile' && profiles.length === 0) throw wrong('mode=profile needs a profile', 'profile');
  return mode;
}
