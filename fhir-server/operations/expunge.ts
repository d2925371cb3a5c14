// $expunge: what is deleted or past is removed for good, as data-protection law may ask. R4 has no such operation;
// name and parameters are those that other servers have.
import type { OperationAnswer, OperationParameter, OperationRequest, OperationSpec } from '#fhir-model';
import { CerebraError, type Tx } from '#platform';
import { assertWrites } from '../access/scope.ts';
import type { Core } from '../interactions/core.ts';
import { type ExpungeWork, expungeVersions, lockExpunge } from '../store/expunge.ts';
import { readCurrent } from '../store/read.ts';
import { lockRows } from '../store/write-many.ts';
import { one, parametersOf } from './answer.ts';
import type { OperationParts } from './parts.ts';
import { type AssertVersion, versionAsserter } from './version-asserted.ts';

/** Versions a call without `limit`. */
const LIMIT_DEFAULT = 1000;
/** Versions a call at most: a transaction of some seconds. */
const LIMIT_MAX = 50_000;

const flag = (name: string, documentation: string): OperationParameter => ({
  ...{ name, use: 'in', min: 0, max: '1', type: 'boolean', documentation },
});

const parameters: OperationParameter[] = [
  flag('expungeDeletedResources', 'Deleted resources, with all their versions'),
  flag('expungePreviousVersions', 'Versions that are not the current one'),
  {
    ...{ name: 'limit', use: 'in', min: 0, max: '1', type: 'positiveInt' },
    documentation: `Versions at most, ${LIMIT_DEFAULT} unless told, ${LIMIT_MAX} at most: call again until count is less`,
  },
  { name: 'count', use: 'out', min: 1, max: '1', type: 'integer', documentation: 'Versions that are gone' },
];

function workOf({ input, version }: OperationRequest): ExpungeWork {
  const deletedResources = one<boolean>(input, 'expungeDeletedResources') ?? false;
  const previousVersions = one<boolean>(input, 'expungePreviousVersions') ?? version !== undefined;
  if (!deletedResources && !previousVersions) {
    throw new CerebraError('required', 'Say what is to go: expungeDeletedResources or expungePreviousVersions', {
      expression: ['expungeDeletedResources', 'expungePreviousVersions'],
    });
  }
  if (version !== undefined && deletedResources) {
    throw new CerebraError('invalid-parameter', 'Of one version only expungePreviousVersions can be asked', {
      expression: ['expungeDeletedResources'],
    });
  }
  const limit = one<number>(input, 'limit') ?? LIMIT_DEFAULT;
  if (limit > LIMIT_MAX) {
    throw new CerebraError('invalid-parameter', `limit is ${LIMIT_MAX} at most`, { expression: ['limit'] });
  }
  return { deletedResources, previousVersions, limit };
}

/** Locks the resource, if there is one: it stays what it is asserted to be until its versions are gone. */
async function assertTarget(tx: Tx, { type, id, version, scope }: OperationRequest, asserted: AssertVersion) {
  if (id === undefined) return;
  const [locked] = await lockRows(tx, type!, [id], scope);
  const found = locked ?? (await readCurrent(tx, type!, id, scope));
  if (!found) throw new CerebraError('not-found', `${type}/${id} is not known`);
  asserted(locked?.version ?? 0);
  if (version !== undefined && found.version === version) {
    const text = `Version ${version} of ${type}/${id} is the current one: it can't be expunged`;
    throw new CerebraError('business-rule', text);
  }
}

/** Throws `invalid` for If-Match where there is no one resource whose version it could mean. */
function asserterOf(request: OperationRequest): AssertVersion {
  const { type, id, ifMatch } = request;
  if (id !== undefined) return versionAsserter(type!, id, request);
  if (ifMatch === undefined) return () => {};
  throw new CerebraError('invalid', 'If-Match is about one resource: call [type]/[id]/$expunge, or leave it out', {
    expression: ['If-Match'],
  });
}

async function expunge(
  core: Core,
  { log, expunge: allowed }: OperationParts,
  request: OperationRequest,
): Promise<OperationAnswer> {
  assertWrites(request.scope);
  if (!allowed) {
    throw new CerebraError('forbidden', '$expunge is switched off: EXPUNGE=on in the configuration allows it');
  }
  const work = workOf(request);
  const asserted = asserterOf(request);
  const { type, id, version, scope } = request;
  const types = type === undefined ? core.definitions.resourceTypes : [type];
  let count = 0;
  for (const each of types) {
    if (count >= work.limit) break;
    const target = {
      type: each,
      ...(id === undefined ? {} : { id }),
      ...(version === undefined ? {} : { version }),
    };
    const left = { ...work, limit: work.limit - count };
    count += await core.store.db.tx(async (tx) => {
      await lockExpunge(tx, each);
      await assertTarget(tx, request, asserted);
      return expungeVersions(tx, target, left, scope);
    });
  }
  const { deletedResources, previousVersions } = work;
  const level = id !== undefined ? 'instance' : type !== undefined ? 'type' : 'system';
  log.warn({ audit: 'expunge', level, type, deletedResources, previousVersions, versions: count }, 'versions expunged');
  return { resource: parametersOf([{ name: 'count', valueInteger: count }]) };
}

export const expungeOperation = (core: Core, parts: OperationParts): OperationSpec => ({
  name: 'expunge',
  title: 'Remove for good',
  description: 'Removes deleted resources and former versions for good, if the configuration allows it (EXPUNGE=on)',
  url: `${core.baseUrl}/OperationDefinition/expunge`,
  type: true,
  system: true,
  typeLevel: true,
  instanceLevel: true,
  versioned: true,
  affectsState: true,
  parameters,
  run: (request) => expunge(core, parts, request),
});
