// ValueSet/$validate-code: https://hl7.org/fhir/R4/valueset-operation-validate-code.html
import {
  type JsonObject,
  type OperationParameter,
  type OperationRequest,
  type OperationSpec,
  one,
  parametersOf,
} from '#fhir-model';
import { CerebraError } from '#platform';
import { askedCodings, codingOf, input } from './asking.ts';
import { type CodingPaths, isWrong, messageOf, pathsOf } from './check-code.ts';
import { type Coding, defined } from './code-system.ts';
import { shown } from './refusals.ts';
import { isRemoteAway } from './remote-client.ts';
import { answerTo, issueOf, outcomeOf, type TxIssue } from './tx-issues.ts';
import { orElsewhere } from './value-set-elsewhere.ts';
import { type Composition, type Formula, formulaOf, systemsOf, takenAsActive } from './value-set-formula.ts';
import { askingOf, languagesFor, sharedInputs, type ValueSetParts, valueSetOf } from './value-set-input.ts';
import { type Member, type MemberOptions, type Membership, memberOf } from './value-set-member.ts';
import { enumerated, test } from './value-set-select.ts';

const SYSTEMS_SHOWN_MAX = 10;

function optionsOf(request: OperationRequest, composition: Composition): MemberOptions {
  const { input: given } = request;
  const flag = (name: string): boolean | undefined => one<boolean>(given, name);
  return {
    languages: languagesFor(request, composition),
    lenientDisplay: flag('lenient-display-validation') ?? false,
    abstract: flag('abstract') ?? true,
    activeOnly: flag('activeOnly') ?? false,
    membershipOnly: flag('valueset-membership-only') ?? false,
    oneOfMany: false,
  };
}

async function holds(
  membership: Membership,
  name: { url: string; version?: string | undefined },
  code: string,
): Promise<boolean> {
  const { db, composition, valueSets, asking } = membership;
  const formula: Formula = formulaOf(composition, name);
  const used = await valueSets.use(name, [], asking);
  const concept = await used?.system.concept(code);
  if (used && concept) return (await test(db, used.system, formula, [concept]))[0]!;
  return enumerated(takenAsActive(formula))?.has(code) ?? false;
}

/** The systems in which the code is one of the value set. */
async function systemsWith(membership: Membership, code: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of systemsOf(membership.composition)) {
    if (!found.includes(name.url) && (await holds(membership, name, code))) found.push(name.url);
  }
  return found;
}

function cannotInfer(code: string, composition: Composition, systems: readonly string[]): TxIssue {
  const { definition } = composition;
  const several = systems.length > 1;
  const known = new Set(systemsOf(composition).map(({ url }) => shown(url)));
  const why = several
    ? `value set expansion has multiple matches: [${systems.join(', ')}]`
    : `it is in none of the systems that the value set takes codes of: [${[...known].slice(0, SYSTEMS_SHOWN_MAX).join(', ')}]`;
  return {
    ...{ severity: 'error', code: 'not-found', type: 'cannot-infer' },
    messageId: several ? 'Unable_to_resolve_system__value_set_has_multiple_matches' : 'UNABLE_TO_INFER_CODESYSTEM',
    text: `The System URI could not be determined for the code '${shown(code)}' in the ValueSet '${definition.name}': ${why}`,
    expression: 'code',
  };
}

/** A code without its system: whichever the value set has it from. */
async function inferred(
  membership: Membership,
  coding: Coding & { code: string },
  options: MemberOptions,
): Promise<Member> {
  const { composition } = membership;
  const systems = await systemsWith(membership, coding.code);
  const [system] = systems;
  if (system !== undefined && systems.length === 1)
    return memberOf(membership, { ...coding, system }, pathsOf(), options);
  const member = await memberOf(membership, coding, pathsOf(), options);
  const [notInIt] = member.issues;
  return { ...member, issues: [notInIt!, cannotInfer(coding.code, composition, systems)] };
}

const text = (name: string, value: string | undefined): JsonObject[] =>
  value === undefined ? [] : [{ name, valueString: value }];

