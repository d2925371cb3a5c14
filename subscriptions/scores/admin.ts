// Admin endpoints of scores: the tables that they are computed with, and the way in for vital signs that were stored before.
import type { AccessScope, ResourceReader, StoredVersion } from '#fhir-model';
import { type AdminRoute, CerebraError, type Clock, type Db, withKnownQuery } from '#platform';
import { textParameter } from '../admin-query.ts';
import { insertDeliveries } from '../dispatch/owe.ts';
import type { ScoreSet } from './schema.ts';

export interface ScoreAdmin {
  db: Db;
  reader: ResourceReader;
  scope: AccessScope;
  clock: Clock;
  set: ScoreSet;
  subscriber: string;
  /** Tokens of all vital signs, for a search. */
  codes: readonly string[];
}

const observationsMax = 500;

export function scoreRoutes(options: ScoreAdmin): AdminRoute[] {
  const { vitals, tables } = options.set;
  const routes: AdminRoute[] = [
    {
      method: 'GET',
      path: '/admin/scores',
      summary:
        'Early warning scores in force: points, windows, levels and sources, and the codes of the vital signs they look at',
      handle: async () => ({ status: 200, body: { vitals, scores: tables } }),
    },
    {
      method: 'POST',
      path: '/admin/scores/take-in',
      summary: `Takes in up to ${observationsMax} stored vital signs, as if they arrived now`,
      description: 'For what was stored before scores were computed. Doing it twice changes nothing.',
      parameters: [textParameter('cursor', '`next` of the answer before')],
      statuses: [202],
      handle: async ({ query }) => ({ status: 202, body: await takeIn(options, query.get('cursor')) }),
    },
  ];
  // A cursor that is spelt wrong would take in the first page again and again.
  return routes.map(withKnownQuery);
}

async function takeIn({ db, reader, scope, clock, set, subscriber, codes }: ScoreAdmin, cursor: string | null) {
  if (set.tables.length === 0) {
    throw new CerebraError('business-rule', 'No scores are computed: name some in SCORES first');
  }
  const page = cursor === null ? '' : `&_cursor=${encodeURIComponent(cursor)}`;
  const query = `combo-code=${encodeURIComponent(codes.join(','))}&_count=${observationsMax}&_total=none${page}`;
  const { resources, nextCursor } = await reader.search('Observation', query, scope);
  const nowMs = clock.now();
  await insertDeliveries(
    db,
    resources.map((one) => ({ subscriber, change: changeOf(one, nowMs) })),
  );
  return { taken: resources.length, ...(nextCursor === undefined ? {} : { next: nextCursor }) };
}

/** Of no place in the stream: the reading is taken as the store has it when its turn comes. */
const changeOf = ({ type, id, version, body }: StoredVersion, updatedMs: number) => ({
  ...{ xid: 0n, seq: 0n, type, id, version, op: 'update' as const, updatedMs, body },
});
