// Whether codings are of a value set, without expanding it: https://hl7.org/fhir/R4/valueset-operation-validate-code.html
import { isAbsolute, isWithin } from '#fhir-model';
import type { Queryable } from '#platform';
import { type CheckedCode, type CheckOptions, type CodingPaths, checkCode } from './check-code.ts';
import type { CodeSystem, Coding, Concept } from './code-system.ts';
import { shown, systemName, unknownSystemText } from './refusals.ts';
import { withSupplements } from './supplements.ts';
import type { TxIssue } from './tx-issues.ts';
import { extensionValue, type ListedConcept } from './value-set-definition.ts';
import {
  type Composition,
  type Formula,
  formulaOf,
  needsConcepts,
  type Part,
  type SystemName,
  takenAsActive,
} from './value-set-formula.ts';
import { holdsByCode, namesCode, test } from './value-set-select.ts';
import { type Asking, type UsedSystem, type ValueSets, wantedVersion } from './value-sets.ts';

export interface MemberOptions extends CheckOptions {
  /** Inactive codes are no members. */
  activeOnly: boolean;
  /** Nothing is said of the code itself, only whether it is a member. */
  membershipOnly: boolean;
  /** A coding of a CodeableConcept: not to be in the value set is no error of its own. */
  oneOfMany: boolean;
}

export interface Member {
  isMember: boolean;
  issues: TxIssue[];
  coding: Coding;
  /** As far as it is known. */
  system?: CodeSystem;
  concept?: Concept;
  display?: string;
  /** A system that is not known: of the coding, and whether the value set takes codes of it. */
  unknownSystem?: { url: string; causes: boolean };
}

export interface Membership {
  db: Queryable;
  valueSets: ValueSets;
  composition: Composition;
  asking: Asking;
}

const codeText = ({ system = '', version, code = '', display }: Coding): string => {
  const name = `${systemName(system, version)}#${shown(code)}`;
  return display === undefined ? name : `${name} ('${shown(display)}')`;
};

function notInValueSet(coding: Coding, { definition }: Composition, paths: CodingPaths, oneOfMany: boolean): TxIssue {
  return {
    severity: oneOfMany ? 'information' : 'error',
    code: 'code-invalid',
    type: oneOfMany ? 'this-code-not-in-vs' : 'not-in-vs',
    messageId: 'None_of_the_provided_codes_are_in_the_value_set_one',
    text: `The provided code '${codeText(coding)}' was not found in the value set '${definition.name}'`,
    expression: paths.code,
  };
}

async function unknownSystemIssue(
  { valueSets, asking }: Membership,
  name: SystemName,
  paths: CodingPaths,
  known: boolean,
): Promise<TxIssue> {
  const valid = await valueSets.versions(name.url, asking);
  const wanted = wantedVersion(name, asking.versions);
  return {
    // Where the value set lists the code, no more is needed to belong to it.
    severity: known ? 'warning' : 'error',
    ...{ code: 'not-found', type: 'not-found' },
    ...unknownSystemText(name.url, wanted, valid, 'so the code cannot be validated'),
    expression: paths.system,
  };
}

const badData = (messageId: string, text: string, expression: string): TxIssue => ({
  ...{ severity: 'error', code: 'invalid', type: 'invalid-data' },
  ...{ messageId, text, expression },
});

/** All parts that the value set is made of, those of its imports too. */
export function* partsOf(composition: Composition): Generator<Part> {
  for (const part of composition.include) {
    yield part;
    for (const imported of part.imports) yield* partsOf(imported);
  }
}

const listings = new WeakMap<Composition, Map<string, ListedConcept>>();

function listingOf(composition: Composition): Map<string, ListedConcept> {
  const listing = new Map<string, ListedConcept>();
  for (const { set } of partsOf(composition)) {
    for (const concept of set.concepts) {
      const key = `${set.system}|${concept.code}`;
      if (!listing.has(key)) listing.set(key, concept);
    }
  }
  return listing;
}

/** What the value set itself says of a code. */
export function listedIn(composition: Composition, system: string, code: string): ListedConcept | undefined {
  let listing = listings.get(composition);
  if (!listing) {
    listing = listingOf(composition);
    listings.set(composition, listing);
  }
  return listing.get(`${system}|${code}`);
}

