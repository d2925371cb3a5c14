// $validate: https://hl7.org/fhir/R4/resource-operation-validate.html
// 200 with an OperationOutcome, whatever is wrong with the resource; errors are for calls that can't be carried out.
import {
  type Issue,
  type OperationAnswer,
  type OperationRequest,
  type OperationSpec,
  parseJson,
  type Resource,
  type StoredVersion,
} from '#fhir-model';
import { CerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { readCurrent } from '../store/read.ts';
import { isError } from '../validation/on-write.ts';
import { sentType } from '../validation/primitives.ts';
import { all, one } from './answer.ts';
import { readInput } from './input.ts';
import { interactionIssues, type Mode, modeOf, type Target } from './validate-mode.ts';
import { validationOutcome } from './validate-outcome.ts';
import { askedOf, type Given } from './validate-source.ts';

/** A caller can mend a few hundred faults at a time; a hostile body could have a million. */
const validateIssuesMax = 500;
/** Each is another walk over the resource. */
const profilesMax = 20;
/** References that are looked up in the store: 1 ms each; those after them are not told of. */
const lookUpsMax = 1000;

/** `a,b` or `a` and `b`: a canonical has no comma. */
function profilesOf(given: readonly string[]): string[] {
  const profiles = [
    ...new Set(
      given
        .flatMap((text) => text.split(','))
        .map((text) => text.trim())
        .filter((text) => text !== ''),
    ),
  ];
  if (profiles.length <= profilesMax) return profiles;
  throw new CerebraError('too-costly', `A call may name ${profilesMax} profiles, found ${profiles.length}`, {
    expression: ['profile'],
  });
}

/** Throws `invalid-parameter` for a profile that is not here: nothing could be said about it. */
async function assertKnown(core: Core, profiles: readonly string[]): Promise<void> {
  for (const profile of profiles) {
    if (await core.canonicals.find('StructureDefinition', profile)) continue;
    const text = `The profile '${profile.slice(0, 200)}' is not known here: load the package that has it, or post its StructureDefinition`;
    throw new CerebraError('invalid-parameter', text, { expression: ['profile'] });
  }
}

function assertType(type: string | undefined, { resourceType }: Resource): void {
  if (type === undefined || type === resourceType) return;
  const text = `The URL names ${type}, the resource is ${sentType(resourceType)}`;
  throw new CerebraError('invalid', text, { expression: ['resource'] });
}

function storedResource({ type, id }: OperationRequest, found: StoredVersion | undefined): Resource {
  if (!found) throw new CerebraError('not-found', `${type}/${id} is not known: there is nothing to validate`);
  if (found.deleted) throw new CerebraError('deleted', `${type}/${id} was deleted as version ${found.version}`);
  return parseJson(found.body).exact as Resource;
}

interface Work {
  mode: Mode | undefined;
  profiles: readonly string[];
  mustSupport: boolean;
  target: Target;
  request: OperationRequest;
}

/** What stands here, or would be written, has to conform to what this server asks of its type, too: VALIDATION_PROFILES. */
function requiredOf(core: Core, { resourceType }: Resource, { mode, target }: Work): readonly string[] {
  const isHere = target.id !== undefined || mode === 'create' || mode === 'update';
  return isHere ? core.onWrite.policy.required(resourceType) : [];
}

async function contentIssues(core: Core, resource: Resource, work: Work) {
  const { mode, profiles, mustSupport, request } = work;
  const { scope } = request;
  const { db } = core.store;
  let lookUps = 0;
  const existence = async (type: string, id: string): Promise<boolean> => {
    if (!core.definitions.isResourceType(type)) return false;
    if (lookUps++ >= lookUpsMax) return true;
    const found = await readCurrent(db, type, id, scope);
    return found !== undefined && !found.deleted;
  };
  const issues = await core.validation.validateResource(resource, {
    profiles: profiles.length > 0 ? profiles : requiredOf(core, resource, work),
    mustSupport,
    existence,
    issuesMax: validateIssuesMax,
  });
  const told = issues.map(withoutIntegrity);
  return mode === 'create' || mode === 'update' ? [...told, ...(await writeIssues(core, resource, told))] : told;
}

const acceptedText = 'A write takes it all the same: these faults are recorded, or not looked at (VALIDATION…)';

/** What a write refuses beyond what is told, and that it takes what is not valid, where the configuration says so. */
async function writeIssues(core: Core, resource: Resource, told: readonly Issue[]): Promise<Issue[]> {
  const structure = core.store.validator.validate(resource).filter(isError);
  const refused = structure.length > 0 ? structure : await core.onWrite.refusalOf(resource);
  if (refused.length === 0 && told.some(isError)) {
    return [{ severity: 'information', code: 'informational', diagnostics: acceptedText }];
  }
  const known = new Set(told.map(({ diagnostics }) => diagnostics));
  return refused.filter(({ diagnostics }) => !known.has(diagnostics));
}

/** This server stores references to what is not here: nothing is refused for that. */
const withoutIntegrity = (issue: Issue): Issue =>
  issue.messageId === 'reference-absent' ? { ...issue, severity: 'warning' } : issue;

/** Of the interaction that the mode names, and of the content unless it is to be deleted. */
async function issuesOf(core: Core, resource: Resource | undefined, work: Work): Promise<Issue[]> {
  const { mode, target } = work;
  const content = resource === undefined || mode === 'delete' ? [] : await contentIssues(core, resource, work);
  return [...content, ...(mode === undefined ? [] : interactionIssues(core, mode, target, resource))];
}

const needed = (): CerebraError =>
  new CerebraError('required', "$validate needs a resource: post it as it is, or as the parameter 'resource'", {
    expression: ['resource'],
  });

async function validate(core: Core, request: OperationRequest): Promise<OperationAnswer> {
  const { type, id, scope, ifMatch } = request;
  const read = (parameters: Resource) => readInput(core.definitions, validateOperation(core), [], parameters).input;
  const { given, input } = await askedOf(core, request, read);
  const profiles = profilesOf(all<string>(input, 'profile'));
  const mode = modeOf(one<string>(input, 'mode'), id, profiles);
  if (given && 'issues' in given) return { resource: validationOutcome(given.issues, 'unread') };
  await assertKnown(core, profiles);
  if (given) assertType(type, given.resource);
  const found = id === undefined ? undefined : await readCurrent(core.store.db, type!, id, scope);
  if (!given && id === undefined) throw needed();
  const resource = given?.resource ?? (mode === 'delete' ? undefined : storedResource(request, found));
  const work: Work = {
    mode,
    profiles,
    mustSupport: one<boolean>(input, 'mustSupport') ?? false,
    target: { type, id, found, ifMatch },
    request,
  };
  const source = (given as Given | undefined)?.source;
  return { resource: validationOutcome(await issuesOf(core, resource, work), source) };
}

export const validateOperation = (core: Core): OperationSpec => ({
  name: 'validate',
  title: 'Validate a resource',
  description:
    'Tells whether a resource is valid, conforms to profiles, and would be accepted by a create, update or delete',
  url: 'http://hl7.org/fhir/OperationDefinition/Resource-validate',
  type: true,
  system: true,
  typeLevel: true,
  instanceLevel: true,
  affectsState: false,
  takesText: true,
  parameters: [
    {
      ...{ name: 'resource', use: 'in', min: 0, max: '1', type: 'Resource' },
      documentation: 'What is to be validated; without it, at [type]/[id], what is stored there',
    },
    {
      ...{ name: 'mode', use: 'in', min: 0, max: '1', type: 'code' },
      documentation: 'create, update, delete: whether that would be accepted; profile: only the profiles named',
    },
    {
      ...{ name: 'profile', use: 'in', min: 0, max: '*', type: 'canonical' },
      documentation: 'Canonical URL, perhaps with |version, of a profile that it is to conform to; several with commas',
    },
    {
      ...{ name: 'mustSupport', use: 'in', min: 0, max: '1', type: 'boolean' },
      documentation: 'Tell as well which elements are absent that a profile marks as mustSupport',
    },
    { name: 'return', use: 'out', min: 1, max: '1', type: 'OperationOutcome' },
  ],
  run: (request) => validate(core, request),
});
