// Profiles on the way into the store: those that a resource claims, as far as they are known, and those that its type must
// conform to. A resource without either costs a look at its meta. https://hl7.org/fhir/R4/profiling.html#mixing
// And what other rooms have to ask before they can carry out what a resource asks of them.
import type { Issue, Resource, TransactionEntry } from '#fhir-model';
import { CerebraError, isCerebraError } from '#platform';
import { isObject, textOf } from './json.ts';
import type { Policy } from './policy.ts';
import type { Around, ProfileSource, ResourceValidator } from './validate.ts';

/** More in one answer help nobody, and each has a message. */
const writeIssuesMax = 200;
/** Each profile is another walk over the resource; as many are looked at as by `$validate`. */
const claimsMax = 50;

/** Stands in meta.tag of a resource that was taken in spite of its faults. */
const recordedTag = { system: 'urn:cerebra:validation', code: 'nonconformant' } as const;

/** Another entry of the Bundle that a resource comes in. */
export type Beside = Pick<TransactionEntry, 'resource'>;

/** Whether what a resource asks of another room can be carried out. */
export interface Admission {
  concerns(resource: Resource): boolean;
  /** Empty: it can. Asked outside of any transaction; `beside` is written with it. */
  issuesOf(resource: Resource, beside: readonly Beside[]): Promise<Issue[]>;
}

/** By resource type. */
export type Admissions = Readonly<Record<string, Admission>>;

export interface OnWrite {
  /**
   * Undefined where there is nothing to check beyond its structure, at once; else the resource to store, which is another
   * one where faults are recorded on it. Throws `invalid-resource` with all issues, `at` before their expressions.
   */
  check(resource: Resource, at?: string, beside?: readonly Beside[]): Promise<Resource> | undefined;
  /** Whether `check` would have something to do. */
  concerns(resource: Resource): boolean;
  /** The issues that `check` would throw; nothing is recorded. */
  refusalOf(resource: Resource): Promise<Issue[]>;
  readonly policy: Policy;
}

export interface OnWriteParts {
  policy: Policy;
  validator: ResourceValidator;
  profiles: ProfileSource;
  admissions?: Admissions | undefined;
  /** A resource is let in in spite of so many faults. */
  onRecorded(type: string, faults: number): void;
}

const none: Resource[] = [];

/** That of the resource's own type is none: every resource conforms to it, or claims nothing by it. */
const claimsOf = ({ resourceType, meta }: Resource): readonly string[] => {
  const claimed = meta?.profile;
  if (!Array.isArray(claimed)) return [];
  const own = `http://hl7.org/fhir/StructureDefinition/${resourceType}`;
  return claimed.filter((one) => typeof one === 'string' && one !== own && !one.startsWith(`${own}|`));
};

const isTagged = ({ meta }: Resource): boolean =>
  Array.isArray(meta?.tag) && meta.tag.some((tag) => isObject(tag) && tag.system === recordedTag.system);

/** The resources that a Bundle holds are what it is; what they claim counts. */
function entriesOf({ resourceType, entry }: Resource): Resource[] {
  if (resourceType !== 'Bundle' || !Array.isArray(entry)) return none;
  return entry.flatMap((one) => (isObject(one) && isObject(one.resource) ? [one.resource as Resource] : []));
}

export const isError = ({ severity }: Issue): boolean => severity === 'error' || severity === 'fatal';

/** `at` takes the place of the type's name: `Bundle.entry[3].resource`. */
function placedBelow(issues: readonly Issue[], at: string, type: string): Issue[] {
  if (at === '') return [...issues];
  return issues.map((issue) => ({
    ...issue,
    expression: (issue.expression ?? [type]).map((path) => at + path.replace(/^[A-Za-z]+/, '')),
  }));
}

function refusal(issues: readonly Issue[], at: string, type: string): CerebraError {
  const placed = placedBelow(issues, at, type);
  return new CerebraError('invalid-resource', placed.find(isError)!.diagnostics, { issues: placed });
}

/** Without the tag of an earlier version, and with it when there are faults now. */
function tagged(resource: Resource, faults: number): Resource {
  if (faults === 0 && !isTagged(resource)) return resource;
  const { meta = {} } = resource;
  const others = (meta.tag ?? []).filter((tag) => tag.system !== recordedTag.system);
  const display = `${faults} ${faults === 1 ? 'fault' : 'faults'} when it was stored; $validate tells them`;
  const tag = faults === 0 ? others : [...others, { ...recordedTag, display }];
  const { tag: _tag, ...rest } = meta;
  return { ...resource, meta: tag.length > 0 ? { ...rest, tag } : rest };
}

/**
 * Once each. Throws `invalid-resource` for more than are looked at: those after them would count for nothing, unseen. What is only
 * recorded keeps nothing out.
 */
function fewClaimsOf(policy: Policy, resource: Resource, at: string): string[] {
  const { resourceType: type } = resource;
  const claims = [...new Set(claimsOf(resource))];
  if (claims.length <= claimsMax) return claims;
  if (claims.every((one) => policy.records(type, one))) return claims.slice(0, claimsMax);
  const diagnostics = `${type}.meta.profile: at most ${claimsMax} profiles are checked, found ${claims.length}`;
  const expression = [`${type}.meta.profile`];
  throw refusal([{ severity: 'error', code: 'too-costly', diagnostics, expression }], at, type);
}

