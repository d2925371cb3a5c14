// CodeSystem/$validate-code: https://hl7.org/fhir/R4/codesystem-operation-validate-code.html
import {
  type JsonObject,
  type OperationRequest,
  type OperationSpec,
  one,
  parametersOf,
  type Resource,
} from '#fhir-model';
import { CerebraError } from '#platform';
import {
  askedCoding,
  askedCodings,
  askerOf,
  type CodeSystemParts,
  dateInput,
  ecosystemInputs,
  input,
  instanceSystem,
  splitSystem,
  supplemented,
} from './asking.ts';
import { type CheckOptions, type CodingPaths, checkCode, isWrong, messageOf, pathsOf } from './check-code.ts';
import { type CodeSystem, type Coding, type Concept, isHollow } from './code-system.ts';
import { languagesOf } from './lookup.ts';
import { absentContentText, shown, systemName, unknownSystemText } from './refusals.ts';
import { isRemoteAway } from './remote-client.ts';
import { answerTo, outcomeOf, type TxIssue } from './tx-issues.ts';

/** What came of one coding. */
interface Verdict {
  valid: boolean;
  coding: Coding;
  system?: CodeSystem;
  concept?: Concept;
  display?: string;
  issues: TxIssue[];
  /** `url|version` of a system that is not known here. */
  unknown?: string;
}

const issue = (code: string, type: string, messageId: string, text: string, expression: string): TxIssue => ({
  severity: 'error',
  ...{ code, type, messageId, text, expression },
});

/** One coding against its system. */
async function checked(
  coding: Coding,
  system: CodeSystem,
  options: CheckOptions,
  paths: CodingPaths,
): Promise<Verdict> {
  if (system.about.content === 'supplement') return supplementVerdict(coding, system, paths);
  const code = coding.code ?? '';
  const { concept, display, issues, open } = await checkCode(system, { ...coding, code }, paths, options);
  const fault = concept === undefined ? system.grammar?.read(code) : undefined;
  const told =
    fault && 'fault' in fault ? issues.map((each) => ({ ...each, text: `${each.text}: ${fault.fault}` })) : issues;
  return {
    valid: (concept !== undefined || open) && !isWrong(told),
    ...{ coding, system, issues: told },
    ...(concept !== undefined && { concept }),
    ...(display !== undefined && { display }),
  };
}

function supplementVerdict(coding: Coding, { about }: CodeSystem, paths: CodingPaths): Verdict {
  const name = systemName(about.url, about.version);
  const text = `CodeSystem ${name} is a supplement, so can't be used as a value in Coding.system`;
  const found = issue('invalid', 'invalid-data', 'CODESYSTEM_CS_NO_SUPPLEMENT', text, paths.system);
  return { valid: false, coding, issues: [found] };
}

function unknownVerdict(coding: Coding, versions: readonly string[], paths: CodingPaths): Verdict {
  const { system = '', version } = coding;
  const { messageId, text } = unknownSystemText(system, version, versions, 'so the code cannot be validated');
  const found = issue('not-found', 'not-found', messageId, text, paths.system);
  return { valid: false, coding, issues: [found], unknown: systemName(system, version) };
}

/** As of an unknown one: what is not here can't be told. */
function absentVerdict(coding: Coding, { about }: CodeSystem, paths: CodingPaths): Verdict {
  const text = `${absentContentText(about)}, so the code cannot be validated`;
  const found = issue('not-found', 'not-found', 'UNKNOWN_CODESYSTEM', text, paths.system);
  return { valid: false, coding, issues: [found], unknown: systemName(about.url, about.version) };
}

const NO_SYSTEM =
  'Coding has no system. A code with no system has no defined meaning, and it cannot be validated. A system should be provided';

function otherSystemVerdict(coding: Coding, url: string, paths: CodingPaths): Verdict {
  const text = `The system '${shown(coding.system ?? '')}' is not that of the code system '${shown(url)}' that the code is to be validated in`;
  return {
    valid: false,
    coding,
    issues: [issue('invalid', 'invalid-data', 'SYSTEM_DIFFERS', text, paths.system)],
  };
}

function noSystemVerdict(coding: Coding, paths: CodingPaths): Verdict {
  const found = issue(
    'invalid',
    'invalid-data',
    'Coding_has_no_system__cannot_validate',
    NO_SYSTEM,
    paths.whole ?? paths.system,
  );
  return { valid: false, coding, issues: [found] };
}

