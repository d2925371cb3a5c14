// Collects the issues of one check: https://hl7.org/fhir/R4/valueset-issue-type.html
import type { Issue } from '#fhir-model';

/** A caller can mend twenty faults at a time; a hostile body could have a million. */
export const issuesMax = 20;
const shownCharactersMax = 64;

export interface Report {
  readonly issues: Issue[];
  /** No more of them than this. */
  readonly issuesMax: number;
  /** Where the check stands: names and indexes from the resource's type on. */
  readonly trail: (string | number)[];
}

type IssueCode = 'structure' | 'required' | 'value' | 'code-invalid' | 'invariant';

export function isFull(report: Report): boolean {
  return report.issues.length >= report.issuesMax;
}

/** At most 64 characters of what the caller sent. */
export function shown(text: string): string {
  return text.length <= shownCharactersMax ? text : `${text.slice(0, shownCharactersMax)}…`;
}

/** `Patient.contact[0].name` */
export function pathOf(trail: readonly (string | number)[]): string {
  let path = '';
  for (const step of trail)
    path += typeof step === 'number' ? `[${step}]` : path === '' ? shown(step) : `.${shown(step)}`;
  return path;
}

/** Adds an issue at the current place, or at its child `name`; beyond its `issuesMax` nothing is added. */
export function addIssue(report: Report, code: IssueCode, diagnostics: string, name?: string): void {
  if (isFull(report)) return;
  const path = pathOf(name === undefined ? report.trail : [...report.trail, name]);
  report.issues.push({ severity: 'error', code, diagnostics: `${path}: ${diagnostics}`, expression: [path] });
}
