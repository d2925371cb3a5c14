// Searches with conditions drawn by a seed, against the same conditions in JavaScript over what the messages were made of:
// before the index, with a part of it, with large blocks, after outcomes have changed, after retention.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Db } from '#platform';
import { random as randomOf, testDatabase, testLog } from '#platform/testing';
import { Refusal } from '../message/refusal.ts';
import { createIndexer } from './indexer.ts';
import { createJournal, type Journal, type Journaled, type MessageState } from './journal.ts';
import { removeOldMessages } from './retention.ts';
import { type Filter, searchMessages } from './search.ts';

const random = randomOf(20_260);
const oneOf = <T>(values: readonly T[]): T => values[random(values.length)]!;
const some = <T>(values: readonly T[], chance: number): T[] => values.filter(() => random(100) < chance);

const types = ['ORU^R01', 'ORU^R30', 'ADT^A08', 'ADT', 'MDM^T02'];
const applications = ['LAB', 'ADM', 'NORTH', ''];
const facilities = ['NORTH', 'SOUTH', ''];
const authorities = ['HOSP', 'CLINIC', undefined];
const words = [
  'potassium',
  'sodium',
  '24323-8',
  'm\u00fcller',
  'stra\u00dfe',
  'x1',
  '1.5mg',
  'o\u2019brien',
  'lab',
  'adt',
];
const sources = [
  { kind: 'mllp', name: 'default' },
  { kind: 'mllp', name: 'lab' },
  { kind: 'http', name: 'default' },
  { kind: 'file', name: 'night' },
] as const;
const minuteMs = 60_000;
const startMs = Date.UTC(2026, 0, 31);

/** What a message was made of, and what has become of it. */
interface Made {
  journaled: Journaled;
  receivedMs: number;
  type: string;
  sender: string;
  controlId: string;
  patients: { value: string; authority: string | undefined }[];
  words: string[];
  source: { kind: string; name: string };
  state: MessageState;
  route: string | undefined;
  warned: boolean;
  reused: boolean;
}

async function receive(journal: Journal, known: Made[]): Promise<Made> {
  const sender = `${oneOf(applications)}|${oneOf(facilities)}`;
  const controlId = `C${random(40)}`;
  const patients = Array.from({ length: random(3) }, () => ({
    value: `P${random(30)}`,
    authority: oneOf(authorities),
  }));
  const has = some(words, 20);
  const type = oneOf(types);
  const pid3 = patients.map(({ value, authority }) => (authority ? `${value}^^^${authority}^MR` : value)).join('~');
  // The number makes the bytes of each its own.
  const text = [
    `MSH|^~\\&|${sender}|||20260131||${type}|${controlId}|P|2.5.1||||||UNICODE UTF-8`,
    `PID|1||${pid3}`,
    `NTE|1||${has.join(' ')} n${known.length}`,
  ];
  // Not in the order of the numbers: servers' clocks differ.
  const receivedMs = startMs + known.length * minuteMs + random(5) * minuteMs;
  const source = oneOf(sources);
  const header = { sender, controlId, type };
  const journaled = await journal.receive(Buffer.from(text.join('\r')), header, receivedMs, source);
  const reused = known.some((other) => other.sender === sender && other.controlId === controlId);
  const outcome = { state: 'received' as const, route: undefined, warned: false };
  return { journaled, receivedMs, type, sender, controlId, patients, words: has, source, ...outcome, reused };
}

/** An attempt, the first or another, with an outcome of any kind. */
async function settle(db: Db, journal: Journal, one: Made): Promise<void> {
  const { state, attempts } = (await journal.find(one.journaled.id))!;
  const message = { ...one.journaled, state, attempts };
  const route = { id: oneOf(['default', 'lab']), version: 1 };
  const [ack, finishedMs] = [Buffer.from('MSH'), one.receivedMs];
  const isDone = one.state === 'stored' || one.state === 'acknowledged';
  if (random(4) === 0) {
    await journal.markFailed(message, new Refusal('AE', '101', 'PID-3 is missing'), ack, finishedMs, { route });
    // What has had its effect stays so.
    if (!isDone) Object.assign(one, { state: 'failed', route: route.id, warned: false });
    return;
  }
  const warnings = random(3) === 0 ? ['guessed'] : [];
  const filtered = random(5) === 0 ? { filtered: 'not for us' } : {};
  await db.tx(async (tx) =>
    journal.markStored(tx, [{ message, ack, results: [], warnings, finishedMs, route, ...filtered }]),
  );
  const kept = one.state === 'acknowledged' ? 'acknowledged' : 'stored';
  Object.assign(one, {
    state: 'filtered' in filtered ? 'filtered' : kept,
    route: route.id,
    warned: warnings.length > 0,
  });
  if (one.state !== 'stored' || random(2) === 0) return;
  journal.markAcknowledged(one.journaled.id, 1);
  await journal.flush();
  one.state = 'acknowledged';
}

type Condition = (one: Made) => boolean;
type Drawn = [Filter, Condition];

