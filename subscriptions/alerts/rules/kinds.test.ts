// What a kind carries out, and that it refuses what it would pass over.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { CerebraError } from '#platform';
import { waitFor } from '#platform/testing';
import {
  alertsOf,
  eventRule,
  ext,
  holds,
  inForce,
  judged,
  minutes,
  onCode,
  quantity,
  reading,
  settled,
  shortly,
} from '../../testing/alert-rules.ts';
import { createRig } from '../../testing/rig.ts';
import { testRules } from '../../testing/rules.ts';
import { readRule } from './definition.ts';

const limit = ext('high', 'Quantity', quantity(5, 'mmol/L'));
const change = ext('change', 'Quantity', quantity(1, 'mmol/L'));
const slope = ext('change-per-hour', 'Quantity', quantity(1, 'mmol/L'));
const failures = ext('failures', 'Integer', 5);
const window = minutes('window', 60);
const trigger = [onCode('k')];
const removed = [onCode('k', { type: 'data-removed' })];
const condition = [holds("status = 'final'")];
const ofType = (type: string) => [{ type: 'data-changed', data: [{ type }] }];
const quiet = {
  url: 'urn:cerebra:alert:quiet-hours',
  extension: [
    { url: 'from', valueTime: '22:00:00' },
    { url: 'to', valueTime: '22:00:00' },
  ],
};

/** Where a rule is refused, and why. */
async function refusal(kind: string, extension: JsonObject[], ...actions: JsonObject[]): Promise<string> {
  const rules = await testRules();
  const plan = eventRule(
    'r',
    kind,
    extension,
    actions.map((action) => ({ title: 'x', ...action })),
  );
  try {
    readRule(plan, 1, rules);
    return '';
  } catch (error) {
    assert.ok(error instanceof CerebraError);
    return `${error.code} ${error.message.replaceAll('urn:cerebra:alert:', '').replaceAll('PlanDefinition', '')}`;
  }
}

test('what a kind would pass over is refused, with the element and the kinds that it is for', async () => {
  const single = 'threshold, score, claim';
  const cases: [string, JsonObject[], JsonObject[], string][] = [
    [
      'threshold',
      [window],
      [{ trigger, condition }],
      '.extension[1]: threshold rules do not look at window; it is for delta, trend, absence, combination, failure-rate',
    ],
    [
      'delta',
      [window],
      [{ trigger, extension: [change, limit] }],
      `.action[0].extension[1]: delta rules do not look at high; it is for ${single}`,
    ],
    [
      'delta',
      [window, ext('key', 'String', 'code.coding.code')],
      [{ trigger, extension: [change] }],
      `.extension[2]: delta rules do not look at key; it is for ${single}, critical-value`,
    ],
    [
      'trend',
      [window],
      [{ trigger, extension: [slope, ext('rearm', 'String', 'true')] }],
      `.action[0].extension[1]: trend rules do not look at rearm; it is for ${single}`,
    ],
    [
      'threshold',
      [],
      [{ trigger, extension: [limit, change] }],
      '.action[0].extension[1]: threshold rules do not look at change; it is for delta',
    ],
    [
      'threshold',
      [],
      [{ trigger, extension: [limit, ext('at-least', 'Integer', 2)] }],
      '.action[0].extension[1]: threshold rules do not look at at-least; it is for combination',
    ],
    [
      'critical-value',
      [],
      [{ trigger, extension: [limit] }],
      `.action[0].extension[0]: critical-value rules do not look at high; it is for ${single}`,
    ],
    [
      'absence',
      [window, ext('key', 'String', 'id')],
      [{ trigger }],
      `.extension[2]: absence rules do not look at key; it is for ${single}, critical-value`,
    ],
    [
      'absence',
      [window],
      [{ trigger }, { trigger }],
      '.action[0]: an absence rule has one action; write another rule for another severity',
    ],
    [
      'failure-rate',
      [window],
      [{ condition, extension: [failures] }],
      '.action[0].condition: a failure-rate rule looks at no resource that conditions could be asked of',
    ],
    [
      'critical-value',
      [],
      [{ trigger: removed }],
      '.action[0].trigger[0].type: a critical-value rule judges what is there: it has no data-removed',
    ],
    [
      'delta',
      [window],
      [{ trigger: removed, extension: [change] }],
      '.action[0].trigger[0].type: a delta rule judges what is there: it has no data-removed',
    ],
  ];
  for (const [kind, extension, actions, text] of cases) {
    const told = await refusal(kind, extension, ...actions);
    assert.equal(told, `unsupported ${text}`, kind);
  }
});

test('what could never find anything is refused', async () => {
  const cases: [string, JsonObject[], JsonObject, string][] = [
    [
      'claim',
      [],
      { trigger },
      '.action[0].trigger[0].data[0].type: Observation would find nothing: it must be ClaimResponse or ExplanationOfBenefit',
    ],
    [
      'critical-value',
      [],
      { trigger: ofType('DiagnosticReport') },
      '.action[0].trigger[0].data[0].type: DiagnosticReport would find nothing: it must be Observation',
    ],
    [
      'failure-rate',
      [window],
      { extension: [failures, ext('failures-percent', 'Decimal', 150)] },
      '.action[0]: failures-percent lies between 0 and 100',
    ],
    ['threshold', [quiet], { trigger, condition }, '.extension[1]: from and to of quiet-hours differ'],
  ];
  for (const [kind, extension, action, text] of cases)
    assert.equal(await refusal(kind, extension, action), `invalid ${text}`);
  assert.equal(await refusal('claim', [], { trigger: ofType('Claim'), condition }), '');
});

