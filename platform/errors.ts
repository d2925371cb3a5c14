// The one list of errors. Issue types: https://hl7.org/fhir/R4/valueset-issue-type.html; statuses: https://hl7.org/fhir/R4/http.html#Status-Codes

/** name -> HTTP status, FHIR issue type. An error is thrown by its name; the error boundary does the rest. */
export const errorCodes = {
  'invalid-json': { status: 400, issueType: 'structure' },
  'invalid-xml': { status: 400, issueType: 'structure' },
  structure: { status: 400, issueType: 'structure' },
  invalid: { status: 400, issueType: 'invalid' },
  required: { status: 400, issueType: 'required' },
  'invalid-parameter': { status: 400, issueType: 'value' },
  'unknown-parameter': { status: 400, issueType: 'not-supported' },
  unsupported: { status: 400, issueType: 'not-supported' },
  unauthenticated: { status: 401, issueType: 'login' },
  forbidden: { status: 403, issueType: 'forbidden' },
  'not-found': { status: 404, issueType: 'not-found' },
  'unknown-type': { status: 404, issueType: 'not-supported' },
  'method-not-allowed': { status: 405, issueType: 'not-supported' },
  'not-acceptable': { status: 406, issueType: 'not-supported' },
  'version-conflict': { status: 409, issueType: 'conflict' },
  duplicate: { status: 409, issueType: 'duplicate' },
  deleted: { status: 410, issueType: 'deleted' },
  'precondition-failed': { status: 412, issueType: 'conflict' },
  'multiple-matches': { status: 412, issueType: 'multiple-matches' },
  'too-large': { status: 413, issueType: 'too-long' },
  'unsupported-media-type': { status: 415, issueType: 'not-supported' },
  'patch-failed': { status: 422, issueType: 'processing' },
  // It does not conform to a profile that it has to conform to.
  'invalid-resource': { status: 422, issueType: 'invalid' },
  'business-rule': { status: 422, issueType: 'business-rule' },
  // A search parameter that only some resources are indexed by.
  'not-indexed': { status: 422, issueType: 'incomplete' },
  // Not sent: the client has gone before its answer.
  'client-closed': { status: 499, issueType: 'transient' },
  'too-many-requests': { status: 429, issueType: 'throttled' },
  'too-costly': { status: 400, issueType: 'too-costly' },
  internal: { status: 500, issueType: 'exception' },
  config: { status: 500, issueType: 'exception' },
  'not-implemented': { status: 501, issueType: 'not-supported' },
  unavailable: { status: 503, issueType: 'transient' },
  timeout: { status: 503, issueType: 'timeout' },
} as const satisfies Record<string, { status: number; issueType: string }>;

export type ErrorCode = keyof typeof errorCodes;

/** OperationOutcome.issue (https://hl7.org/fhir/R4/operationoutcome.html), as an error carries it. */
export interface ErrorIssue {
  severity: 'fatal' | 'error' | 'warning' | 'information';
  code: string;
  diagnostics: string;
  expression?: string[];
}

/**
 * The one error type. `diagnostics` is shown to the caller: it says nothing of other people's data.
 * `issues` replaces the single issue made of code and diagnostics. `cause` is for the log only.
 */
export class CerebraError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly issues: ErrorIssue[];

  constructor(
    code: ErrorCode,
    diagnostics: string,
    options: { expression?: string[] | undefined; cause?: unknown; issues?: ErrorIssue[] | undefined } = {},
  ) {
    super(diagnostics, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CerebraError';
    this.code = code;
    this.status = errorCodes[code].status;
    this.issues = options.issues ?? [issueOf(code, diagnostics, options.expression)];
  }
}

function issueOf(code: ErrorCode, diagnostics: string, expression: string[] | undefined): ErrorIssue {
  const issue: ErrorIssue = { severity: 'error', code: errorCodes[code].issueType, diagnostics };
  return expression === undefined ? issue : { ...issue, expression };
}

/** Whether this is a CerebraError, of that code if one is given. */
export function isCerebraError(error: unknown, code?: ErrorCode): error is CerebraError {
  return error instanceof CerebraError && (code === undefined || error.code === code);
}