/** What is told of the code itself. */
function codeParameters(member: Member): JsonObject[] {
  const { coding, system, concept, display } = member;
  const other = concept !== undefined && concept.code !== coding.code && system?.about.caseSensitive === false;
  const { status, inactive } = concept ?? {};
  return [
    ...(coding.code === undefined ? [] : [{ name: 'code', valueCode: coding.code }]),
    ...(coding.system === undefined ? [] : [{ name: 'system', valueUri: coding.system }]),
    ...text('version', system?.about.version),
    ...text('display', display),
    ...(other ? [{ name: 'normalized-code', valueCode: concept.code }] : []),
    ...(inactive ? [{ name: 'inactive', valueBoolean: true }] : []),
    ...(status !== undefined && (inactive || status === 'deprecated') && concept!.status !== 'active'
      ? [{ name: 'status', valueCode: status }]
      : []),
  ];
}

/** What was asked of several codings. */
interface Judged {
  issues: TxIssue[];
  /** What is told of: undefined when none of several fits. */
  told: Member | undefined;
  members: readonly Member[];
  concept?: JsonObject;
}

function answerOf({ issues, told, members, concept }: Judged): JsonObject[] {
  const message = messageOf(issues);
  const unknown = members.map(({ unknownSystem }) => unknownSystem).filter((each) => each !== undefined);
  return [
    { name: 'result', valueBoolean: !isWrong(issues) },
    ...(told ? codeParameters(told) : []),
    ...(concept ? [{ name: 'codeableConcept', valueCodeableConcept: concept }] : []),
    ...text('message', message),
    ...unknown.map(({ url, causes }) => ({
      name: causes ? 'x-caused-by-unknown-system' : 'x-unknown-system',
      valueCanonical: url,
    })),
    ...(issues.length === 0 ? [] : [{ name: 'issues', resource: outcomeOf(issues) as JsonObject }]),
  ];
}

function noneFits({ definition }: Composition): TxIssue {
  return {
    ...{ severity: 'error', code: 'code-invalid', type: 'not-in-vs', messageId: 'TX_GENERAL_CC_ERROR_MESSAGE' },
    text: `No valid coding was found for the value set '${definition.name}'`,
  };
}

/** R4: one coding of the value set is enough. That nothing is known of another one's system is no fault then. */
function besideOneThatFits(issue: TxIssue): TxIssue {
  const isUnknown = issue.messageId === 'UNKNOWN_CODESYSTEM' || issue.messageId === 'UNKNOWN_CODESYSTEM_VERSION';
  return isUnknown ? { ...issue, severity: 'warning' } : issue;
}

/** One that only the other terminology server could tell of, which it does not. */
const untold = (coding: Coding, { message }: CerebraError, paths: CodingPaths): Member => ({
  ...{ isMember: false, coding },
  issues: [
    {
      ...{ severity: 'warning', code: 'not-found', type: 'not-found', messageId: 'UNKNOWN_CODESYSTEM' },
      ...{ text: message, expression: paths.code },
    },
  ],
});

async function judgeConcept(membership: Membership, concept: JsonObject, options: MemberOptions): Promise<Judged> {
  const codings = askedCodings(concept);
  if (codings.length === 0) {
    throw new CerebraError('invalid-parameter', 'The CodeableConcept has no coding', {
      expression: ['codeableConcept'],
    });
  }
  const members: Member[] = [];
  let away: CerebraError | undefined;
  for (const [i, coding] of codings.entries()) {
    const paths = pathsOf(`CodeableConcept.coding[${i}]`);
    try {
      members.push(await memberOf(membership, coding, paths, { ...options, oneOfMany: true }));
    } catch (error) {
      if (!isRemoteAway(error)) throw error;
      away ??= error;
      members.push(untold(coding, error, paths));
    }
  }
  const issues = members.flatMap((member) => member.issues);
  const told = members.find(({ isMember }) => isMember);
  if (told) return { issues: issues.map(besideOneThatFits), told, members, concept };
  if (away) throw away;
  return { issues: [noneFits(membership.composition), ...issues], told, members, concept };
}

interface Asked {
  coding?: Coding;
  paths: CodingPaths;
  concept?: JsonObject;
}

function askedOf({ input: given }: OperationRequest): Asked {
  const code = one<string>(given, 'code');
  const coding = one<JsonObject>(given, 'coding');
  const concept = one<JsonObject>(given, 'codeableConcept');
  const count = [code, coding, concept].filter((each) => each !== undefined).length;
  if (count !== 1) {
    const what = 'code (with system), coding or codeableConcept';
    if (count === 0) throw new CerebraError('required', `$validate-code needs ${what}`, { expression: ['code'] });
    throw new CerebraError('invalid-parameter', `$validate-code takes one of ${what}`, { expression: ['code'] });
  }
  if (concept) return { concept, paths: pathsOf() };
  if (coding) return { coding: codingOf(coding), paths: pathsOf('Coding') };
  const version = one<string>(given, 'systemVersion') ?? one<string>(given, 'version');
  const whole = { code, system: one<string>(given, 'system'), version, display: one<string>(given, 'display') };
  return { coding: defined<Coding>(whole), paths: pathsOf() };
}