test('data-removed: raised by a deletion that meets it, and by nothing else', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const gone = { title: 'A result was deleted', trigger: removed, condition: [holds('value.value > 6')] };
  await inForce(rig, eventRule('gone', 'threshold', [], [gone]));
  const other = { code: { coding: [{ system: 'http://x', code: 'l' }] } };
  await judged(rig, reading('o1', 7, 1), reading('o2', 5, 2), reading('o3', 7, 3, other), reading('o1', 8, 1));
  // What it was is no deletion: another patient's now, or withdrawn.
  await judged(rig, reading('o4', 7, 4), reading('o4', 7, 4, { subject: { reference: 'Patient/p2' } }));
  await judged(rig, reading('o5', 7, 5), reading('o5', 7, 5, { status: 'entered-in-error' }));
  for (const id of ['o2', 'o3', 'o5']) await rig.store.remove('Observation', id);
  await settled(rig);
  assert.deepEqual(await alertsOf(rig.db, 'gone'), []);
  await rig.store.remove('Observation', 'o1');
  await settled(rig);
  assert.deepEqual(await shortly(rig.db, 'gone'), ['active: 8 mmol/L']);
});

test('a rule for critical values has conditions: of the trigger, and of the action', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const potassium = {
    type: 'Observation',
    codeFilter: [{ path: 'code', code: [{ system: 'http://loinc.org', code: '2823-3' }] }],
  };
  const data = { type: 'data-changed', data: [potassium] };
  const notHemolysed = { ...data, condition: holds("note.text.contains('hemolysed').not()").expression! };
  await inForce(
    rig,
    eventRule('final', 'critical-value', [], [{ title: 'x', trigger: [data], condition }]),
    eventRule('sound', 'critical-value', [], [{ title: 'x', trigger: [notHemolysed] }]),
  );
  const code = { coding: [{ system: 'http://loinc.org', code: '2823-3' }] };
  await judged(
    rig,
    reading('o1', 7, 1, { code, status: 'preliminary', note: [{ text: 'clear' }] }),
    reading('o2', 7.1, 2, { code, note: [{ text: 'hemolysed' }] }),
  );
  assert.deepEqual(await shortly(rig.db, 'final'), ['active: 7.1 mmol/L (limit 6.2 mmol/L)']);
  assert.deepEqual(await shortly(rig.db, 'sound'), ['active: 7 mmol/L (limit 6.2 mmol/L)']);
  await judged(rig, reading('o2', 7.1, 2, { code, status: 'amended' }));
  assert.deepEqual(await shortly(rig.db, 'final'), ['resolved: 7.1 mmol/L (limit 6.2 mmol/L)']);
});

test('failure rate: the most severe level that applies, whatever its place; over when the feed is silent', async (t) => {
  const rig = await createRig(t);
  let feeds = [{ feed: 'mllp/lab', failed: 60, total: 100 }];
  const startedMs = Date.now();
  await rig.start({
    feedFailures: async () => feeds,
    // A thousand times as fast: how messages fare is looked at every five seconds.
    clock: { now: () => startedMs + (Date.now() - startedMs) * 1_000 },
  });
  const level = (title: string, priority: string, count: number) => ({
    ...{ title, priority, extension: [ext('failures', 'Integer', count)] },
  });
  const levels = [level('Some fail', 'urgent', 5), level('Many fail', 'stat', 50)];
  await inForce(rig, eventRule('f', 'failure-rate', [minutes('window', 10)], levels));
  const now = async () => (await alertsOf(rig.db, 'f')).map(({ severity, title, status }) => [severity, title, status]);
  await waitFor(async () => (await now()).length > 0, 'the alert');
  assert.deepEqual(await now(), [['critical', 'Many fail', 'active']]);
  feeds = [];
  await waitFor(async () => (await now())[0]![2] === 'resolved', 'the end of it');
});

test('an extension that is called as what every object has is unknown like any other', async () => {
  for (const name of ['constructor', '__proto__', 'toString']) {
    const here = ext(name, 'String', 'x');
    const unknown = (at: string): string => `unsupported ${at}: there is no '${name}' here`;
    assert.equal(await refusal('threshold', [here], { trigger, condition }), unknown('.extension[1]'));
    assert.equal(
      await refusal('threshold', [], { trigger, condition, extension: [here] }),
      unknown('.action[0].extension[0]'),
    );
  }
});

test('a priority that is called as what every object has is no severity', async () => {
  const rules = await testRules();
  const severities = ['stat', 'constructor', 'zonstructor'].map((priority) => {
    const action = { title: 'x', trigger, condition, priority };
    return readRule(eventRule('r', 'threshold', [], [action]), 1, rules).actions[0]?.severity;
  });
  assert.deepEqual(severities, ['critical', 'moderate', 'moderate']);
});