const draw: readonly (() => Drawn)[] = [
  () => {
    const fromMs = startMs + random(400) * minuteMs;
    return [{ fromMs }, (one) => one.receivedMs >= fromMs];
  },
  () => {
    const toMs = startMs + random(400) * minuteMs;
    return [{ toMs }, (one) => one.receivedMs < toMs];
  },
  () => {
    const type = oneOf([...types, 'ORU']);
    return [{ type }, (one) => one.type === type || one.type.split('^')[0] === type];
  },
  () => {
    const sender = oneOf(['LAB', 'NORTH', 'SOUTH', 'LAB|NORTH', 'ADM|', 'nobody']);
    return [{ sender }, (one) => one.sender === sender || one.sender.split('|').includes(sender)];
  },
  () => {
    const controlId = `C${random(40)}`;
    return [{ controlId }, (one) => one.controlId === controlId];
  },
  () => {
    const [value, authority] = [`P${random(30)}`, oneOf(authorities)];
    const named = oneOf([`${value.toLowerCase()}^^^${authority}`, `${authority}|${value}`]);
    const fits = (id: Made['patients'][0]) => id.value === value && (!authority || id.authority === authority);
    return [{ patientId: authority === undefined ? value : named }, (one) => one.patients.some(fits)];
  },
  () => {
    const state = oneOf(['received', 'stored', 'acknowledged', 'failed', 'filtered'] as const);
    return [{ state }, (one) => one.state === state];
  },
  () => {
    const routeId = oneOf(['default', 'lab']);
    return [{ routeId }, (one) => one.route === routeId];
  },
  () => {
    const source = oneOf(['mllp', 'http', 'default', 'lab', 'night']);
    return [{ source }, (one) => one.source.kind === source || one.source.name === source];
  },
  () => {
    const warned = random(2) === 0;
    return [{ warned }, (one) => one.warned === warned];
  },
  () => {
    const reused = random(2) === 0;
    return [{ reused }, (one) => one.reused === reused];
  },
  () => {
    const wanted = some(words.slice(0, 6), 25);
    const text = wanted.map((word) => oneOf([word, word.toUpperCase()])).join(' ');
    return wanted.length === 0
      ? [{}, () => true]
      : [{ text }, (one) => wanted.every((word) => one.words.includes(word))];
  },
];

/** All that a search finds, page by page. */
async function found(db: Db, filter: Filter, order: 'newest' | 'oldest', limit: number): Promise<bigint[]> {
  const ids: bigint[] = [];
  for (let beyond: bigint | undefined; ; ) {
    const page = await searchMessages(db, { filter, order, limit, ...(beyond === undefined ? {} : { beyond }) });
    assert.ok(page.rows.length <= limit);
    ids.push(...page.rows.map(({ id }) => id));
    if (page.next === undefined) return ids;
    beyond = page.next;
  }
}

async function compare(db: Db, made: readonly Made[], step: string): Promise<void> {
  for (let trial = 0; trial < 80; trial++) {
    const drawn = some(draw, 20).map((one) => one());
    const filter: Filter = Object.assign({}, ...drawn.map(([part]) => part));
    const expected = made.filter((one) => drawn.every(([, fits]) => fits(one))).map(({ journaled }) => journaled.id);
    const order = oneOf(['newest', 'oldest'] as const);
    if (order === 'newest') expected.reverse();
    const ids = await found(db, filter, order, oneOf([3, 50, 1000]));
    assert.deepEqual(ids, expected, `${step}, ${order}: ${JSON.stringify(filter)}`);
  }
}

test('every combination of conditions finds what it means, whatever the index knows', async (t) => {
  const db = await testDatabase(t);
  const journal = createJournal(db);
  const indexer = createIndexer({ db, log: testLog() });
  const made: Made[] = [];
  const grow = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) made.push(await receive(journal, made));
    for (const one of some(made, 60)) await settle(db, journal, one);
  };
  await grow(150);
  await compare(db, made, 'no index');
  await indexer.pass(1);
  await compare(db, made, 'indexed');
  await grow(150);
  await compare(db, made, 'a part is indexed, of which outcomes have changed');
  await indexer.pass(1);
  await grow(100);
  await indexer.pass(1);
  await compare(db, made, 'three blocks');
  for (const one of made) if (one.state === 'received') await settle(db, journal, one);
  // Of the messages of the first half those that are done go, the others stay.
  const limitMs = startMs + 200 * minuteMs;
  const dayMs = 24 * 60 * minuteMs;
  await removeOldMessages(db, { done: 0, filtered: 100, failed: 100 }, limitMs);
  const gone = (one: Made) => one.receivedMs < limitMs && (one.state === 'stored' || one.state === 'acknowledged');
  const left = made.filter((one) => !gone(one));
  assert.ok(left.length < made.length && limitMs > startMs - dayMs);
  await compare(db, left, 'after retention');
  await indexer.pass(1);
  await compare(db, left, 'after retention, indexed');
});
