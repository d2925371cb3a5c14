// The answer of $validate: https://hl7.org/fhir/R4/operationoutcome.html, with the extensions that tell the place in the text:
// https://hl7.org/fhir/R4/extension-operationoutcome-issue-line.html, …-col.html
import { type Issue, type JsonObject, operationOutcome, type Resource } from '#fhir-model';
import { locate, type Position, type SourceText } from '../validation/positions/locate.ts';

const EXTENSION = 'http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-';

const SEVERITIES: readonly Issue['severity'][] = ['fatal', 'error', 'warning', 'information'];

/** What the text's own readers say of the place, where no element has one. */
function positionIn(diagnostics: string): Position | undefined {
  const found = /\bline (\d+), column (\d+)/.exec(diagnostics);
  return found ? { line: Number(found[1]), column: Number(found[2]) } : undefined;
}

function withPosition(element: JsonObject, { line, column }: Position): JsonObject {
  const extension = [
    { url: `${EXTENSION}line`, valueInteger: line },
    { url: `${EXTENSION}col`, valueInteger: column },
  ];
  return { extension, ...element };
}

/** `Patient.name[0]`, and neither a header nor a parameter. */
const isElementPath = (expression: string | undefined): boolean => /^[A-Z][A-Za-z]*(?:[.[]|$)/.test(expression ?? '');

/** The places of the issues that name an element of the text. */
function positionsOf(issues: readonly Issue[], source: SourceText | undefined): Map<Issue, Position> {
  const placed = issues.filter(({ expression }) => isElementPath(expression?.[0]));
  if (source === undefined || placed.length === 0) return new Map();
  const positions = locate(
    source,
    placed.map(({ expression }) => expression![0]!),
  );
  return new Map(placed.map((issue, i) => [issue, positions[i]!]));
}

/**
 * The worst first, else in their order; each with its line and column where there is a text. `unread`: the issues are of its
 * readers, who say where they stopped.
 */
export function validationOutcome(issues: readonly Issue[], source?: SourceText | 'unread'): Resource {
  const sorted = SEVERITIES.flatMap((severity) => issues.filter((issue) => issue.severity === severity));
  const outcome = operationOutcome(sorted);
  const positions = positionsOf(sorted, source === 'unread' ? undefined : source);
  const elements = (outcome.issue as JsonObject[]).map((element, i) => {
    const issue = sorted[i];
    if (issue === undefined) return element;
    const position = source === 'unread' ? positionIn(issue.diagnostics) : positions.get(issue);
    return position ? withPosition(element, position) : element;
  });
  return { ...outcome, issue: elements };
}
