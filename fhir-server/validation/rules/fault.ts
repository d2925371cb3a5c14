// What a rule finds: one OperationOutcome.issue to be, https://hl7.org/fhir/R4/operationoutcome.html
import type { IssueSeverity } from '#fhir-model';

export interface Fault {
  severity: IssueSeverity;
  /** From http://hl7.org/fhir/issue-type. */
  code: string;
  /** FHIRPath within the resource, from its type on: `Bundle.entry[3].fullUrl`. */
  expression: string;
  message: string;
  /** Which rule it breaks, the same whatever the message says: `bundle-fullurl-version`. */
  id: string;
}

export const fault = (
  severity: IssueSeverity,
  code: string,
  id: string,
  expression: string,
  message: string,
): Fault => ({ severity, code, expression, message, id });
