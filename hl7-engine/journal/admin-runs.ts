// Runs over all messages of a search for operators: begun, watched, paused, resumed, cancelled.
import { z } from 'zod';
import { type AdminRequest, type AdminResponse, type AdminRoute, CerebraError, type Db } from '#platform';
import { runContent, runPage, runRequest } from './admin-content.ts';
import { type FilterInput, filterJsonSchema, readFilter } from './filter.ts';
import { author, readBody } from './read-body.ts';
import type { Reprocessing } from './reprocess.ts';
import { findRun, listRuns, type RunChange, shownRun } from './reprocess-run.ts';

interface RunOptions {
  db: Db;
  reprocessing: Reprocessing;
}

const beginBody = z.strictObject({ filter: z.record(z.string(), z.unknown()), author });
const runsMax = 100;

async function begin({ reprocessing }: RunOptions, request: AdminRequest): Promise<AdminResponse> {
  const { filter, author: by } = readBody(beginBody, request);
  // What is kept is what was asked; it is read here so that a mistake is told at once.
  if (Object.keys(readFilter(filter)).length === 0) {
    throw new CerebraError(
      'invalid',
      'filter: name a condition at least; for all messages a time, as {"from": "2000-01-01"}',
    );
  }
  return { status: 202, body: shownRun(await reprocessing.begin(filter as FilterInput, by)) };
}

const idForm = /^[0-9a-f-]{36}$/;

async function one({ db }: RunOptions, { params }: AdminRequest): Promise<AdminResponse> {
  const run = idForm.test(params.id ?? '') ? await findRun(db, params.id!) : undefined;
  if (run === undefined) throw new CerebraError('not-found', 'There is no such run');
  return { status: 200, body: shownRun(run) };
}

async function change(options: RunOptions, request: AdminRequest, to: RunChange): Promise<AdminResponse> {
  const { body } = await one(options, request);
  const run = await options.reprocessing.change(request.params.id!, to);
  if (run !== undefined) return { status: 200, body: shownRun(run) };
  const { status } = body as { status: string };
  throw new CerebraError('business-rule', `A run that is ${status} cannot be told to ${to}`);
}

const changes: [RunChange, string][] = [
  ['pause', 'Lets the messages under way end and waits'],
  ['resume', 'Goes on with a run that was paused or has failed, where it was'],
  ['cancel', 'Ends a run; what it has done stays done'],
];

export function runRoutes(options: RunOptions): AdminRoute[] {
  const base = '/admin/hl7/reprocess-runs';
  return [
    {
      method: 'POST',
      path: base,
      summary: 'Processes all messages once more that match a filter: {filter, author}',
      description:
        "With the routes as they are now, one patient's in the order in which they came, four patients side by side; messages that come later are not in it.",
      request: runRequest(filterJsonSchema),
      response: runContent,
      statuses: [202],
      handle: (request) => begin(options, request),
    },
    {
      method: 'GET',
      path: base,
      summary: `The last ${runsMax} of these runs, newest first`,
      response: runPage,
      handle: async () => ({ status: 200, body: { runs: (await listRuns(options.db, runsMax)).map(shownRun) } }),
    },
    {
      method: 'GET',
      path: `${base}/:id`,
      summary: 'How far a run has come',
      response: runContent,
      handle: (request) => one(options, request),
    },
    ...changes.map(
      ([name, summary]): AdminRoute => ({
        method: 'POST',
        path: `${base}/:id/${name}`,
        summary,
        response: runContent,
        handle: (request) => change(options, request, name),
      }),
    ),
  ];
}
