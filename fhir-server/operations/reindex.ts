// $reindex: index rows made anew from what is stored, in the background, with its state at $reindex-status. R4 has no such
// operation; the answers follow https://hl7.org/fhir/R4/async.html: 202 with Content-Location, 202 with X-Progress
// until it is done, then 200.
import type { AccessScope, JsonObject, OperationAnswer, OperationRequest, OperationSpec } from '#fhir-model';
import { CerebraError, type Jobs, type Log } from '#platform';
import type { Core } from '../interactions/core.ts';
import { all, one, parametersOf } from './answer.ts';
import type { OperationParts } from './parts.ts';
import { continueRun, createRun, findRun, type ReindexRun, unfinished } from './reindex-run.ts';

const JOB = 'reindex';
const SWEEP = 'reindex-sweep';
/** Runs that a crash has left are found after so long. */
const SWEEP_MS = 30_000;

/** It is about what is stored, not about what a caller may see. */
function assertOperator(scope: AccessScope): void {
  if (scope.kind !== 'everything') throw new CerebraError('forbidden', '$reindex needs access to everything');
}

function typesOf(core: Core, { type, input }: OperationRequest): string[] {
  const given = all<string>(input, 'type').flatMap((text) => text.split(','));
  const wrong = given.find((name) => !core.definitions.isResourceType(name));
  if (wrong !== undefined) {
    throw new CerebraError('invalid-parameter', `'${wrong.slice(0, 80)}' is not a resource type of FHIR R4`, {
      expression: ['type'],
    });
  }
  if (type !== undefined) return [type];
  return given.length > 0 ? [...new Set(given)] : [...core.definitions.resourceTypes];
}

/** Has the index rows of these types made anew; yields the id of the job. */
export async function indexAnew(core: Core, jobs: Jobs, types: string[]): Promise<string> {
  const id = core.store.newId();
  await createRun(core.store.db, id, types, core.store.clock.now());
  // The run is in the database: should the queue be away, the sweep adds it when it is back.
  await jobs.add(JOB, { id }).catch(() => undefined);
  return id;
}

async function start(core: Core, jobs: Jobs | undefined, request: OperationRequest): Promise<OperationAnswer> {
  assertOperator(request.scope);
  if (!jobs) throw new CerebraError('unavailable', 'This server has no job queue: $reindex needs one');
  const id = await indexAnew(core, jobs, typesOf(core, request));
  const location = `${core.baseUrl}/$reindex-status?job=${id}`;
  return { status: 202, location, resource: parametersOf([{ name: 'job', valueId: id }]) };
}

const seconds = (ms: number): number => Math.round(ms / 100) / 10;

/** What is known of a run: `rate` in resources per second, `remaining` in seconds. */
function stateOf(run: ReindexRun, nowMs: number): JsonObject[] {
  const done = Number(run.done);
  const elapsedMs = run.started === null ? 0 : Math.max((run.ended ?? nowMs) - run.started, 1);
  const rate = elapsedMs > 0 ? (done / elapsedMs) * 1000 : 0;
  const total = run.total === null ? undefined : Math.max(Number(run.total), done);
  const under = run.status === 'running' ? run.types[run.at] : undefined;
  const state: JsonObject[] = [
    { name: 'job', valueId: run.id },
    { name: 'status', valueCode: run.status },
    { name: 'done', valueInteger: done },
    { name: 'changed', valueInteger: Number(run.changed) },
  ];
  if (total !== undefined) state.push({ name: 'total', valueInteger: total });
  if (under !== undefined) state.push({ name: 'type', valueCode: under });
  if (rate > 0) state.push({ name: 'rate', valueDecimal: Math.round(rate * 10) / 10 });
  if (rate > 0 && total !== undefined && run.status === 'running') {
    state.push({ name: 'remaining', valueDecimal: seconds(((total - done) / rate) * 1000) });
  }
  if (run.started !== null) state.push({ name: 'started', valueInstant: new Date(run.started).toISOString() });
  if (run.ended !== null) state.push({ name: 'ended', valueInstant: new Date(run.ended).toISOString() });
  if (run.error !== null) state.push({ name: 'error', valueString: run.error });
  return state;
}

