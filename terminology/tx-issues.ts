// Issues of terminology operations: besides R4's issue type each carries a code of tx-issue-type and the id of its message,
// which clients go by. https://build.fhir.org/ig/HL7/fhir-tx-ecosystem-ig/
import type { JsonObject, OperationAnswer, Resource } from '#fhir-model';
import { CerebraError, type ErrorCode, isCerebraError } from '#platform';

const TX_ISSUE_TYPE = 'http://hl7.org/fhir/tools/CodeSystem/tx-issue-type';
const MESSAGE_ID = 'http://hl7.org/fhir/StructureDefinition/operationoutcome-message-id';

export interface TxIssue {
  severity: 'error' | 'warning' | 'information';
  /** From http://hl7.org/fhir/issue-type. */
  code: string;
  /** From tx-issue-type. */
  type: string;
  messageId: string;
  text: string;
  /** Where in the request. */
  expression?: string | undefined;
}

export function issueElement({ severity, code, type, messageId, text, expression }: TxIssue): JsonObject {
  return {
    extension: [{ url: MESSAGE_ID, valueString: messageId }],
    severity,
    code,
    details: { coding: [{ system: TX_ISSUE_TYPE, code: type }], text },
    ...(expression !== undefined && { expression: [expression] }),
  };
}

export const outcomeOf = (issues: readonly TxIssue[]): Resource => ({
  resourceType: 'OperationOutcome',
  issue: issues.map(issueElement),
});

const carried = new WeakMap<CerebraError, TxIssue>();

/** An error that an operation answers with its own OperationOutcome, see `answerTo`. */
export function refuse(errorCode: ErrorCode, issue: Omit<TxIssue, 'severity'>): CerebraError {
  const { code, text, expression } = issue;
  const error = new CerebraError(errorCode, text, {
    issues: [
      { severity: 'error', code, diagnostics: text, ...(expression !== undefined && { expression: [expression] }) },
    ],
  });
  carried.set(error, { severity: 'error', ...issue });
  return error;
}

/** The issue that an error of `refuse` was made of. */
export const issueOf = (error: unknown): TxIssue | undefined =>
  isCerebraError(error) ? carried.get(error) : undefined;

/** Runs an operation; what it refuses is answered, other errors go on. */
export async function answerTo(run: () => Promise<OperationAnswer>): Promise<OperationAnswer> {
  try {
    return await run();
  } catch (error) {
    const issue = issueOf(error);
    if (issue === undefined) throw error;
    return { status: (error as CerebraError).status, resource: outcomeOf([issue]) };
  }
}

export const unknownValueSet = (canonical: string): CerebraError =>
  refuse('not-found', {
    ...{ code: 'not-found', type: 'not-found', messageId: 'Unable_to_resolve_value_Set_' },
    text: `A definition for the value Set '${canonical.slice(0, 300)}' could not be found`,
  });

export const missingSupplement = (canonical: string): CerebraError =>
  refuse('business-rule', {
    ...{ code: 'business-rule', type: 'not-found', messageId: 'VALUESET_SUPPLEMENT_MISSING' },
    text: `Required supplement not found: ${canonical.slice(0, 300)}`,
  });
