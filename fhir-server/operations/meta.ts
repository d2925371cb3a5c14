// $meta, $meta-add, $meta-delete: https://hl7.org/fhir/R4/resource-operation-meta.html
// R4 dropped the sentence of its drafts that $meta-add makes no new version. Here it makes one, as any change does:
// ETag, If-Match, history and the change stream (Subscriptions on _tag, access by label) stay true. A call that changes
// nothing makes none.
import type {
  AccessScope,
  Json,
  JsonObject,
  Meta,
  OperationAnswer,
  OperationRequest,
  OperationSpec,
  Resource,
  StoredVersion,
} from '#fhir-model';
import { parseJson } from '#fhir-model';
import { CerebraError } from '#platform';
import { scopeSql } from '../access/scope.ts';
import type { Core } from '../interactions/core.ts';
import { labelIdentity as identity } from '../interactions/labels.ts';
import { createWriter } from '../ports.ts';
import { factsOf } from '../search/index-tests.ts';
import { currentTable } from '../store/layout.ts';
import { readCurrent, readVersion } from '../store/read.ts';
import { token } from '../store/tokens.ts';
import { one, parametersOf } from './answer.ts';
import { assertVersionGiven, versionAsserter } from './version-asserted.ts';

const LABELS = ['profile', 'security', 'tag'] as const;

/** Labels that one call adds or deletes: a resource has a handful, and each is an index entry. */
const GIVEN_MAX = 1000;

/** Different labels of a type or of the whole server at most: they are an answer for choosing from. */
const LABELS_MAX = 10_000;

const metaOf = ({ body }: StoredVersion): Meta => (JSON.parse(body) as Resource).meta ?? {};

const answer = (meta: Meta): OperationAnswer => ({
  resource: parametersOf(Object.keys(meta).length > 0 ? [{ name: 'return', valueMeta: meta }] : []),
});

/** The nominated version. Throws `not-found` and `deleted`. */
async function readTarget(core: Core, { type, id, version, scope }: OperationRequest): Promise<StoredVersion> {
  const { db } = core.store;
  const found =
    version === undefined
      ? await readCurrent(db, type!, id!, scope)
      : await readVersion(db, type!, id!, version, scope);
  const name = version === undefined ? `${type}/${id}` : `${type}/${id}/_history/${version}`;
  if (!found) throw new CerebraError('not-found', `${name} is not known`);
  if (found.deleted) throw new CerebraError('deleted', `${name} was deleted as version ${found.version}`);
  return found;
}

function distinct<T>(labels: readonly T[]): T[] {
  return [...new Map(labels.toReversed().map((label) => [identity(label), label])).values()].toReversed();
}

/** A profile that has only extensions is null: https://hl7.org/fhir/R4/json.html#null */
type Labels = (JsonObject | string | null)[];

const labelsOf = (meta: Meta | undefined, kind: (typeof LABELS)[number]): Labels => (meta?.[kind] as Labels) ?? [];

type Change = (existing: Labels, given: Labels) => Labels;

const add: Change = (existing, given) => {
  const known = new Set(existing.map(identity));
  return [...existing, ...distinct(given).filter((label) => !known.has(identity(label)))];
};

const remove: Change = (existing, given) => {
  const gone = new Set(given.map(identity));
  return existing.filter((label) => !gone.has(identity(label)));
};

const withoutNulls = (labels: Labels): Labels => labels.filter((label) => label !== null);

/** `_profile` stays beside the profiles that it is about. */
function profileExtensions({ _profile: beside }: Meta, existing: Labels, labels: Labels): (Json | undefined)[] {
  const kept = existing.flatMap((label, i) => (labels.includes(label) ? [(beside as Json[])[i] ?? null] : []));
  return kept.some((one) => one !== null) ? labels.map((_, i) => kept[i] ?? null) : [];
}

/** `meta` with the change; undefined when it changes nothing. */
function changed(meta: Meta | undefined, given: Meta, change: Change): Meta | undefined {
  const result: Meta = { ...meta };
  let same = true;
  for (const kind of LABELS) {
    const existing = labelsOf(meta, kind);
    const labels = change(existing, withoutNulls(labelsOf(given, kind)));
    if (labels.length === existing.length) continue;
    same = false;
    if (labels.length > 0) Object.assign(result, { [kind]: labels });
    else delete result[kind];
    if (kind !== 'profile' || !Array.isArray(result._profile)) continue;
    const beside = profileExtensions(result, existing, labels);
    if (beside.length > 0) Object.assign(result, { _profile: beside });
    else delete result._profile;
  }
  return same ? undefined : result;
}

