// Errors of a query in GraphQL's form: https://hl7.org/fhir/R4/graphql.html#errors,
// https://spec.graphql.org/October2021/#sec-Errors
import { issuesOf, operationOutcome, stringify } from '#fhir-model';
import { CerebraError, type ErrorCode, isCerebraError } from '#platform';

/** Where in the text of the query, both from 1. */
interface Location {
  line: number;
  column: number;
}

/** What of a node of the syntax tree says where it stands. */
export interface Located {
  readonly loc?: { readonly startToken: Location } | undefined;
}

const places = new WeakMap<CerebraError, Location>();

/** The error, which is about this part of the query; a place that it has already stays. */
export function placedAt(error: unknown, node: Located): unknown {
  const start = node.loc?.startToken;
  if (isCerebraError(error) && start && !places.has(error)) {
    places.set(error, { line: start.line, column: start.column });
  }
  return error;
}

/** An error about this part of the query; `name` is the field, argument or directive. */
export function fault(code: ErrorCode, text: string, node: Located, name?: string): CerebraError {
  const error = new CerebraError(code, text, name === undefined ? {} : { expression: [name] });
  placedAt(error, node);
  return error;
}

/** Names of the answer and places in its lists: https://spec.graphql.org/October2021/#sec-Errors.Error-result-format */
export type AnswerPath = readonly (string | number)[];

const paths = new WeakMap<object, AnswerPath>();

/** The error, of the field of the answer that it has left without a value; undefined where that is no one place. */
export function atPath(error: unknown, path: AnswerPath | undefined, node: Located): unknown {
  if (path && typeof error === 'object' && error !== null) paths.set(error, path);
  return placedAt(error, node);
}

const pathOf = (error: unknown): AnswerPath | undefined =>
  typeof error === 'object' && error !== null ? paths.get(error) : undefined;

/** In the order of the query. */
export function byPlace(errors: readonly CerebraError[]): CerebraError[] {
  const none = { line: 0, column: 0 };
  const placed = errors.map((error) => ({ error, ...(places.get(error) ?? none) }));
  return placed.sort((a, b) => a.line - b.line || a.column - b.column).map(({ error }) => error);
}

/** A syntax error of the parser, with its place. */
export function syntaxFault(message: string, location: Location | undefined): CerebraError {
  const where = location ? ` at line ${location.line}, column ${location.column}` : '';
  const error = new CerebraError('invalid', `Not a GraphQL document${where}: ${message}`, { expression: ['query'] });
  if (location) places.set(error, { line: location.line, column: location.column });
  return error;
}

function errorElement(error: unknown): object {
  const issues = issuesOf(error);
  const location = isCerebraError(error) ? places.get(error) : undefined;
  const path = pathOf(error);
  return {
    message: issues[0]?.diagnostics ?? 'The query failed',
    ...(location ? { locations: [location] } : {}),
    ...(path ? { path } : {}),
    extensions: { resource: operationOutcome(issues) },
  };
}

/** The body of a response that has no data, or, as text, those of some of its fields. */
export const errorsText = (errors: readonly unknown[], data = 'null'): string =>
  `{"data":${data},"errors":${stringify(errors.map(errorElement))}}`;

/** The HTTP status of a query that failed with these. */
export const statusOf = ([first]: readonly unknown[]): number => (isCerebraError(first) ? first.status : 500);
