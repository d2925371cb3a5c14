// What happens to a patient, as it happens: GET /ws/patient/{id} with Upgrade: websocket. Nothing is stored for who watches: it
// follows the change stream from a cursor that the client keeps. docs/alerts.md, "Watching a patient".
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import {
  type AccessScope,
  type Change,
  type ChangeCursor,
  type ChangeFeed,
  isId,
  parseJson,
  type Resource,
  type ResourceReader,
} from '#fhir-model';
import { createLoop, type Db, isCerebraError, type Log, type Statement } from '#platform';
import { closeCodes, createOpenSockets, refuseUpgrade } from '../channels/websocket/open-sockets.ts';
import type { UpgradeRequest } from '../channels/websocket/websocket.ts';
import { changedResources, type KeyOf } from '../match/patient-key.ts';
import { scoreTagSystem } from '../scores/resources.ts';
import { replacementOf } from './replaced.ts';
import { createViewer, type Viewer } from './viewer.ts';

export interface PatientStreamLimits {
  viewersMax: number;
  heartbeatMs: number;
  unreadBytesMax: number;
  /** Changes looked through for what a client missed, of all patients; what is before them it has to search. */
  missedChangesMax: number;
  batchChanges: number;
  pollMs: number;
  stopGraceMs: number;
}

export const defaultPatientStreamLimits: PatientStreamLimits = {
  viewersMax: 10_000,
  heartbeatMs: 30_000,
  unreadBytesMax: 1024 * 1024,
  missedChangesMax: 100_000,
  batchChanges: 500,
  pollMs: 250,
  stopGraceMs: 1_000,
};

export interface PatientStreamOptions {
  db: Db;
  feed: ChangeFeed;
  reader: ResourceReader;
  keyOf: KeyOf;
  /** What whoever sent the request may see. */
  scopeOf(request: UpgradeRequest): AccessScope;
  limits: PatientStreamLimits;
  log: Log;
}

export interface PatientStreams {
  /** Whether the request is for this: `/ws/patient/{id}`, below the FHIR base or not. */
  takes(request: UpgradeRequest): boolean;
  upgrade(request: UpgradeRequest, socket: Duplex, head: Buffer): void;
  start(): void;
  close(): Promise<void>;
  stop(): Promise<void>;
}

/** What is told, by type; the rest of a patient's record is searched when it is needed. */
const kinds: Readonly<Record<string, string>> = {
  Observation: 'observation',
  RiskAssessment: 'score',
  Flag: 'alert',
  Communication: 'alert',
  DetectedIssue: 'alert',
  Task: 'alert',
};