/** One after the other: made-up claims are asked of the database, and must not take all its connections. */
async function knownOf(source: ProfileSource, claims: readonly string[]): Promise<string[]> {
  const known: string[] = [];
  for (const claim of claims) {
    if (await source.find('StructureDefinition', claim)) known.push(claim);
  }
  return known;
}

/** Throws `unavailable` for a profile that is not here: it may be on its way, and nothing gets in unseen meanwhile. */
async function assertHere(source: ProfileSource, type: string, required: readonly string[]): Promise<void> {
  for (const canonical of required) {
    if (await source.find('StructureDefinition', canonical)) continue;
    const text = `Each ${type} must conform to ${canonical} (VALIDATION_PROFILES), which is not known here: load its package`;
    throw new CerebraError('unavailable', text);
  }
}

/** Profiles that the resource is held to. */
async function profilesOf({ policy, profiles }: OnWriteParts, resource: Resource, at: string): Promise<string[]> {
  const { resourceType } = resource;
  await assertHere(profiles, resourceType, policy.required(resourceType));
  const isAsked = policy.level(resourceType) === 'claimed';
  const claims = isAsked ? await knownOf(profiles, fewClaimsOf(policy, resource, at)) : [];
  return [...new Set([...policy.required(resourceType), ...claims])];
}

interface Faults {
  /** All issues of the profiles that are enforced; empty without an error among them. */
  refused: Issue[];
  recorded: number;
}

/**
 * `base` with the profiles that count, so that claims which are recorded, or not known, are not held against it. Entries of a
 * transaction are checked before their conditional references are resolved.
 */
async function faultsOf(
  parts: OnWriteParts,
  resource: Resource,
  profiles: readonly string[],
  around?: Around,
): Promise<Faults> {
  const { policy, validator } = parts;
  const { resourceType } = resource;
  const run = async (some: string[]) =>
    some.length === 0
      ? []
      : validator.validateResource(resource, {
          level: 'base',
          profiles: some,
          issuesMax: writeIssuesMax,
          inTransaction: true,
          around,
        });
  const recordable = profiles.filter((one) => policy.records(resourceType, one));
  const enforced = profiles.filter((one) => !policy.records(resourceType, one));
  const issues = await run(enforced);
  const refused = issues.some(isError) ? issues : [];
  return { refused, recorded: refused.length > 0 ? 0 : (await run(recordable)).filter(isError).length };
}

export function createOnWrite(parts: OnWriteParts): OnWrite {
  const { policy, admissions = {} } = parts;
  const admissionOf = (resource: Resource): Admission | undefined => {
    const { resourceType: type } = resource;
    if (!Object.hasOwn(admissions, type) || policy.off.has(type)) return undefined;
    return admissions[type]!.concerns(resource) ? admissions[type] : undefined;
  };
  const claims = (resource: Resource): boolean =>
    resource.meta?.profile !== undefined &&
    claimsOf(resource).length > 0 &&
    policy.level(resource.resourceType) === 'claimed';
  const concernsItself = (resource: Resource): boolean =>
    claims(resource) || policy.required(resource.resourceType).length > 0;
  const concerns = (resource: Resource): boolean =>
    concernsItself(resource) ||
    isTagged(resource) ||
    entriesOf(resource).some(claims) ||
    admissionOf(resource) !== undefined;

  async function refuseEntries(bundle: Resource, at: string): Promise<void> {
    const entries = Array.isArray(bundle.entry) ? bundle.entry : [];
    const shared: Around['shared'] = { bundles: new Map(), verdicts: new Map() };
    for (const [index, entry] of entries.entries()) {
      const resource = isObject(entry) && isObject(entry.resource) ? (entry.resource as Resource) : undefined;
      if (resource === undefined || !claims(resource)) continue;
      const place = `${at === '' ? 'Bundle' : at}.entry[${index}].resource`;
      const profiles = await profilesOf(parts, resource, place);
      const around = { bundle, fullUrl: isObject(entry) ? textOf(entry.fullUrl) : undefined, shared };
      const { refused } = await faultsOf(parts, resource, profiles, around);
      if (refused.length > 0) throw refusal(refused, place, resource.resourceType);
    }
  }

  /** How many faults are to be recorded. */
  async function judge(resource: Resource, at: string, beside: readonly Beside[]): Promise<number> {
    await refuseEntries(resource, at);
    const { refused, recorded } = await faultsOf(parts, resource, await profilesOf(parts, resource, at));
    if (refused.length > 0) throw refusal(refused, at, resource.resourceType);
    const impossible = (await admissionOf(resource)?.issuesOf(resource, beside)) ?? [];
    if (impossible.length > 0) throw refusal(impossible, at, resource.resourceType);
    return recorded;
  }

  async function checkNow(resource: Resource, at: string, beside: readonly Beside[]): Promise<Resource> {
    const faults = await judge(resource, at, beside);
    if (faults > 0) parts.onRecorded(resource.resourceType, faults);
    return tagged(resource, faults);
  }

  async function refusalOf(resource: Resource): Promise<Issue[]> {
    try {
      if (concerns(resource)) await judge(resource, '', []);
      return [];
    } catch (error) {
      if (isCerebraError(error)) return error.issues;
      throw error;
    }
  }

  return {
    policy,
    check: (resource, at = '', beside = []) => (concerns(resource) ? checkNow(resource, at, beside) : undefined),
    concerns,
    refusalOf,
  };
}
