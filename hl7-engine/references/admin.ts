// How far moved references have come, for operators.
import {
  type AdminContent,
  type AdminRequest,
  type AdminResponse,
  type AdminRoute,
  CerebraError,
  type Db,
} from '#platform';
import { findReferenceRun, lastRuns, type ReferenceRun } from './runs.ts';

const runsMax = 100;

const shown = (run: ReferenceRun): Record<string, unknown> => ({
  id: String(run.id),
  kind: run.kind,
  from: `Patient/${run.from_id}`,
  to: `Patient/${run.to_id}`,
  about: run.about,
  status: run.status,
  moved: Number(run.moved),
  kept: Number(run.kept),
  remaining: run.remaining === null ? null : Number(run.remaining),
  createdAt: new Date(run.created).toISOString(),
  endedAt: run.ended === null ? null : new Date(run.ended).toISOString(),
  error: run.error,
});

const properties = {
  id: { type: 'string' },
  kind: { type: 'string', enum: ['merge', 'unmerge'] },
  from: { type: 'string', description: 'Whom the references are to' },
  to: { type: 'string', description: 'Whom they are to be to' },
  about: { type: ['string', 'null'], description: 'Only what refers to this as well: a visit that was moved' },
  status: { type: 'string', enum: ['waiting', 'done', 'cancelled', 'failed'] },
  moved: { type: 'integer', description: 'Resources that were changed, beside those of the message itself' },
  kept: { type: 'integer', description: 'Resources that had changed since the merge and were left' },
  remaining: { type: ['integer', 'null'], description: 'As of the last portion; null before the first' },
  createdAt: { type: 'string', format: 'date-time' },
  endedAt: { type: ['string', 'null'], format: 'date-time' },
  error: { type: ['string', 'null'], description: 'Why it failed last; it is tried again' },
};

const example = {
  id: '3',
  kind: 'merge',
  from: 'Patient/1',
  to: 'Patient/2',
  about: null,
  status: 'waiting',
  moved: 2000,
  kept: 0,
  remaining: 1500,
  createdAt: '2026-01-31T12:00:00.000Z',
  endedAt: null,
  error: null,
};

const one: AdminContent = { schema: { type: 'object', properties }, example };
const page: AdminContent = {
  schema: { type: 'object', properties: { runs: { type: 'array', items: { type: 'object', properties } } } },
  example: { runs: [example] },
};

export function referenceRoutes(db: Db): AdminRoute[] {
  const base = '/admin/hl7/reference-runs';
  return [
    {
      method: 'GET',
      path: base,
      summary: `The last ${runsMax} merges and unmerges of patients whose references were too many for one transaction`,
      response: page,
      handle: async () => ({ status: 200, body: { runs: (await lastRuns(db, runsMax)).map(shown) } }),
    },
    {
      method: 'GET',
      path: `${base}/:id`,
      summary: 'How far one of them has come',
      response: one,
      handle: (request) => read(db, request),
    },
  ];
}

async function read(db: Db, { params }: AdminRequest): Promise<AdminResponse> {
  const id = /^\d{1,18}$/.test(params.id ?? '') ? BigInt(params.id!) : undefined;
  const run = id === undefined ? undefined : await findReferenceRun(db, id);
  if (run === undefined) throw new CerebraError('not-found', 'There is no such run');
  return { status: 200, body: shown(run) };
}