const pathPattern = /\/ws\/patient\/([^/?#]+)$/;
const patientOf = ({ url = '' }: UpgradeRequest) => pathPattern.exec(url.split('?')[0]!)?.[1];

export function createPatientStreams(options: PatientStreamOptions): PatientStreams {
  const { db, feed, limits, log } = options;
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: 1024,
  });
  const viewers = createOpenSockets<Viewer>(limits.viewersMax);
  /** How far the stream is followed for those who are live; undefined while nobody is. */
  let tail: ChangeCursor | undefined;
  const catchingUp = new Set<Promise<void>>();

  const follow = createLoop({
    work: async () => {
      if (!tail || !isAnyLive(viewers)) {
        tail = undefined;
        return false;
      }
      const from = tail;
      const { changes: batch, more } = await feed.read(db, from, limits.batchChanges);
      const last = batch.at(-1);
      if (!last) return false;
      // In one go: who goes live until here is told of the batch, who does later sees that it is behind.
      const live = [...viewers].filter((viewer) => viewer.live);
      tail = { xid: last.xid, seq: last.seq };
      try {
        await tell(options, live, batch);
      } catch (error) {
        tail = from;
        throw error;
      }
      return more;
    },
    onError: (err) => log.warn({ err }, 'watchers of patients wait for the database'),
    ...{ idleMsMin: 2, idleMsMax: limits.pollMs, errorMs: limits.pollMs, everyMsMin: 4 },
  });

  /** Brings one who came up to where the others are. */
  const catchUp = async (viewer: Viewer): Promise<void> => {
    for (let looked = 0; viewer.isOpen() && !viewers.isClosing; ) {
      const reached = tail;
      const { changes: batch, more } = await feed.read(db, viewer.cursor, limits.batchChanges);
      looked += batch.length;
      if (looked > limits.missedChangesMax) {
        // First the place, then the word: what comes between them is both found and told, not neither.
        viewer.cursor = await feed.end(db);
        viewer.send(gap(`More than ${limits.missedChangesMax} changes were missed: search for them`));
        looked = 0;
        continue;
      }
      await tell(options, [viewer], batch);
      if (more) continue;
      // The others' place need be no change's: where there is none before it, it is reached all the same.
      if (reached && isBefore(viewer.cursor, reached)) viewer.cursor = reached;
      // Nothing may happen between this look and being live: the loop would have gone by.
      if (tail && isBefore(viewer.cursor, tail)) continue;
      tail ??= viewer.cursor;
      viewer.live = true;
      return follow.wake();
    }
  };

  const accept = (socket: WebSocket, asked: Asked) => {
    const { unreadBytesMax } = limits;
    const viewer = createViewer({ socket, unreadBytesMax, closed: viewers.delete, ...asked });
    viewers.add(viewer);
    viewer.send(
      JSON.stringify({
        ...{ kind: 'watching', patient: `Patient/${asked.patient}`, cursor: textOf(asked.cursor) },
        ...(asked.replacedBy === undefined ? {} : { replacedBy: asked.replacedBy }),
      }),
    );
    if (asked.gap) viewer.send(gap('What was missed is no longer kept: search for it'));
    const done = catchUp(viewer)
      .catch((err: unknown) => {
        log.warn({ err }, 'a watcher of a patient could not be brought up to date');
        viewer.close(closeCodes.failed, 'The changes could not be read: come back');
      })
      .finally(() => catchingUp.delete(done));
    catchingUp.add(done);
  };
  const close = () => viewers.close(limits.stopGraceMs);
  let beats: NodeJS.Timeout | undefined;
  let unlisten: () => void = () => {};
  return {
    takes: (request) => patientOf(request) !== undefined,
    upgrade(request, socket, head) {
      if (viewers.refuses(socket)) return;
      // What comes before the answer is kept by the socket; one that fails meanwhile is nobody's loss.
      socket.on('error', () => {});
      ask(options, request).then(
        (asked) => {
          if ('refused' in asked) return refuseUpgrade(socket, ...asked.refused);
          server.handleUpgrade(request as IncomingMessage, socket, head, (ws) => accept(ws, asked));
        },
        (err: unknown) => {
          if (!isCerebraError(err)) log.warn({ err }, 'a watcher of a patient could not be let in');
          refuseUpgrade(socket, 503, 'Service Unavailable', 'The database can not be reached: try again later');
        },
      );
    },
    start() {
      viewers.reopen();
      follow.start();
      unlisten = feed.onCommit(() => {
        if (tail) follow.wake();
      });
      beats = setInterval(() => {
        for (const viewer of viewers) viewer.beat();
      }, limits.heartbeatMs);
    },
    close,
    async stop() {
      unlisten();
      clearInterval(beats);
      await close();
      await Promise.all(catchingUp);
      await follow.stop();
    },
  };
}

const isAnyLive = (viewers: Iterable<Viewer>): boolean => [...viewers].some(({ live }) => live);

interface Asked {
  patient: string;
  scope: AccessScope;
  cursor: ChangeCursor;
  gap: boolean;
  /** The record was merged into this one: what comes will be told there. */
  replacedBy: string | undefined;
}

const isKept: Statement = {
  name: 'patient_stream_kept',
  text: 'select exists (select from change where xid = $1::xid8 and seq = $2) as kept',
};
// The place of no change: while one before it is kept, so are those after it, since the oldest are forgotten first.
// Asked of the first alone: where there is none before it, PostgreSQL looked for one through the whole table, 110 ms of a million.
export const isKeptBefore: Statement = {
  name: 'patient_stream_kept_before',
  text: `select exists (select from (select xid, seq from change order by xid, seq limit 1) c
      where (c.xid, c.seq) < ($1::xid8, $2)) as kept`,
};

/** Why there is nothing to watch; whose patient it is not is told as if there were none. */
async function ask(
  { db, feed, reader, scopeOf }: PatientStreamOptions,
  request: UpgradeRequest,
): Promise<Asked | { refused: [status: number, reason: string, text: string] }> {
  const patient = patientOf(request) ?? '';
  const scope = scopeOf(request);
  // Before the patient is read: that the record is deleted, or replaced, after that is told by the stream.
  const end = await feed.end(db);
  const stored = isId(patient) ? await reader.read('Patient', patient, scope) : undefined;
  if (!stored || stored.deleted) return { refused: [404, 'Not Found', 'There is no such patient'] };
  const after = new URL(request.url ?? '', 'http://localhost').searchParams.get('after');
  const cursor = after === null ? undefined : cursorOf(after);
  if (after !== null && !cursor) {
    return { refused: [400, 'Bad Request', 'after: must be a cursor, as the events have it'] };
  }
  const asked = { patient, scope, replacedBy: replacementOf(parseJson(stored.body).exact as Resource) };
  if (!cursor) return { ...asked, cursor: end, gap: false };
  // Of another database, or of this one before it was restored: nothing would come after it for a long time.
  if (isBefore(end, cursor)) return { ...asked, cursor: end, gap: true };
  const [found] = await db.query<{ kept: boolean }>(cursor.seq > 0n ? isKept : isKeptBefore, [cursor.xid, cursor.seq]);
  return { ...asked, cursor, gap: !found?.kept };
}

