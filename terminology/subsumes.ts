// $subsumes: https://hl7.org/fhir/R4/codesystem-operation-subsumes.html
import { type JsonObject, type OperationRequest, type OperationSpec, one, parametersOf } from '#fhir-model';
import { CerebraError } from '#platform';
import {
  askerOf,
  type CodeSystemParts,
  codingOf,
  ecosystemInputs,
  findSystem,
  input,
  instanceSystem,
  refuseSupplement,
  splitSystem,
} from './asking.ts';
import { type CodeSystem, type Coding, type Concept, defined, type Relation } from './code-system.ts';
import { shown, unknownCode } from './refusals.ts';
import { answerTo } from './tx-issues.ts';

type Side = 'A' | 'B';

function codingAt({ input: given }: OperationRequest, side: Side): Coding {
  const code = one<string>(given, `code${side}`);
  const coding = one<JsonObject>(given, `coding${side}`);
  if (code !== undefined && coding !== undefined) {
    const text = `'code${side}' and 'coding${side}' are two ways to say the same: give one of them`;
    throw new CerebraError('invalid-parameter', text, { expression: [`coding${side}`] });
  }
  const found = coding ? codingOf(coding) : defined<Coding>({ code });
  if (found.code !== undefined) return found;
  throw new CerebraError('required', `$subsumes needs code${side} with system, or coding${side}`, {
    expression: [`code${side}`],
  });
}

/** What one and the other say of the system, which must be the same. */
function agreed(values: [name: string, value: string | undefined][], what: string): string | undefined {
  const said = values.filter((each): each is [string, string] => each[1] !== undefined);
  const [first] = said;
  const other = said.find(([, value]) => value !== first?.[1]);
  if (first && other) {
    const text = `${first[0]} has the ${what} '${shown(first[1])}', ${other[0]} '${shown(other[1])}': subsumption is tested within one`;
    throw new CerebraError('invalid-parameter', text, { expression: [other[0]] });
  }
  return first?.[1];
}

async function systemOf(parts: CodeSystemParts, request: OperationRequest, a: Coding, b: Coding): Promise<CodeSystem> {
  const instance = await instanceSystem(parts, request);
  const given = one<string>(request.input, 'system');
  const split = given === undefined ? undefined : splitSystem(given, one<string>(request.input, 'version'));
  const url = agreed(
    [
      ['the code system', instance?.about.url],
      ['system', split?.url],
      ['codingA', a.system],
      ['codingB', b.system],
    ],
    'system',
  );
  const version = agreed(
    [
      ['version', split === undefined ? one<string>(request.input, 'version') : split.version],
      ['codingA', a.version],
      ['codingB', b.version],
    ],
    'version',
  );
  if (instance) return instance;
  if (url === undefined) {
    throw new CerebraError('required', '$subsumes needs the system of the codes', { expression: ['system'] });
  }
  return findSystem(parts, url, version, askerOf(request));
}

/** What concept `a` is to `b`; throws `not-found` for codes that the system does not have. */
async function relate(system: CodeSystem, a: string, b: string): Promise<Relation> {
  const [first, second] = await Promise.all([system.concept(a), system.concept(b)]);
  const known = (concept: Concept | undefined, code: string, side: Side): Concept => {
    if (concept) return concept;
    throw unknownCode(code, system.about.url, system.about.version, `code${side}`);
  };
  return system.relation(known(first, a, 'A'), known(second, b, 'B'));
}

async function subsumes(parts: CodeSystemParts, request: OperationRequest): Promise<Relation> {
  const [a, b] = [codingAt(request, 'A'), codingAt(request, 'B')];
  const system = await systemOf(parts, request, a, b);
  refuseSupplement(system);
  return relate(system, a.code!, b.code!);
}

export const subsumesOperation = (parts: CodeSystemParts): OperationSpec => ({
  name: 'subsumes',
  title: 'Subsumption testing',
  description: 'What one code of a system is to another: equivalent, subsumes, subsumed-by or not-subsumed',
  url: 'http://hl7.org/fhir/OperationDefinition/CodeSystem-subsumes',
  type: ['CodeSystem'],
  ...{ system: false, typeLevel: true, instanceLevel: true, affectsState: false },
  parameters: [
    input('codeA', 'code', '1', 'The one code'),
    input('codeB', 'code', '1', 'The other code'),
    input('system', 'uri', '1', 'The system of both'),
    input('version', 'string', '1', 'Which version of the system; without it the latest'),
    input('codingA', 'Coding', '1', 'The one code as a Coding'),
    input('codingB', 'Coding', '1', 'The other code as a Coding'),
    ...ecosystemInputs,
    { name: 'outcome', use: 'out', min: 1, max: '1', type: 'code', documentation: 'What A is to B' },
  ],
  run: (request) =>
    answerTo(async () => ({
      resource: parametersOf([{ name: 'outcome', valueCode: await subsumes(parts, request) }]),
    })),
});
