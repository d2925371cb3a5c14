// $find-matches: https://hl7.org/fhir/R4/codesystem-operation-find-matches.html
import {
  all,
  decimalText,
  isNumber,
  type JsonObject,
  type OperationInput,
  type OperationParameter,
  type OperationRequest,
  type OperationSpec,
  one,
  parametersOf,
  wordsOf,
} from '#fhir-model';
import { CerebraError, type Db } from '#platform';
import {
  askerOf,
  type CodeSystemParts,
  ecosystemInputs,
  findSystem,
  input,
  instanceSystem,
  refuseSupplement,
} from './asking.ts';
import { asObject, asText, type CodeSystem, type Concept } from './code-system.ts';
import { answerTo } from './tx-issues.ts';
import { and, type Field, type Formula, or } from './value-set-formula.ts';
import { select, test } from './value-set-select.ts';

const MATCHES_MAX = 100;
/** Of those that fulfil some of what is asked the best are looked for among so many. */
const CANDIDATES_MAX = 2_000;
const PROPERTIES_MAX = 50;

/** A property that the concept should have. */
interface Sought {
  code: string;
  /** As it was given, to be told back: `{ valueCode: 'x' }`. */
  given: JsonObject;
  value: string;
}

function textOf(given: JsonObject): string {
  const [value] = Object.values(given) as unknown[];
  const coding = asObject(value);
  if (coding) return asText(coding.code) ?? '';
  return isNumber(value) ? decimalText(value) : String(value);
}

/** Subproperties count as properties of their own: which belong together is not asked. */
function soughtOf(properties: readonly OperationInput[]): Sought[] {
  return properties.flatMap((property): Sought[] => {
    const code = one<string>(property, 'code')!;
    const given = one<JsonObject>(property, 'value');
    const inner = soughtOf(all<OperationInput>(property, 'subproperty'));
    return given === undefined ? inner : [{ code, given, value: textOf(given) }, ...inner];
  });
}

const FIELDS: Record<string, Field> = { code: 'code', concept: 'code', display: 'display', definition: 'definition' };

function formulaOf({ code, value }: Sought): Formula {
  if (code === 'parent') return { kind: 'childOf', code: value };
  if (code === 'child') return { kind: 'parentOf', code: value };
  if (code === 'inactive' || code === 'abstract' || code === 'notSelectable') {
    const flag: Formula = { kind: code === 'inactive' ? 'inactive' : 'abstract' };
    return value === 'true' ? flag : { kind: 'not', of: flag };
  }
  const field: Field = Object.hasOwn(FIELDS, code) ? FIELDS[code]! : { property: code };
  return { kind: 'value', field, anyOf: [value] };
}

interface Match {
  concept: Concept;
  unmatched: Sought[];
  comment?: string;
}

/** What each concept does not fulfil. */
async function judged(
  db: Db,
  system: CodeSystem,
  concepts: readonly Concept[],
  sought: readonly Sought[],
): Promise<Match[]> {
  const verdicts = await Promise.all(sought.map((each) => test(db, system, formulaOf(each), concepts)));
  return concepts.map((concept, i) => ({ concept, unmatched: sought.filter((_, at) => !verdicts[at]![i]) }));
}

async function ofProperties(db: Db, system: CodeSystem, sought: readonly Sought[]): Promise<Match[]> {
  if (sought.length === 0) return [];
  const formulas = sought.map(formulaOf);
  const whole = { where: and(formulas), words: [], offset: 0, count: MATCHES_MAX };
  const { concepts } = await select(db, system, whole);
  if (concepts.length > 0) return concepts.map((concept) => ({ concept, unmatched: [] }));
  const some = await select(db, system, { ...whole, where: or(formulas), count: CANDIDATES_MAX });
  const matches = await judged(db, system, some.concepts, sought);
  return matches.toSorted((a, b) => a.unmatched.length - b.unmatched.length).slice(0, MATCHES_MAX);
}

const TEXTS = new Set(['display', 'definition', 'text']);

/** For people: concepts with the words of the texts that were given. */
async function byText(
  db: Db,
  system: CodeSystem,
  sought: readonly Sought[],
  known: readonly Match[],
): Promise<Match[]> {
  const words = sought.filter(({ code }) => TEXTS.has(code)).flatMap(({ value }) => wordsOf(value));
  const room = MATCHES_MAX - known.length;
  if (words.length === 0 || room <= 0) return [];
  const { concepts } = await select(db, system, { where: { kind: 'all' }, words, offset: 0, count: MATCHES_MAX });
  const codes = new Set(known.map(({ concept }) => concept.code));
  const fresh = concepts.filter(({ code }) => !codes.has(code)).slice(0, room);
  const matches = await judged(
    db,
    system,
    fresh,
    sought.filter(({ code }) => code !== 'text'),
  );
  return matches.map((match) => ({ ...match, comment: 'A possible match: it has the words of the text' }));
}

