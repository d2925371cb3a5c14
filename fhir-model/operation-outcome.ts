// https://hl7.org/fhir/R4/operationoutcome.html
import { isCerebraError } from '#platform';
import type { Issue, JsonObject, Resource } from './types.ts';

/** Of the rules that Issue.messageId names. */
const messageSystem = 'urn:cerebra:validation-message';

function issueElement(issue: Issue): JsonObject {
  const { severity, code, diagnostics, expression, messageId } = issue;
  const element: JsonObject = { severity, code };
  if (messageId !== undefined) element.details = { coding: [{ system: messageSystem, code: messageId }] };
  if (diagnostics !== '') element.diagnostics = diagnostics;
  if (expression !== undefined && expression.length > 0) element.expression = expression;
  return element;
}

/** An OperationOutcome of these issues; without any, it says that all is well (OperationOutcome.issue is 1..*). */
export function operationOutcome(issues: readonly Issue[]): Resource {
  const listed: readonly Issue[] =
    issues.length > 0 ? issues : [{ severity: 'information', code: 'informational', diagnostics: 'All OK' }];
  return { resourceType: 'OperationOutcome', issue: listed.map(issueElement) };
}

/** What a caller is told of an error: a CerebraError's own issues, of any other nothing but that it happened. */
export function issuesOf(error: unknown): Issue[] {
  if (isCerebraError(error)) return error.issues;
  return [{ severity: 'fatal', code: 'exception', diagnostics: 'Internal error' }];
}
