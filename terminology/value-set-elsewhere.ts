// Operations on value sets that another terminology server answers: https://hl7.org/fhir/R4/terminology-service.html
import {
  all,
  type JsonObject,
  type OperationAnswer,
  type OperationRequest,
  type OperationValue,
  one,
  parseCanonical,
  type Resource,
} from '#fhir-model';
import { isCerebraError } from '#platform';
import { codingOf, codingsOf } from './asking.ts';
import { type Coding, defined } from './code-system.ts';
import { issueOf } from './tx-issues.ts';
import type { ValueSetParts } from './value-set-input.ts';

/** Each is a call. */
const CODINGS_MAX = 20;

type Operation = '$expand' | '$validate-code';

/** What is sent along: nothing that the request brings as a resource. */
const FORWARDED: Record<Operation, readonly string[]> = {
  $expand: [
    ...['valueSetVersion', 'date', 'filter', 'offset', 'count', 'includeDesignations', 'designation', 'activeOnly'],
    ...[
      'includeDefinition',
      'excludeNested',
      'excludeNotForUI',
      'excludePostCoordinated',
      'displayLanguage',
      'property',
    ],
    ...['exclude-system', 'system-version', 'check-system-version', 'force-system-version', 'useSupplement'],
  ],
  '$validate-code': [
    ...['valueSetVersion', 'date', 'abstract', 'displayLanguage', 'activeOnly', 'lenient-display-validation'],
    ...['valueset-membership-only', 'system-version', 'check-system-version', 'force-system-version', 'useSupplement'],
  ],
};

type Sent = Record<string, readonly string[]>;

/** R4 has the version in a parameter of its own. */
function canonicalOf(canonical: string): Sent {
  const { url, version } = parseCanonical(canonical);
  return { url: [url], ...(version !== undefined && { valueSetVersion: [version] }) };
}

function sentBy({ input }: OperationRequest, operation: Operation): Sent {
  const given = FORWARDED[operation].map((name) => [name, all<OperationValue>(input, name).map(String)] as const);
  const url = one<string>(input, 'url') ?? '';
  return { ...Object.fromEntries(given.filter(([, values]) => values.length > 0)), ...canonicalOf(url) };
}

const asked = ({ system, version, code, display }: Coding): Sent => ({
  ...(code !== undefined && { code: [code] }),
  ...(display !== undefined && { display: [display] }),
  ...(system === undefined ? { inferSystem: ['true'] } : { system: [system] }),
  ...(version !== undefined && { systemVersion: [version] }),
});

/** What is wrong is that something is not here: a value set, or the codes that it is made of. */
const isForOthers = (error: unknown): boolean =>
  isCerebraError(error, 'unsupported') || issueOf(error)?.messageId === 'Unable_to_resolve_value_Set_';

/** The text of a CodeableConcept is not sent: only its codings. */
function codingsIn({ input }: OperationRequest): Coding[] {
  const text = (name: string): string | undefined => one<string>(input, name);
  const [coding, concept] = [one<JsonObject>(input, 'coding'), one<JsonObject>(input, 'codeableConcept')];
  if (coding) return [codingOf(coding)];
  if (concept) return codingsOf(concept).slice(0, CODINGS_MAX);
  const version = text('systemVersion') ?? text('version');
  return [defined<Coding>({ code: text('code'), system: text('system'), version, display: text('display') })];
}

const isValid = (answer: Resource): boolean =>
  (answer.parameter as JsonObject[] | undefined)?.some(
    ({ name, valueBoolean }) => name === 'result' && valueBoolean === true,
  ) ?? false;

/** Of several codings one that is valid, else the first that it can tell of. */
async function validated({ remote }: ValueSetParts, request: OperationRequest): Promise<Resource | undefined> {
  const shared = sentBy(request, '$validate-code');
  let first: Resource | undefined;
  for (const coding of codingsIn(request)) {
    const answer = await remote?.valueSet('$validate-code', { ...shared, ...asked(coding) });
    if (answer && isValid(answer)) return answer;
    first ??= answer;
  }
  return first;
}

/** What runs here; where that fails for want of what the other server may have, its answer, if it has one. */
export async function orElsewhere(
  parts: ValueSetParts,
  request: OperationRequest,
  operation: Operation,
  run: () => Promise<OperationAnswer>,
): Promise<OperationAnswer> {
  try {
    return await run();
  } catch (error) {
    const url = one<string>(request.input, 'url');
    const isAsked = url !== undefined && parts.remote !== undefined && request.scope.kind !== 'nothing';
    if (!isAsked || one(request.input, 'valueSet') !== undefined || !isForOthers(error)) throw error;
    const answer =
      operation === '$expand'
        ? await parts.remote?.valueSet(operation, sentBy(request, operation))
        : await validated(parts, request);
    if (answer === undefined) throw error;
    return { resource: answer };
  }
}