const DEPRECATED = 'http://hl7.org/fhir/StructureDefinition/valueset-deprecated';

function deprecatedHere(
  listed: ListedConcept | undefined,
  coding: Coding,
  composition: Composition,
  paths: CodingPaths,
) {
  if (listed === undefined || extensionValue({ extension: listed.extension }, DEPRECATED) !== true) return [];
  const text = `The presence of the concept '${listed.code}' in the system '${coding.system}' in the value set ${composition.definition.name} is marked with a status of deprecated and its use should be reviewed`;
  const issue: TxIssue = {
    ...{
      severity: 'warning',
      code: 'business-rule',
      type: 'code-comment',
      messageId: 'CONCEPT_DEPRECATED_IN_VALUESET',
    },
    ...{ text, expression: paths.code },
  };
  return [issue];
}

async function ofUnknownSystem(
  membership: Membership,
  name: SystemName,
  coding: Coding & { code: string; system: string },
  paths: CodingPaths,
  options: MemberOptions,
): Promise<Member> {
  const { composition, valueSets, asking } = membership;
  const { system: url, version, code } = coding;
  const formula = takenAsActive(formulaOf(composition, { url, version }));
  const isMember = !needsConcepts(formula) && namesCode(formula, code);
  const issues: TxIssue[] = [];
  const included = formula.kind !== 'none';
  if (!isMember && !included) issues.push(notInValueSet(coding, composition, paths, options.oneOfMany));
  const whole = paths.whole === undefined ? paths.system : `${paths.whole.replace(/\.coding\[\d+\]$/, '')}`;
  if (await valueSets.has(url, asking)) {
    const text = `The ${whole} references a value set, not a code system ('${shown(url)}')`;
    issues.push(badData('Terminology_TX_System_ValueSet2', text, paths.system));
    return { isMember: false, issues, coding };
  }
  if (!isAbsolute(url)) {
    const text = `${paths.system} must be an absolute reference, not a local reference`;
    issues.push(badData('Terminology_TX_System_Relative', text, paths.system));
  }
  issues.push(await unknownSystemIssue(membership, name, paths, isMember));
  return { isMember, issues, coding, unknownSystem: { url, causes: included } };
}

async function isIn(
  db: Queryable,
  system: CodeSystem,
  formula: Formula,
  { concept, open }: CheckedCode,
  code: string,
): Promise<boolean> {
  if (concept) return (await test(db, system, formula, [concept]))[0]!;
  // A system of which not all codes are known: as far as codes alone can tell.
  const known = takenAsActive(formula);
  return open && !needsConcepts(known) && holdsByCode(known, code);
}

function inactiveIssue(code: string, paths: CodingPaths): TxIssue {
  return {
    ...{ severity: 'error', code: 'business-rule', type: 'code-rule', messageId: 'STATUS_CODE_WARNING_CODE' },
    ...{ text: `The concept '${shown(code)}' is valid but is not active`, expression: paths.code },
  };
}

function versionIssue(used: UsedSystem, coding: Coding, paths: CodingPaths): TxIssue[] {
  const { version } = coding;
  const { url, version: found } = used.system.about;
  if (version === undefined || found === undefined || isWithin(version, found)) return [];
  return [
    {
      ...{ severity: 'error', code: 'invalid', type: 'vs-invalid', messageId: 'VALUESET_VALUE_MISMATCH' },
      text: `The code system '${shown(url)}' version '${found}' in the ValueSet include is different to the one in the value ('${shown(version)}')`,
      expression: paths.version,
    },
  ];
}

