// The operator's view of the journal. Bodies hold patients' data: these routes belong behind the admin authentication, and
// who looks at one is logged.
import { z } from 'zod';
import {
  type AdminRequest,
  type AdminResponse,
  type AdminRoute,
  CerebraError,
  type Clock,
  type Db,
  type Log,
} from '#platform';
import type { Dictionary } from '../message/dictionary.ts';
import type { Source } from '../seams.ts';
import {
  authorContent,
  mappedContent,
  messageContent,
  messagePage,
  parsedContent,
  writtenContent,
} from './admin-content.ts';
import { decisionRoutes } from './admin-decisions.ts';
import { runRoutes } from './admin-runs.ts';
import { filterParameters, numberOf, pageParameters, readPage, readQuery } from './filter.ts';
import { type MessageRow, shown } from './message-row.ts';
import { author, readBody, whoAsks } from './read-body.ts';
import type { Reprocessing } from './reprocess.ts';
import { searchMessages } from './search.ts';
import { type Bodies, overview, parsedTree, readMessage, writtenOf } from './view.ts';

export interface JournalAdminOptions {
  db: Db;
  log: Log;
  clock: Clock;
  /** Yields the acknowledgment, or undefined if there is no such message. */
  reprocess(id: bigint, who?: string): Promise<Buffer | undefined>;
  /** What the routes as they are now would make of a message; nothing is stored. */
  dryRun(raw: Buffer, source: Source): Promise<unknown>;
  dictionary(): Promise<Dictionary>;
  reprocessing: Reprocessing;
}

const notFound = (): CerebraError => new CerebraError('not-found', 'There is no such HL7 message in the journal');

/** An audit line: who saw which message's content, and none of it. */
function audit({ log }: JournalAdminOptions, request: AdminRequest, id: bigint, what: string): void {
  log.info({ audit: 'hl7-message', who: whoAsks(request), journalId: String(id), what }, 'HL7 message looked at');
}

/** Throws CerebraError `not-found`. */
async function lookUp(options: JournalAdminOptions, request: AdminRequest, what: string): Promise<MessageRow & Bodies> {
  const id = numberOf(request.params.id);
  const row = id === undefined ? undefined : await readMessage(options.db, id);
  if (row === undefined) throw notFound();
  audit(options, request, row.id, what);
  return row;
}

async function list({ db, log }: JournalAdminOptions, request: AdminRequest): Promise<AdminResponse> {
  const page = readPage(request.query);
  const filter = readQuery(request.query);
  const search = { filter, order: 'newest' as const, limit: page.limit };
  const found = await searchMessages(db, page.beyond === undefined ? search : { ...search, beyond: page.beyond });
  const conditions = Object.keys(filter).sort().join();
  log.info(
    { audit: 'hl7-search', who: whoAsks(request), conditions, found: found.rows.length },
    'HL7 messages searched',
  );
  const body = {
    messages: found.rows.map(shown),
    ...(found.next === undefined ? {} : { next: String(found.next) }),
    ...(found.unsearched === 0 ? {} : { unsearched: found.unsearched }),
  };
  return { status: 200, body };
}

const sourceOf = (row: MessageRow): Source => ({
  kind: (row.source_kind as Source['kind'] | null) ?? 'mllp',
  name: row.source_name ?? 'default',
  ...(row.peer === null ? {} : { peer: row.peer }),
});

async function parsed(options: JournalAdminOptions, request: AdminRequest): Promise<AdminResponse> {
  const { raw } = await lookUp(options, request, 'parsed');
  // Without it the tree has no names, which is better than no tree.
  const dictionary = await options.dictionary().catch((err: unknown) => {
    options.log.warn({ err }, 'HL7 dictionary');
    return undefined;
  });
  return { status: 200, body: parsedTree(raw, dictionary) };
}

const againBody = z.strictObject({ author: author.optional() });

async function again(options: JournalAdminOptions, request: AdminRequest): Promise<AdminResponse> {
  const { author: who = whoAsks(request) } = readBody(againBody, request);
  const id = numberOf(request.params.id);
  const ack = id === undefined ? undefined : await options.reprocess(id, who);
  if (id === undefined || ack === undefined) throw notFound();
  const row = await readMessage(options.db, id);
  audit(options, request, id, 'reprocess');
  return { status: 200, body: { ...(row === undefined ? {} : shown(row)), ack: ack.toString('base64') } };
}

function messageRoutes(options: JournalAdminOptions): AdminRoute[] {
  const base = '/admin/hl7/messages';
  return [
    {
      method: 'GET',
      path: base,
      summary: 'HL7 messages that match all conditions, newest first',
      parameters: [...filterParameters, ...pageParameters],
      response: messagePage,
      handle: (request) => list(options, request),
    },
    {
      method: 'GET',
      path: `${base}/:id`,
      summary: 'One HL7 message: its bytes, acknowledgment, attempts, reviews, and what it caused to be sent',
      response: messageContent,
      handle: async (request) => ({
        status: 200,
        body: await overview(options.db, await lookUp(options, request, 'whole')),
      }),
    },
    {
      method: 'GET',
      path: `${base}/:id/parsed`,
      summary: 'Its segments, fields and components with their names',
      response: parsedContent,
      handle: (request) => parsed(options, request),
    },
    {
      method: 'GET',
      path: `${base}/:id/mapped`,
      summary: 'What the routes as they are now would make of it; nothing is stored',
      response: mappedContent,
      handle: async (request) => {
        const row = await lookUp(options, request, 'mapped');
        return { status: 200, body: await options.dryRun(row.raw, sourceOf(row)) };
      },
    },
    {
      method: 'GET',
      path: `${base}/:id/written`,
      summary: 'The resources that it created or changed, by version',
      response: writtenContent,
      handle: async (request) => {
        const row = await lookUp(options, request, 'written');
        return { status: 200, body: { wrote: writtenOf(row.wrote) } };
      },
    },
    {
      method: 'POST',
      path: `${base}/:id/reprocess`,
      summary: 'Processes an HL7 message once more; yields its acknowledgment (base64) and state',
      request: authorContent,
      response: messageContent,
      handle: (request) => again(options, request),
    },
  ];
}

export const journalRoutes = (options: JournalAdminOptions): AdminRoute[] => [
  ...messageRoutes(options),
  ...decisionRoutes(options),
  ...runRoutes(options),
];
