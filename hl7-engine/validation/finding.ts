// What is found wrong with a message, and how it is told: ERR segments (HL7 v2.9 chapter 2.13.5) and OperationOutcome
// (https://hl7.org/fhir/R4/operationoutcome.html).
import type { JsonObject } from '#fhir-model';
import { type ErrorCondition, type ErrorLocation, errorConditions, Refusal } from '../message/refusal.ts';

export type Severity = 'error' | 'warning' | 'information';

/** Which kind of rule was broken. */
export type Rule =
  | 'structure'
  | 'usage'
  | 'cardinality'
  | 'length'
  | 'type'
  | 'table'
  | 'constant'
  | 'statement'
  | 'binding'
  | 'unchecked';

export interface Finding {
  severity: Severity;
  rule: Rule;
  condition: ErrorCondition;
  location: ErrorLocation;
  /** What is wrong and what would be right; codes are in it, other values are not. */
  text: string;
  /** A segment stands without the one that says what it is about. */
  isOrphan?: boolean;
  /** The identifier of the conformance statement. */
  statement?: string;
}

/** `PID[1]-3[2].4.1` */
export function placeOf({ segment, sequence, field, repetition, component, subcomponent }: ErrorLocation): string {
  const at = `${segment}[${sequence ?? 1}]`;
  if (field === undefined) return sequence === undefined ? segment : at;
  const below = component === undefined ? '' : `.${component}${subcomponent === undefined ? '' : `.${subcomponent}`}`;
  return `${at}-${field}${repetition === undefined ? '' : `[${repetition}]`}${below}`;
}

/** ERR segments of one acknowledgment, and warnings of one message in the journal. */
const toldMax = 100;

/** The errors as one Refusal AE, the others in `more`; undefined where there is none. */
export function refusalOf(findings: readonly Finding[]): Refusal | undefined {
  const errors = findings.filter(({ severity }) => severity === 'error');
  const [first, ...others] = errors.slice(0, toldMax);
  if (first === undefined) return undefined;
  const more = others.map((finding) => toRefusal(finding));
  if (errors.length > toldMax) {
    more.push(new Refusal('AE', '207', `${errors.length - toldMax} more errors are not told`));
  }
  return toRefusal(first, more);
}

function toRefusal(finding: Finding, more: readonly Refusal[] = []): Refusal {
  const { condition, location } = finding;
  return new Refusal('AE', condition, `${placeOf(location)}: ${finding.text}`, { location, more });
}

/** Everything that is no error, a line each. */
export function warningsOf(findings: readonly Finding[]): string[] {
  const warnings = findings.filter(({ severity }) => severity !== 'error');
  const texts = [...new Set(warnings.map((finding) => `${placeOf(finding.location)}: ${finding.text}`))];
  return texts.length <= toldMax
    ? texts
    : [...texts.slice(0, toldMax), `${texts.length - toldMax} more warnings are not told`];
}

/** http://hl7.org/fhir/issue-type */
const issueCodes: Readonly<Record<Rule, string>> = {
  structure: 'structure',
  usage: 'required',
  cardinality: 'structure',
  length: 'too-long',
  type: 'value',
  table: 'code-invalid',
  constant: 'value',
  statement: 'invariant',
  binding: 'code-invalid',
  unchecked: 'incomplete',
};

/** The findings; one issue `informational` where there are none. */
export function operationOutcome(findings: readonly Finding[]): JsonObject {
  const issue = findings.map((finding) => ({
    severity: finding.severity,
    code: issueCodes[finding.rule],
    details: {
      coding: [
        {
          system: 'http://terminology.hl7.org/CodeSystem/v2-0357',
          code: finding.condition,
          display: errorConditions[finding.condition],
        },
      ],
      ...(finding.statement === undefined ? {} : { text: finding.statement }),
    },
    diagnostics: finding.text,
    // No FHIRPath: the message is no resource.
    expression: [placeOf(finding.location)],
  }));
  const fine = { severity: 'information', code: 'informational', diagnostics: 'Nothing was found wrong' };
  return { resourceType: 'OperationOutcome', issue: issue.length > 0 ? issue : [fine] };
}