/** Of a coding with system and code. */
async function ofKnownSystem(
  membership: Membership,
  used: UsedSystem,
  coding: Coding & { code: string; system: string },
  paths: CodingPaths,
  options: MemberOptions,
): Promise<Member> {
  const { db, composition } = membership;
  const system = withSupplements(used.system, used.supplements);
  const { url } = system.about;
  if (system.about.content === 'supplement') return ofSupplement(membership, system, coding, paths, options);
  const listed = listedIn(composition, url, coding.code);
  const checked = await checkCode(system, coding, paths, options, listed?.display);
  const { concept } = checked;
  const whole = formulaOf(composition, used.name);
  const isListed = await isIn(db, system, whole, checked, coding.code);
  const isMember = isListed && !(options.activeOnly && concept?.inactive);
  const issues = options.membershipOnly ? [] : [...versionIssue(used, coding, paths), ...checked.issues];
  if (!isMember) {
    issues.unshift(notInValueSet(coding, composition, paths, options.oneOfMany));
    if (concept?.inactive && (await wouldBeActive(db, system, composition, used, concept))) {
      issues.unshift(inactiveIssue(concept.code, paths));
    }
  } else issues.push(...deprecatedHere(listed, coding, composition, paths));
  return {
    ...{ isMember, issues, coding, system },
    ...(concept && { concept }),
    ...(checked.display !== undefined && { display: checked.display }),
  };
}

/** Whether the concept is left out for nothing but being inactive. */
async function wouldBeActive(
  db: Queryable,
  system: CodeSystem,
  composition: Composition,
  used: UsedSystem,
  concept: Concept,
): Promise<boolean> {
  const { inactive: _told, ...definition } = composition.definition;
  const [holds] = await test(db, system, formulaOf({ ...composition, definition }, used.name), [concept]);
  return holds!;
}

function ofSupplement(
  { composition }: Membership,
  { about }: CodeSystem,
  coding: Coding,
  paths: CodingPaths,
  options: MemberOptions,
): Member {
  const text = `CodeSystem ${systemName(about.url, about.version)} is a supplement, so can't be used as a value in Coding.system`;
  const issues = [
    notInValueSet(coding, composition, paths, options.oneOfMany),
    badData('CODESYSTEM_CS_NO_SUPPLEMENT', text, paths.system),
  ];
  return { isMember: false, issues, coding, unknownSystem: { url: about.url, causes: false } };
}

function withoutSystem({ composition }: Membership, coding: Coding, paths: CodingPaths, oneOfMany: boolean): Member {
  const issue: TxIssue = {
    ...{ severity: 'warning', code: 'invalid', type: 'invalid-data' },
    messageId: 'Coding_has_no_system__cannot_validate',
    text: 'Coding has no system. A code with no system has no defined meaning, and it cannot be validated. A system should be provided',
    expression: paths.whole ?? paths.code,
  };
  return { isMember: false, issues: [notInValueSet(coding, composition, paths, oneOfMany), issue], coding };
}

/**
 * The versions of the system that the value set takes codes of: the coding's own where that is one of them, or where the
 * value set leaves it open.
 */
function versionsFor(composition: Composition, { system, version }: Coding): (string | undefined)[] {
  const named = [...partsOf(composition)].filter(({ set }) => set.system === system).map(({ set }) => set.version);
  const fixed = [...new Set(named.filter((each) => each !== undefined))];
  if (version !== undefined && fixed.includes(version)) return [version];
  const isOpen = fixed.length === 0 || named.includes(undefined);
  return isOpen ? [version, ...fixed] : fixed;
}

/** Throws what value sets throw: for a filter that is wrong, a supplement that is missing, a version that is not allowed. */
export async function memberOf(
  membership: Membership,
  coding: Coding,
  paths: CodingPaths,
  options: MemberOptions,
): Promise<Member> {
  const { system, code } = coding;
  if (system === undefined || code === undefined) return withoutSystem(membership, coding, paths, options.oneOfMany);
  const whole = { ...coding, system, code };
  let first: Member | undefined;
  for (const version of versionsFor(membership.composition, coding)) {
    const member = await ofVersion(membership, { url: system, version }, whole, paths, options);
    if (member.isMember) return member;
    first ??= member;
  }
  return first!;
}

async function ofVersion(
  membership: Membership,
  name: SystemName,
  coding: Coding & { code: string; system: string },
  paths: CodingPaths,
  options: MemberOptions,
): Promise<Member> {
  const { composition, valueSets, asking } = membership;
  const supplements = [...composition.definition.supplements, ...asking.supplements];
  const used = await valueSets.use(name, supplements, asking);
  if (used === undefined) return ofUnknownSystem(membership, name, coding, paths, options);
  return ofKnownSystem(membership, { ...used, name }, coding, paths, options);
}