/** What the request is about: the system that it fixes, if it fixes one. */
interface Fixed {
  url?: string | undefined;
  version?: string | undefined;
  system?: CodeSystem | undefined;
}

async function fixedSystem(parts: CodeSystemParts, request: OperationRequest): Promise<Fixed> {
  const posted = one<JsonObject>(request.input, 'codeSystem') as Resource | undefined;
  const system = posted ? await parts.systems.openGiven(posted) : await instanceSystem(parts, request);
  if (system) return { url: system.about.url, version: system.about.version, system };
  const url = one<string>(request.input, 'url') ?? one<string>(request.input, 'system');
  const version = one<string>(request.input, 'version');
  return url === undefined ? { version } : splitSystem(url, version);
}

async function judge(
  parts: CodeSystemParts,
  request: OperationRequest,
  given: Coding,
  fixed: Fixed,
  paths: CodingPaths,
): Promise<Verdict> {
  const url = given.system ?? fixed.url;
  const version = given.version ?? fixed.version;
  const coding: Coding = {
    ...given,
    ...(url !== undefined && { system: url }),
    ...(version !== undefined && { version }),
  };
  if (url === undefined) return noSystemVerdict(coding, paths);
  if (fixed.url !== undefined && fixed.url !== '' && fixed.url !== url)
    return otherSystemVerdict(coding, fixed.url, paths);
  const asker = askerOf(request);
  const whole = fixed.system && !isHollow(fixed.system) ? fixed.system : undefined;
  const found = whole ?? (await parts.systems.find(url, version, asker)) ?? fixed.system;
  if (found === undefined) return unknownVerdict(coding, await parts.systems.versions(url, asker), paths);
  if (isHollow(found)) return absentVerdict(coding, found, paths);
  const { system } = await supplemented(parts, found, request);
  return checked(coding, system, optionsOf(request), paths);
}

function optionsOf(request: OperationRequest): CheckOptions {
  return {
    // R4: false means that they don't count; nothing said means that this server decides, and in a system they are codes.
    abstract: one<boolean>(request.input, 'abstract') ?? true,
    languages: languagesOf(request),
    lenientDisplay: one<boolean>(request.input, 'lenient-display-validation') === true,
  };
}

function answer(verdict: Verdict, issues: readonly TxIssue[], concept: JsonObject | undefined): JsonObject[] {
  const { coding, system, display, unknown } = verdict;
  const message = messageOf(issues);
  const status = verdict.concept?.status;
  const version = system?.about.version;
  return [
    { name: 'result', valueBoolean: verdict.valid },
    ...(message === undefined ? [] : [{ name: 'message', valueString: message }]),
    ...(display === undefined ? [] : [{ name: 'display', valueString: display }]),
    ...(coding.code === undefined ? [] : [{ name: 'code', valueCode: verdict.concept?.code ?? coding.code }]),
    ...(coding.system === undefined ? [] : [{ name: 'system', valueUri: coding.system }]),
    ...(version === undefined ? [] : [{ name: 'version', valueString: version }]),
    ...(verdict.concept?.inactive === true ? [{ name: 'inactive', valueBoolean: true }] : []),
    ...(status === undefined || status === 'active' ? [] : [{ name: 'status', valueCode: status }]),
    ...(concept === undefined ? [] : [{ name: 'codeableConcept', valueCodeableConcept: concept }]),
    ...(unknown === undefined ? [] : [{ name: 'x-unknown-system', valueCanonical: unknown }]),
    ...(issues.length === 0 ? [] : [{ name: 'issues', resource: outcomeOf(issues) as JsonObject }]),
  ];
}

/** R4: true if one of the codings is in the code system. */
async function validateConcept(parts: CodeSystemParts, request: OperationRequest, concept: JsonObject, fixed: Fixed) {
  const codings = askedCodings(concept);
  if (codings.length === 0) {
    const text = 'The CodeableConcept has no coding, so there is no code to validate';
    const none = issue('invalid', 'invalid-data', 'NO_CODING', text, 'CodeableConcept');
    return answer({ valid: false, coding: {}, issues: [] }, [none], concept);
  }
  const verdicts: Verdict[] = [];
  let away: CerebraError | undefined;
  for (const [i, coding] of codings.entries()) {
    const paths = pathsOf(`CodeableConcept.coding[${i}]`);
    try {
      verdicts.push(await judge(parts, request, coding, fixed, paths));
    } catch (error) {
      if (!isRemoteAway(error)) throw error;
      away ??= error;
      const untold = issue('not-found', 'not-found', 'UNKNOWN_CODESYSTEM', error.message, paths.code);
      verdicts.push({ valid: false, coding, issues: [untold] });
    }
  }
  const fitting = verdicts.find(({ valid }) => valid);
  if (away && !fitting) throw away;
  const best = fitting ?? verdicts[0]!;
  const issues = verdicts.flatMap((one) =>
    one.issues.map((each) => (best.valid && one !== best ? softened(each) : each)),
  );
  return answer(best, issues, concept);
}