async function judge(membership: Membership, request: OperationRequest, options: MemberOptions): Promise<Judged> {
  const { coding, paths, concept } = askedOf(request);
  if (concept) return judgeConcept(membership, concept, options);
  const { code, system } = coding!;
  const infer = one<boolean>(request.input, 'inferSystem') ?? paths.whole === undefined;
  const member =
    infer && code !== undefined && system === undefined
      ? await inferred(membership, { ...coding, code }, options)
      : await memberOf(membership, coding!, paths, options);
  return { issues: member.issues, told: member, members: [member] };
}

/** A value set that can't be evaluated, since one that it imports is not known, has no codes for certain. */
async function brokenAnswer(error: unknown, request: OperationRequest): Promise<JsonObject[]> {
  const issue = issueOf(error);
  if (issue?.messageId !== 'Unable_to_resolve_value_Set_') throw error;
  const { coding, concept } = askedOf(request);
  return answerOf({
    issues: [issue],
    told: coding && { isMember: false, issues: [], coding },
    members: [],
    ...(concept && { concept }),
  });
}

async function validate(parts: ValueSetParts, request: OperationRequest): Promise<JsonObject[]> {
  const asking = askingOf(request);
  let composition: Composition;
  try {
    composition = await valueSetOf(parts, request, asking);
  } catch (error) {
    if (await isNamed(parts, request)) return brokenAnswer(error, request);
    throw error;
  }
  const membership: Membership = { db: parts.db, valueSets: parts.valueSets, composition, asking };
  return answerOf(await judge(membership, request, optionsOf(request, composition)));
}

/** Whether the value set that is asked for is there itself. */
async function isNamed({ valueSets }: ValueSetParts, request: OperationRequest): Promise<boolean> {
  const url = one<string>(request.input, 'url');
  return url === undefined || valueSets.has(url, askingOf(request));
}

const out = (name: string, type: string, max: '1' | '*', documentation: string): OperationParameter => ({
  ...{ name, use: 'out', min: 0, max, type, documentation },
});

const parameters: readonly OperationParameter[] = [
  ...sharedInputs,
  input('code', 'code', '1', 'The code, with its system'),
  input('system', 'uri', '1', 'Its system; where the value set leaves no doubt of it, it may be missing'),
  input('systemVersion', 'string', '1', 'The version of the system'),
  input('version', 'string', '1', 'The same'),
  input('display', 'string', '1', 'A display of the code, which is validated too'),
  input('coding', 'Coding', '1', 'The code as a Coding'),
  input('codeableConcept', 'CodeableConcept', '1', 'Valid if one of its codings is in the value set'),
  input('abstract', 'boolean', '1', 'Whether abstract codes are valid; default true'),
  input('inferSystem', 'boolean', '1', 'Whether to find the system of a code without one; default true'),
  input('lenient-display-validation', 'boolean', '1', 'A wrong display is a warning, not an error'),
  input('valueset-membership-only', 'boolean', '1', 'Only whether it is in the value set: nothing of code and display'),
  { name: 'result', use: 'out', min: 1, max: '1', type: 'boolean', documentation: 'Whether it is valid' },
  out('message', 'string', '1', 'What is wrong, or to be known'),
  out('display', 'string', '1', 'A right display'),
  out('code', 'code', '1', 'The code'),
  out('system', 'uri', '1', 'Its system'),
  out('version', 'string', '1', 'The version of the system'),
  out('codeableConcept', 'CodeableConcept', '1', 'As it was given'),
  out('issues', 'OperationOutcome', '1', 'The message in parts'),
];

export const valueSetValidateOperation = (parts: ValueSetParts): OperationSpec => ({
  name: 'validate-code',
  title: 'Value set membership',
  description: 'Whether a code, and a display where one is given, is in a value set',
  url: 'http://hl7.org/fhir/OperationDefinition/ValueSet-validate-code',
  type: ['ValueSet'],
  ...{ system: false, typeLevel: true, instanceLevel: true, affectsState: false },
  parameters,
  run: (request) =>
    answerTo(() =>
      orElsewhere(parts, request, '$validate-code', async () => ({
        resource: parametersOf(await validate(parts, request)),
      })),
    ),
});
