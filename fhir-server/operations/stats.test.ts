// Observation/$stats: https://hl7.org/fhir/R4/observation-operation-stats.html
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { AccessScope, JsonObject, Resource } from '#fhir-model';
import { stringify } from '#fhir-model';
import { testDatabase, testLog } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { storeUpdate } from '../store/store.ts';
import { everything, nothing, testCore } from '../testing.ts';
import { invoke } from './invoke.ts';
import { createOperations } from './registry.ts';
import { statistics } from './statistics.ts';

const nowMs = Date.parse('2020-02-01T00:00:00Z');
let core: Core;

const coding = (code: string) => ({ system: 'http://loinc.org', code });
const quantity = (value: number, code = 'mm[Hg]', more: JsonObject = {}) => ({
  valueQuantity: { value, unit: code === 'mm[Hg]' ? 'mmHg' : code, system: 'http://unitsofmeasure.org', code, ...more },
});

const put = (id: string, code: string, time: string, more: JsonObject) =>
  storeUpdate(
    core.store,
    {
      ...{ resourceType: 'Observation', id, status: 'final', code: { coding: [coding(code)] } },
      ...{ subject: { reference: 'Patient/p' }, effectiveDateTime: time, ...more },
    },
    id,
    undefined,
    everything,
  );

type Stat = [code: string, value: string | undefined, unit?: string];

interface Answer {
  /** By code of the observation. */
  stats: Record<string, Stat[]>;
  observations: Resource[];
  sources: string[];
}

async function call(parameter: JsonObject[], scope: AccessScope = everything): Promise<Answer> {
  const answer = await invoke(core, {
    target: { name: 'stats', type: 'Observation' },
    method: 'POST',
    pairs: [],
    resource: { resourceType: 'Parameters', parameter },
    scope,
    strict: false,
  });
  const { parameter: out } = JSON.parse(stringify((answer as { resource: Resource }).resource)) as {
    parameter: { name: string; resource: Resource }[];
  };
  const observations = out.filter(({ name }) => name === 'statistics').map(({ resource }) => resource);
  const stats: Answer['stats'] = {};
  for (const { code, component } of observations as unknown as {
    code: { coding: [{ code: string }] };
    component: JsonObject[];
  }[]) {
    stats[code.coding[0].code] = component.map((each) => {
      const { value, unit } = (each.valueQuantity ?? {}) as { value?: number; unit?: string };
      const name = (each.code as { coding: [{ code: string }] }).coding[0].code;
      return [name, value === undefined ? undefined : String(value), ...(unit === undefined ? [] : [unit])] as Stat;
    });
  }
  const sources = out.filter(({ name }) => name === 'source').map(({ resource }) => resource.id!);
  return { stats, observations, sources };
}

const subject = { name: 'subject', valueUri: 'Patient/p' };
const system = { name: 'system', valueUri: 'http://loinc.org' };
const code = (valueString: string) => ({ name: 'code', valueString });
const statistic = (...codes: string[]) => codes.map((valueCode) => ({ name: 'statistic', valueCode }));

before(async () => {
  core = await testCore(await testDatabase(), { now: () => nowMs });
  core.operations = createOperations(core, { log: testLog() });
  for (const [i, value] of [2, 4, 4, 4, 5, 5, 7, 9].entries())
    await put(`h${i}`, 'hr', `2020-01-0${i + 1}`, quantity(value, '/min'));
  await put('h-absent', 'hr', '2020-01-09', { dataAbsentReason: { text: 'lost' } });
  await put('h-wrong', 'hr', '2020-01-09', { ...quantity(1000, '/min'), status: 'entered-in-error' });
  await put('h-less', 'hr', '2020-01-09', quantity(1, '/min', { comparator: '<' }));
  await put('h-other', 'hr', '2020-01-09', { ...quantity(1000, '/min'), subject: { reference: 'Patient/q' } });
  await put('w1', 'weight', '2020-01-01', quantity(70, 'kg'));
  await put('w2', 'weight', '2020-01-02', quantity(72_000, 'g'));
  await put('w3', 'weight', '2020-01-03', quantity(71, 's'));
  const pressure = (systolic: number, diastolic: number) => ({
    component: [
      { code: { coding: [coding('sys')] }, ...quantity(systolic) },
      { code: { coding: [coding('dia')] }, ...quantity(diastolic) },
    ],
  });
  await put('bp1', 'bp', '2020-01-01', pressure(120, 80));
  await put('bp2', 'bp', '2020-01-31T23:30:00Z', pressure(130, 90));
  await put('m1', 'na', '2020-01-01', quantity(140, 'mmol/L'));
  await put('m2', 'k', '2020-01-01', quantity(4.5, 'mmol/L'));
  await put('panel', 'lytes', '2020-01-01', {
    hasMember: [{ reference: 'Observation/m1' }, { reference: 'Observation/m2' }, { reference: 'Observation/none' }],
  });
});

