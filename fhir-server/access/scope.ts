// AccessScope compiled into SQL: every statement that reads or changes resources carries this condition.
import type { AccessScope } from '#fhir-model';
import { CerebraError } from '#platform';

export interface ScopeSql {
  /** Goes into statement names: one name belongs to one text. */
  readonly name: string;
  /** A condition on the row called `alias` of a current or history table; its parameters start at `$first`. */
  condition(alias: string, first: number): string;
  readonly values: readonly unknown[];
  /** Whether anything can be written at all. */
  readonly writes: boolean;
}

/** By kind; tests add narrower ones to it. */
export const compiled: Record<AccessScope['kind'], ScopeSql> = {
  everything: { name: '', condition: () => 'true', values: [], writes: true },
  nothing: { name: '_nothing', condition: () => 'false', values: [], writes: false },
};

export const scopeSql = (scope: AccessScope): ScopeSql => compiled[scope.kind];

/** Throws `forbidden` when the scope allows no writes. */
export function assertWrites(scope: AccessScope): void {
  if (!compiled[scope.kind].writes) throw new CerebraError('forbidden', 'This access does not allow changes');
}
