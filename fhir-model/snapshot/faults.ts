// What is wrong with a profile, as issues: https://hl7.org/fhir/R4/operationoutcome.html
import type { Issue } from '../types.ts';
import { type FaultName, faultCodes, issuesMax } from './types.ts';

export interface Faults {
  readonly issues: Issue[];
  /** `at`: the place in the differential; without it the whole is meant. */
  add(name: FaultName, diagnostics: string, at?: number, severity?: 'error' | 'warning'): void;
}

const expressionOf = (at: number | undefined): string =>
  at === undefined ? 'StructureDefinition' : `StructureDefinition.differential.element[${at}]`;

export const isError = ({ severity }: Issue): boolean => severity === 'error';

export function createFaults(): Faults {
  const issues: Issue[] = [];
  return {
    issues,
    add(messageId, diagnostics, at, severity = 'error') {
      const issue = { severity, code: faultCodes[messageId], diagnostics, expression: [expressionOf(at)], messageId };
      if (issues.length < issuesMax) issues.push(issue);
      // However many warnings there are, an error is not left out: it decides.
      else if (severity === 'error' && !issues.some(isError)) issues[issuesMax - 1] = issue;
    },
  };
}

export interface MergeContext {
  faults: Faults;
  /** The profile's canonical URL: source of its constraints. */
  url: string;
  index: number;
}

/** A name or value from a profile, short enough for a message. */
export const shown = (text: unknown): string =>
  (typeof text === 'string' ? text : String(JSON.stringify(text))).slice(0, 200);
