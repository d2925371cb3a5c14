// Rules judge what comes in any order: late, corrected, moved to others, withdrawn, deleted, with comparators and other units. Once
// each patient has a newest value, each alert is what the stored values say by a plain reading of docs/alerts.md. Where nothing was
// deleted or moved, of which a dry run can't know, that raises and ends the same. SEED and RUNS try others.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { random } from '#platform/testing';
import {
  alertsOf,
  eventRule,
  ext,
  holds,
  inForce,
  minutes,
  onCode,
  quantity,
  settled,
} from '../../testing/alert-rules.ts';
import { createRig, type Rig } from '../../testing/rig.ts';
import type { DryRun } from '../dry-run.ts';

const windowMinutes = 60;
const limit = (name: string, value: number, unit = 'mmol/L') => ext(name, 'Quantity', quantity(value, unit));
const over = (value: number) => ({ condition: holds(`value.value > ${value}`).expression! });

const rules = [
  eventRule(
    't',
    'threshold',
    [],
    [{ title: 'High', extension: [limit('high', 6), limit('low', 2)], trigger: [onCode('k')] }],
  ),
  eventRule(
    'd',
    'delta',
    [minutes('window', windowMinutes)],
    [
      { title: 'K', extension: [limit('change', 3), ext('direction', 'Code', 'up')], trigger: [onCode('k')] },
      { title: 'L', priority: 'stat', extension: [limit('change', 4)], trigger: [onCode('l')] },
    ],
  ),
  eventRule(
    'r',
    'trend',
    [minutes('window', windowMinutes)],
    [{ title: 'Rises', extension: [limit('change-per-hour', 4)], trigger: [onCode('k')] }],
  ),
  eventRule(
    'c',
    'combination',
    [minutes('window', windowMinutes)],
    [{ title: 'Both', trigger: [onCode('k', over(5)), onCode('l', over(5))] }],
  ),
];

interface Value {
  id: string;
  subject: string;
  code: string;
  minute: number;
  low: number;
  high: number;
  number: number;
  /** As it was written. */
  raw: number;
}

const hourMs = 3_600_000;

/** What one run does, by a seed. `gently`: nothing is deleted, and nothing becomes another's or something else. */
async function run(rig: Rig, seed: number, gently: boolean): Promise<void> {
  const below = random(seed);
  const startMs = Date.now() - 12 * hourMs;
  const held = new Map<string, JsonObject>();
  const at = (minute: number) => new Date(startMs + minute * 60_000).toISOString();
  const patient = () => `Patient/${seed}-${below(3)}`;
  const observation = (id: string, minute: number, of: string, code: string, number: number): JsonObject => {
    const comparator = below(6) === 0 ? { comparator: below(2) ? '<' : '>' } : {};
    const valueQuantity = below(5) === 0 ? quantity(number * 1000, 'umol/L') : quantity(number, 'mmol/L');
    return {
      ...{
        resourceType: 'Observation',
        id,
        status: 'final',
        subject: { reference: of },
        effectiveDateTime: at(minute),
      },
      code: { coding: [{ system: 'http://x', code }] },
      valueQuantity: { ...valueQuantity, ...comparator },
    };
  };
  const put = async (one: JsonObject) => {
    held.set(String(one.id), one);
    await rig.store.put(one as Resource & { id: string });
  };
  let minute = 0;
  for (let i = 0; i < 40; i++) {
    const ids = [...held.keys()];
    const id = ids[below(Math.max(1, ids.length))];
    const kind = id === undefined ? 0 : below(10);
    if (kind < 5) {
      minute += below(20);
      const late = below(4) === 0 ? below(90) : 0;
      await put(
        observation(`${seed}-o${i}`, Math.max(0, minute - late), patient(), below(3) ? 'k' : 'l', 1 + below(8)),
      );
    } else if (kind < 7) {
      const { subject, code } = codeOf(held.get(id!)!);
      const moved = gently || below(3) ? subject : patient();
      await put(observation(id!, below(minute + 1), moved, gently ? code : below(4) ? 'k' : 'l', 1 + below(8)));
    } else if (gently || kind < 9) await put({ ...held.get(id!)!, status: 'entered-in-error' });
    else {
      held.delete(id!);
      await rig.store.remove('Observation', id!);
    }
    if (below(3) === 0) await settled(rig);
  }
  await settled(rig);
  for (let p = 0; p < 3; p++) {
    for (const code of ['l', 'k']) {
      minute += 1 + below(5);
      const last = observation(`${seed}-z${p}${code}`, minute, `Patient/${seed}-${p}`, code, 1 + below(8));
      await put(last);
    }
  }
  await settled(rig);
  await compare(
    rig,
    seed,
    [...held.values()].filter(({ status }) => status === 'final').map((one) => readValue(one, startMs)),
  );
}

const codeOf = (one: JsonObject) => ({
  subject: String((one.subject as JsonObject).reference),
  code: String(((one.code as JsonObject).coding as JsonObject[])[0]!.code),
});

function readValue(one: JsonObject, startMs: number): Value {
  const { value, code, comparator } = one.valueQuantity as { value: number; code: string; comparator?: string };
  const number = code === 'umol/L' ? value / 1000 : value;
  return {
    ...{ id: String(one.id), number, raw: value, ...codeOf(one) },
    minute: Math.round((Date.parse(String(one.effectiveDateTime)) - startMs) / 60_000),
    low: comparator === '<' ? 0 : number,
    high: comparator === '>' ? Number.POSITIVE_INFINITY : number,
  };
}