/** A fault of a coding beside a valid one. */
const softened = (each: TxIssue): TxIssue => (each.severity === 'error' ? { ...each, severity: 'warning' } : each);

async function validate(parts: CodeSystemParts, request: OperationRequest): Promise<JsonObject[]> {
  const fixed = await fixedSystem(parts, request);
  const concept = one<JsonObject>(request.input, 'codeableConcept');
  const coding = askedCoding(request);
  if (concept !== undefined && coding !== undefined) throw twoWays();
  if (concept !== undefined) return validateConcept(parts, request, concept, fixed);
  if (coding?.code === undefined) {
    throw new CerebraError('required', '$validate-code needs a code: code with url, coding or codeableConcept', {
      expression: ['code'],
    });
  }
  const isPlain = one(request.input, 'coding') === undefined;
  if (isPlain && fixed.url === undefined) throw noSystem();
  const verdict = await judge(parts, request, coding, fixed, pathsOf(isPlain ? undefined : 'Coding'));
  return answer(verdict, verdict.issues, undefined);
}

const noSystem = (): CerebraError =>
  new CerebraError('required', 'Which code system? Give url or codeSystem, or the code as a coding with its system', {
    expression: ['url'],
  });

const twoWays = (): CerebraError =>
  new CerebraError(
    'invalid-parameter',
    "'codeableConcept' and a code beside it are two ways to say the same: give one of them",
    {
      expression: ['codeableConcept'],
    },
  );

const validateCodeInputs = [
  input('url', 'uri', '1', 'The code system'),
  input('codeSystem', 'CodeSystem', '1', 'The code system itself'),
  input('code', 'code', '1', 'The code'),
  input('system', 'uri', '1', 'The same as url'),
  input('version', 'string', '1', 'Which version of the code system; without it the latest'),
  input('display', 'string', '1', 'A display of the code, which is validated too'),
  input('coding', 'Coding', '1', 'The code as a Coding, of this system'),
  input('codeableConcept', 'CodeableConcept', '1', 'Valid if one of its codings is'),
  dateInput,
  input('abstract', 'boolean', '1', 'Whether abstract codes are valid; default true'),
  input('displayLanguage', 'code', '1', 'Languages of displays that are right, as in Accept-Language'),
  input('lenient-display-validation', 'boolean', '1', 'A wrong display is a warning, not an error'),
  input('useSupplement', 'canonical', '*', 'Supplements of the system that are to be made use of'),
  ...ecosystemInputs,
];

export const validateCodeOperation = (parts: CodeSystemParts): OperationSpec => ({
  name: 'validate-code',
  title: 'Code validation in a code system',
  description: 'Whether a code, and a display where one is given, is one of a code system',
  url: 'http://hl7.org/fhir/OperationDefinition/CodeSystem-validate-code',
  type: ['CodeSystem'],
  ...{ system: false, typeLevel: true, instanceLevel: true, affectsState: false },
  parameters: [
    ...validateCodeInputs,
    { name: 'result', use: 'out', min: 1, max: '1', type: 'boolean', documentation: 'Whether it is valid' },
    { name: 'message', use: 'out', min: 0, max: '1', type: 'string', documentation: 'What is wrong, or to be known' },
    { name: 'display', use: 'out', min: 0, max: '1', type: 'string', documentation: 'A right display' },
    { name: 'code', use: 'out', min: 0, max: '1', type: 'code', documentation: 'The code as the system writes it' },
    { name: 'system', use: 'out', min: 0, max: '1', type: 'uri', documentation: 'The system' },
    { name: 'version', use: 'out', min: 0, max: '1', type: 'string', documentation: 'The version that was asked' },
    { name: 'issues', use: 'out', min: 0, max: '1', type: 'OperationOutcome', documentation: 'The message in parts' },
  ],
  run: (request) => answerTo(async () => ({ resource: parametersOf(await validate(parts, request)) })),
});
