// 100,000 Subscriptions, matched through their keys, against what comparing each with the change by hand says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Change } from '#fhir-model';
import { random } from '#platform/testing';
import { testRules } from '../testing/rules.ts';
import { changeOf, matchingRig, topicBasic } from './testing/topic.ts';

const subscriptions = 100_000;
const patients = 20_000;
const codes = 40;
const statuses = ['preliminary', 'final', 'amended', 'entered-in-error'];

interface Reading {
  id: string;
  patient: number;
  code: number;
  status: number;
}

/** What a Subscription asks: undefined is anything. */
interface Asked extends Partial<Omit<Reading, 'id'>> {
  id: string;
  topic: 'any' | 'final' | 'gone';
}

const observation = ({ id, patient, code, status }: Reading) => ({
  ...{ resourceType: 'Observation', id, status: statuses[status]! },
  code: { coding: [{ system: 'http://x', code: `c${code}` }] },
  subject: { reference: `Patient/p${patient}` },
});

const filtersOf = ({ patient, code, status }: Asked): string[] => [
  ...(patient === undefined ? [] : [`Observation?patient=Patient/p${patient}`]),
  ...(code === undefined ? [] : [`Observation?code=http://x|c${code}`]),
  ...(status === undefined ? [] : [`status=${statuses[status]}`]),
];

interface Happened {
  op: Change['op'];
  before: Reading | undefined;
  now: Reading | undefined;
}

/** Said again in plain words of what the topics below say. */
function isTold({ topic, patient, code, status }: Asked, { op, before, now }: Happened): boolean {
  const seen = now ?? before!;
  const passes =
    (patient ?? seen.patient) === seen.patient &&
    (code ?? seen.code) === seen.code &&
    (status ?? seen.status) === seen.status;
  if (!passes) return false;
  if (topic === 'any') return op !== 'delete';
  if (topic === 'final') return op !== 'delete' && now!.status === 1 && before?.status !== 1;
  return op === 'delete' || (now!.status === 3 && before !== undefined && before.status !== 3);
}

test('100,000 Subscriptions to three topics', async () => {
  const draw = random(20_26);
  const rig = matchingRig(await testRules());
  const canFilterBy = ['patient', 'code', 'status'].map((filterParameter) => ({
    resource: 'Observation',
    filterParameter,
  }));
  const resource = 'Observation';
  await rig.define(
    topicBasic('any', { canFilterBy, resourceTrigger: { resource, supportedInteraction: ['create', 'update'] } }),
  );
  const becomes = (status: string) => ({
    ...{ previous: `status:not=${status}`, current: `status=${status}` },
    requireBoth: true,
  });
  await rig.define(
    topicBasic('final', {
      canFilterBy,
      resourceTrigger: {
        ...{ resource, supportedInteraction: ['create', 'update'] },
        queryCriteria: { ...becomes('final'), resultForCreate: 'test-passes' },
      },
    }),
  );
  await rig.define(
    topicBasic('gone', {
      canFilterBy,
      resourceTrigger: [
        { resource, supportedInteraction: 'delete' },
        { resource, supportedInteraction: 'update', queryCriteria: becomes('entered-in-error') },
      ],
    }),
  );
  const asked: Asked[] = Array.from({ length: subscriptions }, (_, i) => {
    const kind = draw(1_000);
    return {
      ...{ id: `s${i}`, topic: (['any', 'final', 'gone'] as const)[draw(3)]! },
      ...(kind < 990 ? { patient: draw(patients) } : {}),
      ...(kind % 4 === 0 || kind >= 995 ? { code: draw(codes) } : {}),
      ...(kind % 9 === 0 ? { status: draw(statuses.length) } : {}),
    };
  });
  for (const one of asked) rig.subscribe(one.id, `http://example.org/topic/${one.topic}`, ...filtersOf(one));
  // Some go, and some come again with other filters.
  for (let i = 0; i < 2_000; i++) {
    const at = draw(asked.length);
    const [gone] = asked.splice(at, 1);
    rig.matching.remove(gone!.id);
    if (i % 2 === 0) continue;
    const again: Asked = { ...gone!, patient: draw(patients), topic: 'any' };
    asked.push(again);
    rig.subscribe(again.id, 'http://example.org/topic/any', ...filtersOf(again));
  }
  const readingOf = (i: number): Reading => ({
    ...{ id: `o${i}`, patient: draw(patients), code: draw(codes), status: draw(statuses.length) },
  });
  const happened = Array.from({ length: 150 }, (_, i): Happened => {
    const now = readingOf(i);
    const kind = draw(4);
    if (kind === 0) return { op: 'create', before: undefined, now };
    if (kind === 1) return { op: 'delete', before: now, now: undefined };
    return { op: 'update', before: { ...now, status: draw(statuses.length) }, now };
  });
  const changes = happened.map(({ op, before, now }) => changeOf(op, observation(now ?? before!)));
  const told = await rig.tell(
    changes,
    happened.map(({ before }) => before && observation(before)),
  );
  const expected = happened.flatMap((one) => {
    const { id } = one.now ?? one.before!;
    return asked
      .filter((subscription) => isTold(subscription, one))
      .map((subscription) => `${subscription.id} Observation/${id}`);
  });
  assert.deepEqual(told.toSorted(), expected.toSorted());
  assert.ok(expected.length > 1_000, `${expected.length} matches`);
  assert.deepEqual(rig.errors, []);
});