async function status(core: Core, { input, scope }: OperationRequest): Promise<OperationAnswer> {
  assertOperator(scope);
  const run = await findRun(core.store.db, one<string>(input, 'job')!);
  if (!run) throw new CerebraError('not-found', 'There is no such job', { expression: ['job'] });
  const resource = parametersOf(stateOf(run, core.store.clock.now()));
  if (run.status === 'done' || run.status === 'failed') return { status: 200, resource };
  const progress = run.total === null ? 'waiting' : `${run.done} of ${run.total} resources`;
  return { status: 202, headers: { 'X-Progress': progress, 'Retry-After': '1' }, resource };
}

function defineJobs(core: Core, jobs: Jobs, log: Log): void {
  jobs.define(JOB, async ({ id }) => {
    const outcome = await continueRun(core.store, String(id), core.store.newId());
    if (outcome === 'left') await jobs.add(JOB, { id });
    else if (outcome === 'ended') log.info({ job: id }, 'reindex ended');
  });
  jobs.define(SWEEP, async () => {
    for (const id of await unfinished(core.store.db)) await jobs.add(JOB, { id });
  });
}

/** To be called once the queue has started. */
export const scheduleReindex = (jobs: Jobs): Promise<void> => jobs.every(SWEEP, SWEEP_MS);

export function reindexOperations(core: Core, { jobs, log }: OperationParts): OperationSpec[] {
  if (jobs) defineJobs(core, jobs, log);
  return [
    {
      name: 'reindex',
      title: 'Rebuild the search index',
      description:
        'Makes the index rows of all resources, or of some types, anew: a job whose state $reindex-status tells',
      url: `${core.baseUrl}/OperationDefinition/reindex`,
      type: true,
      system: true,
      typeLevel: true,
      instanceLevel: false,
      affectsState: true,
      parameters: [
        {
          ...{ name: 'type', use: 'in', min: 0, max: '*', type: 'string' },
          documentation: 'Resource types, with commas; all without it. At type level it is that type',
        },
        { name: 'job', use: 'out', min: 1, max: '1', type: 'id' },
      ],
      run: (request) => start(core, jobs, request),
    },
    {
      name: 'reindex-status',
      title: 'State of a rebuild',
      description: 'How far a job of $reindex is: 202 while it runs, 200 when it has ended',
      url: `${core.baseUrl}/OperationDefinition/reindex-status`,
      type: true,
      system: true,
      typeLevel: false,
      instanceLevel: false,
      affectsState: false,
      parameters: [
        { name: 'job', use: 'in', min: 1, max: '1', type: 'id' },
        { name: 'job', use: 'out', min: 1, max: '1', type: 'id' },
        {
          name: 'status',
          use: 'out',
          min: 1,
          max: '1',
          type: 'code',
          documentation: 'waiting, running, done or failed',
        },
        { name: 'done', use: 'out', min: 1, max: '1', type: 'integer', documentation: 'Resources looked at' },
        {
          name: 'changed',
          use: 'out',
          min: 1,
          max: '1',
          type: 'integer',
          documentation: 'Of these, not indexed right',
        },
        { name: 'total', use: 'out', min: 0, max: '1', type: 'integer', documentation: 'Resources when it began' },
        { name: 'type', use: 'out', min: 0, max: '1', type: 'code', documentation: 'The type under way' },
        { name: 'rate', use: 'out', min: 0, max: '1', type: 'decimal', documentation: 'Resources per second' },
        { name: 'remaining', use: 'out', min: 0, max: '1', type: 'decimal', documentation: 'Seconds, as it goes' },
        { name: 'started', use: 'out', min: 0, max: '1', type: 'instant' },
        { name: 'ended', use: 'out', min: 0, max: '1', type: 'instant' },
        { name: 'error', use: 'out', min: 0, max: '1', type: 'string' },
      ],
      run: (request) => status(core, request),
    },
  ];
}