describe('Observation/$stats', () => {
  test('each statistic', async () => {
    const { stats, observations } = await call([subject, system, code('hr'), ...statistic(...statistics.keys())]);
    assert.deepEqual(Object.keys(stats), ['hr']);
    const unit = '/min';
    assert.deepEqual(stats.hr, [
      ['average', '5', unit],
      ['maximum', '9', unit],
      ['minimum', '2', unit],
      ['count', '8', '1'],
      ['total-count', '10', '1'],
      ['median', '4.5', unit],
      ['std-dev', '2.1380899352994', unit],
      ['sum', '40', unit],
      ['variance', '4.57142857142857', '(/min)2'],
      ['20-percent', '4', unit],
      ['80-percent', '6.2', unit],
      ['4-lower', '4', unit],
      ['4-upper', '5.5', unit],
      ['4-dev', '0.75', unit],
      ['5-1', '4', unit],
      ['5-2', '4', unit],
      ['5-3', '5', unit],
      ['5-4', '6.2', unit],
      ['skew', '0.65625', '1'],
      ['kurtosis', '2.78125', '1'],
      ['regression', '0.80952380952381', unit],
      ['regression', '2.16666666666667', unit],
    ]);
    const [one] = observations as [Resource];
    assert.deepEqual([one.resourceType, one.status, one.subject], ['Observation', 'final', { reference: 'Patient/p' }]);
    assert.deepEqual(one.code, { coding: [coding('hr')] });
    assert.equal(one.effectivePeriod, undefined);
    assert.deepEqual(
      core.store.validator.validate(one).filter(({ severity }) => severity === 'error'),
      [],
    );
  });

  test('other units of the same kind are converted, others left out', async () => {
    const { stats } = await call([
      subject,
      { name: 'coding', valueCoding: coding('weight') },
      ...statistic('average', 'count', 'total-count', 'maximum'),
    ]);
    assert.deepEqual(stats.weight, [
      ['average', '71000', 'g'],
      ['count', '2', '1'],
      ['total-count', '3', '1'],
      ['maximum', '72000', 'g'],
    ]);
  });

  test('components, by their own code and by that of their panel', async () => {
    const own = await call([subject, system, code('sys'), ...statistic('maximum')]);
    assert.deepEqual(own.stats, { sys: [['maximum', '130', 'mmHg']] });
    const panel = await call([subject, system, code('bp'), ...statistic('average')]);
    assert.deepEqual(panel.stats, { sys: [['average', '125', 'mmHg']], dia: [['average', '85', 'mmHg']] });
    const both = await call([subject, system, code('bp'), code('sys'), ...statistic('count')]);
    assert.deepEqual(both.stats, { sys: [['count', '2', '1']], dia: [['count', '2', '1']] });
  });

  test('members of a panel, each once', async () => {
    const { stats } = await call([subject, system, code('lytes'), code('na'), ...statistic('count', 'sum')]);
    assert.deepEqual(stats, {
      na: [
        ['count', '1', '1'],
        ['sum', '140', 'mmol/L'],
      ],
      k: [
        ['count', '1', '1'],
        ['sum', '4.5', 'mmol/L'],
      ],
    });
  });

  test('members of a panel that are too large to be read at once', async () => {
    const ids = Array.from({ length: 40 }, (_, i) => `large${i}`);
    const note = [{ text: 'x'.repeat(1_000_000) }];
    for (const id of ids) await put(id, 'in-large', '2020-01-10', { ...quantity(5, '/min'), note });
    await put('large', 'large-panel', '2020-01-10', {
      hasMember: ids.map((id) => ({ reference: `Observation/${id}` })),
    });
    const { stats } = await call([subject, system, code('large-panel'), ...statistic('count')]);
    assert.deepEqual(stats, { 'in-large': [['count', '40', '1']] });
  });

  test('members of a panel that are of somebody else, of another time or withdrawn do not count', async () => {
    const members = ['own', 'elses', 'withdrawn', 'earlier', 'nobodys'];
    const hasMember = members.map((id) => ({ reference: `Observation/${id}` }));
    await put('mixed', 'mixed', '2020-01-10', { hasMember });
    await put('own', 'part', '2020-01-10', quantity(1));
    await put('elses', 'part', '2020-01-10', { ...quantity(20), subject: { reference: 'Patient/another' } });
    await put('withdrawn', 'part', '2020-01-10', { ...quantity(300), status: 'entered-in-error' });
    await put('earlier', 'part', '2019-01-10', quantity(4000));
    await put('nobodys', 'part', '2020-01-10', { ...quantity(50000), subject: { display: 'the same' } });
    const asked = [subject, code('mixed'), ...statistic('sum', 'total-count'), { name: 'include', valueBoolean: true }];
    const period = { name: 'period', valuePeriod: { start: '2020-01-10', end: '2020-01-10' } };
    const { stats, sources } = await call([...asked, period]);
    assert.deepEqual(stats, {
      part: [
        ['sum', '50001', 'mmHg'],
        ['total-count', '2', '1'],
      ],
    });
    assert.deepEqual(sources.sort(), ['mixed', 'nobodys', 'own']);
    assert.deepEqual((await call(asked)).stats.part![0], ['sum', '54001', 'mmHg']);
  });

  test('duration and period', async () => {
    const last = await call([
      subject,
      system,
      code('sys'),
      ...statistic('maximum', 'count'),
      { name: 'duration', valueDecimal: 1 },
    ]);
    assert.deepEqual(last.stats.sys, [
      ['maximum', '130', 'mmHg'],
      ['count', '1', '1'],
    ]);
    assert.deepEqual(last.observations[0]!.effectivePeriod, {
      start: '2020-01-31T23:00:00.000Z',
      end: '2020-02-01T00:00:00.000Z',
    });
    const period = { start: '2020-01-02', end: '2020-01-04' };
    const some = await call([
      subject,
      system,
      code('hr'),
      ...statistic('count'),
      { name: 'period', valuePeriod: period },
    ]);
    assert.deepEqual(some.stats.hr, [['count', '3', '1']]);
    assert.deepEqual(some.observations[0]!.effectivePeriod, period);
  });

  test('without measurements: a count of 0, and no made-up values', async () => {
    const { stats } = await call([
      subject,
      system,
      code('none'),
      ...statistic('count', 'average', 'maximum', 'variance', 'skew', 'regression'),
    ]);
    assert.deepEqual(stats.none, [
      ['count', '0', '1'],
      ...['average', 'maximum', 'variance', 'skew', 'regression', 'regression'].map((name) => [name, undefined]),
    ]);
    const hidden = await call([subject, system, code('hr'), ...statistic('count')], nothing);
    assert.deepEqual(hidden.stats.hr, [['count', '0', '1']]);
  });

  test('sources, the latest up to the limit', async () => {
    const asked = [
      subject,
      system,
      code('hr'),
      ...statistic('count'),
      { name: 'period', valuePeriod: { end: '2020-01-08' } },
    ];
    assert.deepEqual((await call([...asked, { name: 'limit', valuePositiveInt: 2 }])).sources, []);
    const { sources, stats } = await call([
      ...asked,
      { name: 'include', valueBoolean: true },
      { name: 'limit', valuePositiveInt: 2 },
    ]);
    assert.deepEqual(sources, ['h7', 'h6']);
    assert.deepEqual(stats.hr, [['count', '8', '1']]);
    assert.equal((await call([...asked, { name: 'include', valueBoolean: true }])).sources.length, 8);
  });

  test('refusals', async () => {
    const rejects = async (parameter: JsonObject[], wanted: string, expression: string[]) => {
      const error = await call(parameter).then(
        () => assert.fail('must be refused'),
        (each: { code: string; issues: [{ expression: string[] }] }) => each,
      );
      assert.deepEqual([error.code, error.issues[0].expression], [wanted, expression]);
    };
    const count = statistic('count');
    await rejects([system, code('hr'), ...count], 'required', ['subject']);
    await rejects([subject, system, code('hr')], 'required', ['statistic']);
    await rejects([subject, system, ...count], 'required', ['code', 'coding']);
    await rejects([subject, code('hr'), ...statistic('mean')], 'invalid-parameter', ['statistic']);
    await rejects(
      [{ name: 'subject', valueUri: 'http://elsewhere/Patient/1' }, code('hr'), ...count],
      'invalid-parameter',
      ['subject'],
    );
    await rejects([subject, code('hr'), ...count, { name: 'duration', valueDecimal: 0 }], 'invalid-parameter', [
      'duration',
    ]);
    await rejects([subject, code('hr'), ...count, { name: 'duration', valueDecimal: 1e300 }], 'invalid-parameter', [
      'duration',
    ]);
    const both = [
      { name: 'duration', valueDecimal: 1 },
      { name: 'period', valuePeriod: { start: '2020' } },
    ];
    await rejects([subject, code('hr'), ...count, ...both], 'invalid-parameter', ['period']);
    await rejects([subject, { name: 'coding', valueCoding: { system: 'x' } }, ...count], 'invalid-parameter', [
      'coding',
    ]);
    await rejects([subject, code("x'|,$\\"), ...count, { name: 'extra', valueString: 'x' }], 'unknown-parameter', [
      'extra',
    ]);
    assert.deepEqual((await call([subject, code("x'|,$\\;drop"), ...count])).stats["x'|,$\\;drop"], [
      ['count', '0', '1'],
    ]);
  });
});

test('a line goes through more measurements than a call has arguments', () => {
  const sorted = Array.from({ length: 200_000 }, (_, i) => ({
    ...{ value: 5, digits: '5' },
    timeMs: nowMs + i * 86_400_000,
  }));
  const [gradient, intercept] = statistics.get('regression')!({ sorted, totalCount: sorted.length });
  assert.deepEqual([gradient!.digits, intercept!.digits], ['0', '5']);
});
