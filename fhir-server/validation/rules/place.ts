// Collects the faults of one resource, by place.
import { type Definitions, type Json, stringify } from '#fhir-model';
import { shown } from '../report.ts';
import { type Fault, fault } from './fault.ts';

/** What a rule knows besides the resource. */
export interface RuleParts {
  definitions: Definitions;
  isResourceType(name: string): boolean;
}

/** A code system may have 100,000 concepts with a fault each. */
const faultsMax = 100;

export interface Faults {
  readonly list: Fault[];
  error(code: string, id: string, at: string, message: string): void;
  warn(code: string, id: string, at: string, message: string): void;
}

/** Keeps the first 100. */
export function faultList(): Faults {
  const list: Fault[] = [];
  const add =
    (severity: 'error' | 'warning') =>
    (code: string, id: string, at: string, message: string): void => {
      if (list.length < faultsMax) list.push(fault(severity, code, id, at, message));
    };
  return { list, error: add('error'), warn: add('warning') };
}

/** Calls back with each value that stands at a second or later place, and that place. */
export function eachRepeated<T>(values: readonly T[], visit: (value: T, index: number) => void): void {
  const seen = new Set<T>();
  values.forEach((value, index) => {
    if (value === undefined || value === null) return;
    if (seen.has(value)) visit(value, index);
    seen.add(value);
  });
}

/** At most 64 characters of any value; objects, which may have no prototype, too. */
export const shownValue = (value: Json | undefined): string =>
  shown(typeof value === 'string' ? value : (stringify(value) ?? ''));