const unmatchedPart = ({ code, given }: Sought): JsonObject => ({
  name: 'unmatched',
  part: [
    { name: 'code', valueCode: code },
    { name: 'value', ...given },
  ],
});

function matchPart({ about }: CodeSystem, { concept, unmatched, comment }: Match): JsonObject {
  const { code, display } = concept;
  const version = about.version === undefined ? {} : { version: about.version };
  const valueCoding = { system: about.url, ...version, code, ...(display !== undefined && { display }) };
  const told = comment === undefined ? [] : [{ name: 'comment', valueString: comment }];
  return { name: 'match', part: [{ name: 'code', valueCoding }, ...unmatched.map(unmatchedPart), ...told] };
}

async function systemOf(parts: CodeSystemParts, request: OperationRequest): Promise<CodeSystem> {
  const url = one<string>(request.input, 'system');
  const instance = await instanceSystem(parts, request);
  if (instance) return instance;
  if (url !== undefined) return findSystem(parts, url, one<string>(request.input, 'version'), askerOf(request));
  throw new CerebraError('required', '$find-matches needs the system', { expression: ['system'] });
}

async function findMatches(parts: FindMatchesParts, request: OperationRequest): Promise<JsonObject[]> {
  const system = await systemOf(parts, request);
  refuseSupplement(system);
  const sought = soughtOf(all<OperationInput>(request.input, 'property'));
  if (sought.length === 0) {
    throw new CerebraError('required', '$find-matches needs a property with its value', { expression: ['property'] });
  }
  if (sought.length > PROPERTIES_MAX) {
    throw new CerebraError('too-costly', `At most ${PROPERTIES_MAX} properties are compared`, {
      expression: ['property'],
    });
  }
  const exact = one<boolean>(request.input, 'exact')!;
  const found = await ofProperties(
    parts.db,
    system,
    sought.filter(({ code }) => code !== 'text'),
  );
  const possible = exact ? [] : await byText(parts.db, system, sought, found);
  return [...found, ...possible].map((match) => matchPart(system, match));
}

export interface FindMatchesParts extends CodeSystemParts {
  db: Db;
}

const valued = (use: 'in' | 'out', min: number): OperationParameter[] => [
  { name: 'code', use, min: 1, max: '1', type: 'code', documentation: 'Which property' },
  { name: 'value', use, min, max: '1', type: 'Element', documentation: 'Its value' },
];

export const findMatchesOperation = (parts: FindMatchesParts): OperationSpec => ({
  name: 'find-matches',
  title: 'Codes by properties',
  description:
    'Codes that have the given properties: all of them, or, where no code has all, as many as possible with a list of what is unmatched',
  url: 'http://hl7.org/fhir/OperationDefinition/CodeSystem-find-matches',
  type: ['CodeSystem'],
  ...{ system: false, typeLevel: true, instanceLevel: true, affectsState: false },
  parameters: [
    input('system', 'uri', '1', 'The code system'),
    input('version', 'string', '1', 'Which version of the system; without it the latest'),
    {
      ...{ name: 'property', use: 'in', min: 0, max: '*' },
      documentation: 'What the code should have; `display` and `definition` too, and, where exact is false, `text`',
      part: [
        ...valued('in', 0),
        {
          ...{ name: 'subproperty', use: 'in', min: 0, max: '*' },
          documentation: 'Counts as a property of its own',
          part: valued('in', 1),
        },
      ],
    },
    {
      ...{ name: 'exact', use: 'in', min: 1, max: '1', type: 'boolean' },
      documentation: 'true: no possible matches by the words of texts',
    },
    input('compositional', 'boolean', '1', 'Taken and passed over: what is returned are codes, never expressions'),
    ...ecosystemInputs,
    {
      ...{ name: 'match', use: 'out', min: 0, max: '*' },
      documentation: 'A code',
      part: [
        { name: 'code', use: 'out', min: 1, max: '1', type: 'Coding', documentation: 'The code' },
        { name: 'unmatched', use: 'out', min: 0, max: '*', documentation: 'What it has not', part: valued('out', 1) },
        { name: 'comment', use: 'out', min: 0, max: '1', type: 'string', documentation: 'For people' },
      ],
    },
  ],
  run: (request) => answerTo(async () => ({ resource: parametersOf(await findMatches(parts, request)) })),
});