const changeMeta =
  (core: Core, change: Change) =>
  async (request: OperationRequest): Promise<OperationAnswer> => {
    const { type, id, scope, input } = request;
    const given = one<JsonObject>(input, 'meta') as Meta;
    if (LABELS.some((kind) => labelsOf(given, kind).length > GIVEN_MAX)) {
      throw new CerebraError('too-costly', `A call may have ${GIVEN_MAX} profiles, tags or labels`, {
        expression: ['meta'],
      });
    }
    const current = await readTarget(core, request);
    assertVersionGiven(core, type!, request);
    const assertVersion = versionAsserter(type!, id!, request);
    assertVersion(current.version);
    if (!changed(metaOf(current), given, change)) return answer(metaOf(current));
    const merge = (existing: Resource | undefined): Resource => {
      if (!existing) throw new CerebraError('not-found', `${type}/${id} is not known`);
      assertVersion(Number(existing.meta?.versionId));
      const meta = changed(existing.meta, given, change);
      // Others have made the same change since it was looked at.
      return meta === undefined ? existing : { ...existing, meta };
    };
    const resource = { resourceType: type!, id: id! };
    const [result] = await createWriter(core).transaction([{ method: 'PUT', url: `${type}/${id}`, resource, merge }], {
      scope,
    });
    return answer((JSON.parse(result!.body) as Resource).meta ?? {});
  };

/** As json and not jsonb, which fails on numbers beyond its range; a label is told by its text. */
const labelsSql = (table: string, condition: string): string => `select distinct l.kind, l.label from (
    select m.body::json -> 'meta' as meta from ${table} m where ${factsOf('m')} && $1::bigint[] and ${condition}) m,
  lateral (
    select 'profile' as kind, value::text as label from json_array_elements(meta -> 'profile') union all
    select 'security', value::text from json_array_elements(meta -> 'security') union all
    select 'tag', value::text from json_array_elements(meta -> 'tag')) l limit $2`;

async function usedLabels(core: Core, type: string | undefined, scope: AccessScope): Promise<Meta> {
  const access = scopeSql(scope);
  const types = type === undefined ? core.definitions.resourceTypes : [type];
  const params = types.flatMap((name) => LABELS.map((kind) => core.parameters.get(name, `_${kind}`)));
  const tokens = params.flatMap((param) => (param ? [token.present(param)] : []));
  const table = type === undefined ? 'resource' : currentTable(type);
  const rows = await core.store.db.query<{ kind: (typeof LABELS)[number]; label: string }>(
    { text: labelsSql(table, access.condition('m', 3)) },
    [`{${tokens.join(',')}}`, LABELS_MAX + 1, ...access.values],
  );
  if (rows.length > LABELS_MAX) {
    throw new CerebraError('too-costly', `More than ${LABELS_MAX} different profiles, tags and labels are in use`);
  }
  const sorted = rows.sort((a, b) => (a.label < b.label ? -1 : 1));
  const meta: Meta = {};
  for (const kind of LABELS) {
    const told = sorted.filter((row) => row.kind === kind).map((row) => parseJson(row.label).value as Labels[number]);
    const labels = distinct(withoutNulls(told));
    if (labels.length > 0) Object.assign(meta, { [kind]: labels });
  }
  return meta;
}

const changeSpec = (core: Core, name: 'meta-add' | 'meta-delete', change: Change): OperationSpec => ({
  name,
  title: name === 'meta-add' ? 'Add profiles, tags and labels' : 'Delete profiles, tags and labels',
  description:
    name === 'meta-add'
      ? 'Adds profiles, tags and security labels to a resource, as a new version if that changes it'
      : 'Deletes profiles, tags and security labels from a resource, as a new version if that changes it',
  url: `http://hl7.org/fhir/OperationDefinition/Resource-${name}`,
  type: true,
  system: false,
  typeLevel: false,
  instanceLevel: true,
  affectsState: true,
  parameters: [
    { name: 'meta', use: 'in', min: 1, max: '1', type: 'Meta' },
    { name: 'return', use: 'out', min: 1, max: '1', type: 'Meta' },
  ],
  run: changeMeta(core, change),
});

export const metaOperations = (core: Core): OperationSpec[] => [
  {
    name: 'meta',
    title: 'Profiles, tags and labels in use',
    description:
      'The meta of a resource or one of its versions; of a type or the server all profiles, tags and security labels in use',
    url: 'http://hl7.org/fhir/OperationDefinition/Resource-meta',
    type: true,
    system: true,
    typeLevel: true,
    instanceLevel: true,
    versioned: true,
    affectsState: false,
    parameters: [{ name: 'return', use: 'out', min: 1, max: '1', type: 'Meta' }],
    run: async (request) =>
      answer(
        request.id === undefined
          ? await usedLabels(core, request.type, request.scope)
          : metaOf(await readTarget(core, request)),
      ),
  },
  changeSpec(core, 'meta-add', add),
  changeSpec(core, 'meta-delete', remove),
];
