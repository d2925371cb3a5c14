// AccessScope compiled into SQL: every statement that reads or changes resources carries this condition. What is written is
// tested before, in memory: it has no row yet.
import type { AccessScope, Resource } from '#fhir-model';
import { CerebraError } from '#platform';

export interface ScopeSql {
  /** Goes into statement names: one name belongs to one text, whatever the values. */
  readonly name: string;
  /** A condition on the row called `alias` of a current or history table, to stand behind `and`; its parameters start at `$first`. */
  condition(alias: string, first: number): string;
  readonly values: readonly unknown[];
  /** Whether anything can be written at all. */
  readonly writes: boolean;
  /** Whether the resource, stored under this id, would meet the condition. Left out: any would. */
  admits?(resource: Resource, id: string): boolean;
}

const everything: ScopeSql = { name: '', condition: () => 'true', values: [], writes: true };
const nothing: ScopeSql = { name: '_nothing', condition: () => 'false', values: [], writes: false };

/** By kind; tests add narrower ones to it. */
export const compiled: Record<AccessScope['kind'], (scope: AccessScope) => ScopeSql> = {
  everything: () => everything,
  nothing: () => nothing,
};

export const scopeSql = (scope: AccessScope): ScopeSql => compiled[scope.kind](scope);

/** The same for scopes that may share a statement: two of one name may differ in what they test. */
export function scopeKey(scope: AccessScope): string {
  const { name, values } = scopeSql(scope);
  if (values.length === 0) return name;
  return name + JSON.stringify(values, (_key, value) => (typeof value === 'bigint' ? `${value}n` : value));
}

/** Throws `forbidden` when the scope allows no writes. */
export function assertWrites(scope: AccessScope): void {
  if (!scopeSql(scope).writes) throw new CerebraError('forbidden', 'This access does not allow changes');
}

/** Throws `forbidden` when what is to be stored would lie outside of the scope: its writer could not even read it. */
export function assertAdmits(scope: AccessScope, resource: Resource, id: string): void {
  const { admits } = scopeSql(scope);
  if (admits === undefined || admits(resource, id)) return;
  const type = resource.resourceType;
  const text = `This access does not allow storing this ${type}: it would lie outside of what the access is to. Check whom and what it refers to`;
  throw new CerebraError('forbidden', text, { expression: [type] });
}