/** Sends each change to those whose patient it concerns and who have not seen it; moves their cursors. */
async function tell(
  options: PatientStreamOptions,
  viewers: readonly Viewer[],
  batch: readonly Change[],
): Promise<void> {
  const last = batch.at(-1);
  if (!last) return;
  const watched = Map.groupBy(viewers, ({ patient }) => `Patient/${patient}`);
  const wanted = batch.filter(
    ({ type, id }) => Object.hasOwn(kinds, type) || (type === 'Patient' && watched.has(`Patient/${id}`)),
  );
  const resources = await changedResources(options.db, options.feed, wanted);
  const replaced = await replacedBy(options, wanted);
  for (const [index, change] of wanted.entries()) {
    const resource = resources[index];
    if (change.type === 'Patient') tellOfPatient(watched.get(`Patient/${change.id}`), change, resource);
    if (!resource || change.type === 'Patient') continue;
    const whose = options.keyOf(change, resource);
    const former = replaced.get(change);
    const whoseBefore = former ? options.keyOf(change, former) : whose;
    if (former && whoseBefore !== whose)
      await send(options, watched.get(whoseBefore), change, leavingOf(change, former));
    await send(options, watched.get(whose), change, eventOf(change, resource));
  }
  for (const viewer of viewers) if (isBefore(viewer.cursor, last)) viewer.cursor = { xid: last.xid, seq: last.seq };
}

/** What updates replaced: it may have been another patient's. */
async function replacedBy({ db, feed }: PatientStreamOptions, changes: readonly Change[]) {
  const updates = changes.filter(({ op }) => op === 'update');
  const versions = updates.map(({ type, id, version }) => ({ type, id, version: version - 1, op: 'update' as const }));
  const resources = await changedResources(db, feed, versions);
  return new Map(updates.map((change, index) => [change, resources[index]]));
}

async function send(options: PatientStreamOptions, viewers: readonly Viewer[] = [], change: Change, text: string) {
  for (const viewer of viewers) {
    if (isBefore(viewer.cursor, change) && (await maySee(options, viewer, change))) viewer.send(text);
  }
}

/**
 * Nothing more comes of a patient that is gone or replaced: who goes on watching would take silence for calm. Whoever watches may see
 * the patient, and of another one there is only the reference.
 */
function tellOfPatient(viewers: readonly Viewer[] = [], change: Change, patient: Resource | undefined): void {
  const isGone = change.op === 'delete';
  const by = isGone ? undefined : replacementOf(patient);
  if (!isGone && by === undefined) return;
  const { type, id, version } = change;
  const op = isGone ? 'delete' : 'replaced';
  const text = JSON.stringify({ kind: 'patient', cursor: textOf(change), op, type, id, version, replacedBy: by });
  for (const viewer of viewers) {
    if (!isBefore(viewer.cursor, change)) continue;
    viewer.send(text);
    if (isGone) viewer.close(closeCodes.normal, 'The patient is deleted');
  }
}

async function maySee({ reader }: PatientStreamOptions, { scope }: Viewer, { type, id }: Change): Promise<boolean> {
  return scope.kind === 'everything' || (await reader.read(type, id, scope)) !== undefined;
}

const isBefore = (one: ChangeCursor, other: ChangeCursor): boolean =>
  one.xid < other.xid || (one.xid === other.xid && one.seq < other.seq);

const textOf = ({ xid, seq }: ChangeCursor): string => `${xid}.${seq}`;

function cursorOf(text: string): ChangeCursor | undefined {
  const match = /^(\d{1,18})\.(\d{1,18})$/.exec(text);
  return match ? { xid: BigInt(match[1]!), seq: BigInt(match[2]!) } : undefined;
}

const gap = (text: string): string => JSON.stringify({ kind: 'gap', text });

/** The resource's text goes as it is stored. */
function eventOf(change: Change, resource: Resource): string {
  const head = headOf(change, resource, change.op);
  return change.body === '' ? head : `${head.slice(0, -1)},"resource":${change.body}}`;
}

/** For those who watch the patient whose it was; whose it is now, and what it says, is not theirs to see. */
const leavingOf = (change: Change, former: Resource): string => headOf(change, former, 'moved');

function headOf(change: Change, { meta }: Resource, op: Change['op'] | 'moved'): string {
  const { type, id, version } = change;
  const kind = meta?.tag?.some(({ system }) => system === scoreTagSystem) ? 'score' : kinds[type];
  return JSON.stringify({ kind, cursor: textOf(change), op, type, id, version });
}
