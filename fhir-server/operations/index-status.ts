// $index-status: which custom search parameters are in force, and how far resources are indexed by them. R4 has no such
// operation. https://hl7.org/fhir/R4/searchparameter.html
import { type JsonObject, type OperationRequest, type OperationSpec, parseJson, type Resource } from '#fhir-model';
import { CerebraError, type Statement } from '#platform';
import type { Core } from '../interactions/core.ts';
import { readDefinition } from '../parameters/definition.ts';
import { readCurrent } from '../store/read.ts';
import { one, parametersOf } from './answer.ts';

interface Row {
  type: string;
  code: string;
  parameter: string;
  indexed: boolean;
  indexed_at: number | null;
  /** The run that completes it. */
  job: string | null;
  status: 'waiting' | 'running' | null;
  done: bigint | null;
  total: bigint | null;
}

/** A run completes those that are as old as its pass over their type, or whose type it has not come to yet. */
const states: Statement = {
  name: 'index_status',
  text: `select p.type, p.code, p.parameter, p.indexed, p.indexed_at, coalesce(p.run, r.id) as job, r.status, r.done, r.total
    from custom_parameter p left join lateral (
      select r.id, r.status, r.done, r.total from reindex_run r
      where not p.indexed and r.status in ('waiting', 'running') and p.type = any(r.types)
        and (array_position(r.types, p.type) > r.at + 1
          or (array_position(r.types, p.type) = r.at + 1 and coalesce(r.epoch >= p.epoch, true)))
      order by r.created limit 1) r on true
    where ($1::text is null or p.parameter = $1) and ($2::text is null or p.type = $2)
    order by p.type, p.code`,
};

function stateOf(core: Core, row: Row): JsonObject {
  const state = row.indexed ? 'complete' : row.job === null ? 'none' : 'reindexing';
  const part: JsonObject[] = [
    { name: 'definition', valueUri: core.parameters.get(row.type, row.code)?.url ?? '' },
    { name: 'parameter', valueReference: { reference: `SearchParameter/${row.parameter}` } },
    { name: 'type', valueCode: row.type },
    { name: 'code', valueCode: row.code },
    { name: 'state', valueCode: state },
  ];
  if (row.job !== null) part.push({ name: 'job', valueId: row.job });
  if (state === 'reindexing') part.push({ name: 'done', valueInteger: Number(row.done ?? 0n) });
  if (state === 'reindexing' && row.total !== null) part.push({ name: 'total', valueInteger: Number(row.total) });
  if (row.indexed_at !== null) part.push({ name: 'since', valueInstant: new Date(row.indexed_at).toISOString() });
  return { name: 'index', part };
}

/** Why a SearchParameter is not in force. */
async function unused(core: Core, { id, scope }: OperationRequest): Promise<JsonObject[]> {
  const found = await readCurrent(core.store.db, 'SearchParameter', id!, scope);
  if (!found) throw new CerebraError('not-found', `SearchParameter/${id} is not known`);
  if (found.deleted) throw new CerebraError('deleted', `SearchParameter/${id} was deleted`);
  const resource = parseJson(found.body).value as Resource;
  const { issues } = readDefinition({ ...resource, id: found.id }, core.store.registry.beside());
  const own = "It is one of R4's own, which are always in force";
  const reason =
    resource.status === 'active'
      ? (issues[0]?.diagnostics ?? own)
      : `Its status is ${String(resource.status)}, not active`;
  const part: JsonObject[] = [
    { name: 'parameter', valueReference: { reference: `SearchParameter/${found.id}` } },
    { name: 'state', valueCode: 'unused' },
    { name: 'reason', valueString: reason },
  ];
  return [{ name: 'index', part }];
}

async function status(core: Core, request: OperationRequest) {
  const { id, input, scope } = request;
  if (scope.kind !== 'everything') throw new CerebraError('forbidden', '$index-status needs access to everything');
  const { registry, db } = core.store;
  await registry.refresh();
  const type = one<string>(input, 'type') ?? null;
  const rows = await db.query<Row>(states, [id ?? null, type]);
  const found = rows.map((row) => stateOf(core, row));
  return { resource: parametersOf(found.length > 0 || id === undefined ? found : await unused(core, request)) };
}

export const indexStatusOperation = (core: Core): OperationSpec => ({
  name: 'index-status',
  title: 'State of custom search parameters',
  description:
    'Which custom search parameters are in force, and whether all resources are indexed by them: none, reindexing or complete',
  url: `${core.baseUrl}/OperationDefinition/SearchParameter-index-status`,
  type: ['SearchParameter'],
  system: false,
  typeLevel: true,
  instanceLevel: true,
  affectsState: false,
  parameters: [
    { name: 'type', use: 'in', min: 0, max: '1', type: 'code', documentation: 'Only parameters of this resource type' },
    {
      ...{ name: 'index', use: 'out', min: 0, max: '*', documentation: 'One for each parameter and resource type' },
      part: [
        { name: 'definition', use: 'out', min: 0, max: '1', type: 'uri' },
        { name: 'parameter', use: 'out', min: 1, max: '1', type: 'Reference' },
        { name: 'type', use: 'out', min: 0, max: '1', type: 'code' },
        { name: 'code', use: 'out', min: 0, max: '1', type: 'code' },
        {
          ...{ name: 'state', use: 'out', min: 1, max: '1', type: 'code' },
          documentation:
            'none, reindexing, complete; unused: the SearchParameter is not in force, for the reason given',
        },
        { name: 'reason', use: 'out', min: 0, max: '1', type: 'string' },
        { name: 'job', use: 'out', min: 0, max: '1', type: 'id', documentation: 'Of $reindex' },
        {
          name: 'done',
          use: 'out',
          min: 0,
          max: '1',
          type: 'integer',
          documentation: 'Resources that the job has seen',
        },
        { name: 'total', use: 'out', min: 0, max: '1', type: 'integer' },
        { name: 'since', use: 'out', min: 0, max: '1', type: 'instant', documentation: 'When it was complete' },
      ],
    },
  ],
  run: (request) => status(core, request),
});
