// Whether the codes of elements are valid, many at a time: https://hl7.org/fhir/R4/terminologies.html#binding
import type { CodeToValidate, CodeVerdict, Terminology } from '#fhir-model';
import { isCerebraError } from '#platform';
import { type CheckOptions, type CodingPaths, checkCode, pathsOf } from './check-code.ts';
import { type Coding, defined, isHollow } from './code-system.ts';
import { absentContentText, shown, systemName } from './refusals.ts';
import { isRemoteAway } from './remote-client.ts';
import type { Remote } from './remote-system.ts';
import type { CodeSystems } from './systems.ts';
import type { TxIssue } from './tx-issues.ts';
import { type Composition, formulaOf, systemsOf, takenAsActive } from './value-set-formula.ts';
import { type Member, type MemberOptions, type Membership, memberOf } from './value-set-member.ts';
import { enumerated } from './value-set-select.ts';
import { type Asking, NO_RULES, type ValueSets } from './value-sets.ts';

export interface JudgeParts {
  systems: CodeSystems;
  valueSets: ValueSets;
  /** Who is asked where it can't be told here. */
  remote?: Pick<Remote, 'member'> | undefined;
}

type Context = Parameters<Terminology['validateCodes']>[1];

const options: MemberOptions = {
  ...{ languages: [], lenientDisplay: true, abstract: true },
  ...{ activeOnly: false, membershipOnly: false, oneOfMany: false },
};
const checks: CheckOptions = options;
const paths: CodingPaths = pathsOf();

const cannotTell = (message: string): CodeVerdict => ({ result: 'unknown', message });

const displayFault = (issues: readonly TxIssue[]): string | undefined =>
  issues.find(({ type }) => type === 'invalid-display')?.text;

const unknownSystem = ({ system = '', version }: Coding): string =>
  `The code system '${systemName(system, version)}' is not known here`;

/** Whether the value set takes codes of that system other than such that it lists. */
function takesUnlisted(composition: Composition, { system }: Coding): boolean {
  return system !== undefined && enumerated(takenAsActive(formulaOf(composition, { url: system }))) === undefined;
}

function ofMember(member: Member, coding: Coding, composition: Composition): CodeVerdict {
  const { isMember, concept, system, display, issues } = member;
  // Where not all codes of the system are known here, one that is not may belong to the value set, or be none at all.
  const isOpen = system === undefined || (concept === undefined && system.about.content !== 'complete');
  if (isOpen && takesUnlisted(composition, coding)) {
    return cannotTell(system ? `Not all codes of '${shown(system.about.url)}' are known here` : unknownSystem(coding));
  }
  const inSystem = isOpen ? undefined : concept !== undefined;
  const rest = { display, wrongDisplay: displayFault(issues) };
  if (isMember) return defined<CodeVerdict>({ result: 'valid', inSystem, ...rest });
  const message = issues.find(({ severity }) => severity === 'error')?.text;
  return defined<CodeVerdict>({ result: 'invalid', message, inSystem, ...rest });
}

/** A code whose system only the value set tells: valid if it is in one of those. */
async function withoutSystem(membership: Membership, { code }: CodeToValidate): Promise<CodeVerdict> {
  const verdicts: CodeVerdict[] = [];
  for (const { url, version } of systemsOf(membership.composition)) {
    const coding = defined<Coding>({ system: url, version, code });
    const verdict = ofMember(await memberOf(membership, coding, paths, options), coding, membership.composition);
    if (verdict.result === 'valid') return verdict;
    verdicts.push(verdict);
  }
  const open = verdicts.find(({ result }) => result === 'unknown');
  const message = `The code '${shown(code)}' is not in the value set '${membership.composition.definition.name}'`;
  return open ?? { result: 'invalid', message, inSystem: false };
}

export function createCodeJudge({ systems, valueSets, remote }: JudgeParts): Terminology['validateCodes'] {
  async function inSystem(
    { system, version, code, display }: CodeToValidate,
    { scope }: Context,
  ): Promise<CodeVerdict> {
    if (system === undefined) return cannotTell('A code without a system has no meaning that could be validated');
    const found = await systems.find(system, version, { scope });
    if (found === undefined) return cannotTell(unknownSystem(defined<Coding>({ system, version })));
    if (isHollow(found)) return cannotTell(absentContentText(found.about));
    const coding = { ...defined<Coding>({ system, display }), code };
    const { concept, open, issues, display: right } = await checkCode(found, coding, paths, checks);
    if (concept === undefined && open) return cannotTell(`Not all codes of '${shown(system)}' are known here`);
    const message = concept ? undefined : issues[0]?.text;
    const result = concept ? 'valid' : 'invalid';
    const wrongDisplay = displayFault(issues);
    return defined<CodeVerdict>({ result, message, inSystem: concept !== undefined, display: right, wrongDisplay });
  }

  async function judge(asked: CodeToValidate, context: Context, asking: Asking): Promise<CodeVerdict> {
    const { valueSet, system, version, code, display } = asked;
    if (valueSet === undefined) return inSystem(asked, context);
    const composition = await valueSets.compose(valueSet, asking);
    const membership: Membership = { db: context.db, valueSets, composition, asking };
    if (system === undefined) return withoutSystem(membership, asked);
    const coding = defined<Coding>({ system, version, code, display });
    return ofMember(await memberOf(membership, coding, paths, options), coding, composition);
  }

  async function elsewhere({ valueSet, system, version, code }: CodeToValidate, unknown: CodeVerdict) {
    if (valueSet === undefined || remote === undefined) return unknown;
    return (await remote.member(valueSet, defined<Coding>({ system, version, code }))) ?? unknown;
  }

  return (codes, context) => {
    const asking: Asking = { asker: { scope: context.scope }, versions: NO_RULES, supplements: [] };
    const judged = codes.map(async (asked) => {
      try {
        const verdict = await judge(asked, context, asking);
        return verdict.result === 'unknown' ? await elsewhere(asked, verdict) : verdict;
      } catch (error) {
        if (isRemoteAway(error)) return cannotTell(error.message);
        // A value set that is not known, or that can't be evaluated; but not a database that is away.
        if (isCerebraError(error) && error.status < 500) return elsewhere(asked, cannotTell(error.message));
        throw error;
      }
    });
    return Promise.all(judged);
  };
}