const newestFirst = (a: Value, b: Value) => b.minute - a.minute || (a.id < b.id ? 1 : -1);
const inWindow = (all: Value[]) => all.filter(({ minute }) => minute >= all[0]!.minute - windowMinutes);

type Says = boolean | undefined;

/** The least of `<5` is not known to be 0: nothing rises to it, or falls from it. */
const isBelow = (one: Value) => one.low < one.number;
const isAbove = (one: Value) => one.high > one.number;

const rises = (all: Value[], by: number): Says => {
  const [newest, ...rest] = inWindow(all);
  // From the most that it may have been to the least that it may be.
  if (!isBelow(newest!) && rest.some((one) => newest!.low - one.high >= by)) return true;
  return isAbove(newest!) && rest.length > 0 ? undefined : false;
};
const falls = (all: Value[], by: number): Says => {
  const [newest, ...rest] = inWindow(all);
  if (!isAbove(newest!) && rest.some((one) => !isBelow(one) && one.low - newest!.high >= by)) return true;
  return isBelow(newest!) && rest.some((one) => one.number >= by) ? undefined : false;
};

/** Above 6 or below 2. */
function isBeyond(one: Value): Says {
  if (isAbove(one)) return one.number >= 6 || undefined;
  if (isBelow(one)) return one.number <= 2 || undefined;
  return one.number > 6 || one.number < 2;
}

/** One of several that is so is enough; what may be so leaves it as it is. */
const either = (...all: Says[]): Says => (all.includes(true) ? true : all.includes(undefined) ? undefined : false);

function steep(all: Value[], perHour: number): Says {
  const some = inWindow(all);
  if (some.length < 3) return false;
  const mean = some.reduce((sum, { minute }) => sum + minute, 0) / some.length;
  const spread = some.reduce((sum, { minute }) => sum + (minute - mean) ** 2, 0);
  if (spread === 0) return false;
  const slope = (valueIn: (one: Value, i: number) => number) =>
    (60 * some.reduce((sum, one, i) => sum + (one.minute - mean) * valueIn(one, i), 0)) / spread;
  const told = slope(({ number }) => number);
  if (Math.abs(told) >= perHour - 1e-9) {
    const isSure = some.every((one) => {
      const later = (one.minute - mean) * told;
      return (!isBelow(one) || later <= 0) && (!isAbove(one) || later >= 0);
    });
    return isSure ? true : undefined;
  }
  const [newest] = some;
  if (!isBelow(newest!) && !isAbove(newest!)) return false;
  const far = slope((one, i) => (i > 0 ? one.number : isBelow(one) ? 0 : 1e100));
  return Math.abs(far) >= perHour - 1e-9 ? undefined : false;
}

async function compare(rig: Rig, seed: number, values: Value[]): Promise<void> {
  for (let p = 0; p < 3; p++) {
    const subject = `Patient/${seed}-${p}`;
    const of = (code: string) => values.filter((one) => one.subject === subject && one.code === code).sort(newestFirst);
    const [k, l] = [of('k'), of('l')];
    const newest = k[0]!;
    const expected: Record<string, Says> = {
      t: isBeyond(newest),
      d: either(rises(k, 3), rises(l, 4), falls(l, 4)),
      r: steep(k, 4),
      c: inWindow([...k, ...l].sort(newestFirst)).includes(l[0]!) && newest.raw > 5 && l[0]!.raw > 5,
    };
    for (const [rule, says] of Object.entries(expected)) {
      const open = (await alertsOf(rig.db, rule)).filter((one) => one.subject === subject && one.status !== 'resolved');
      if (says === undefined) continue;
      assert.equal(
        open.length,
        says ? 1 : 0,
        `seed ${seed}, ${subject}, rule ${rule}: ${JSON.stringify({ k: k.slice(0, 6), l: l.slice(0, 4), open })}`,
      );
    }
  }
}

const [first, runs] = [Number(process.env.SEED ?? 1), Number(process.env.RUNS ?? 3)];

test('alerts are what the stored values say, seeded', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  await inForce(rig, ...rules);
  for (let seed = first; seed < first + runs; seed++) await run(rig, seed, false);
});

test('a dry run raises and ends the same, seeded', async (t) => {
  const rig = await createRig(t);
  const { adminRoutes } = await rig.start();
  await inForce(rig, ...rules);
  for (let seed = first; seed < first + runs; seed++) await run(rig, seed, true);
  const route = adminRoutes.find(({ path }) => path === '/admin/alerts/rules/:id/dry-run')!;
  for (const { id } of rules) {
    const query = new URLSearchParams({ wait: '20' });
    const { state, errors, raised, resolved } = (await route.handle({ params: { id }, query, body: Buffer.alloc(0) }))
      .body as DryRun;
    const rows = await alertsOf(rig.db, id);
    const ended = rows.filter(({ status }) => status === 'resolved').length;
    assert.deepEqual([id, state, errors, raised, resolved], [id, 'done', 0, rows.length, ended]);
    assert.ok(ended > 0, id);
  }
});
