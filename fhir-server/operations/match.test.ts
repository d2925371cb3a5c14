// Patient/$match over stored patients: https://hl7.org/fhir/R4/patient-operation-match.html
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { AccessScope, JsonObject, Resource } from '#fhir-model';
import { testDatabase, testLog } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { storeDelete, storeUpdate } from '../store/store.ts';
import { everything, nothing, testCore } from '../testing.ts';
import { invoke } from './invoke.ts';
import { createOperations } from './registry.ts';

let core: Core;

const put = (id: string, more: JsonObject) =>
  storeUpdate(core.store, { resourceType: 'Patient', id, ...more }, id, undefined, everything);

interface MatchEntry {
  fullUrl?: string;
  resource: Resource & { issue?: { severity: string; diagnostics: string }[] };
  search: { mode: string; score?: number; extension?: { url: string; valueCode: string }[] };
}

interface Options {
  onlyCertainMatches?: boolean;
  count?: number;
  scope?: AccessScope;
}

async function match(patient: JsonObject, { scope = everything, onlyCertainMatches, count }: Options = {}) {
  const parameter: JsonObject[] = [{ name: 'resource', resource: { resourceType: 'Patient', ...patient } }];
  if (onlyCertainMatches !== undefined) {
    parameter.push({ name: 'onlyCertainMatches', valueBoolean: onlyCertainMatches });
  }
  if (count !== undefined) parameter.push({ name: 'count', valueInteger: count });
  const answer = await invoke(core, {
    target: { name: 'match', type: 'Patient' },
    method: 'POST',
    pairs: [],
    resource: { resourceType: 'Parameters', parameter },
    scope,
    strict: true,
  });
  const bundle = JSON.parse((answer as { text: string }).text) as Resource & { total: number };
  const entries = (bundle.entry ?? []) as unknown as MatchEntry[];
  assert.deepEqual(
    [bundle.type, bundle.total],
    ['searchset', entries.filter((one) => one.search.mode === 'match').length],
  );
  return entries;
}

const graded = (entries: MatchEntry[]): string[] =>
  entries
    .filter(({ search }) => search.mode === 'match')
    .map(({ resource, search }) => `${resource.id} ${search.extension?.[0]?.valueCode}`);

const outcome = (entries: MatchEntry[]): string[] =>
  entries
    .filter(({ search }) => search.mode === 'outcome')
    .flatMap(({ resource }) => resource.issue!.map((i) => i.diagnostics));

const alpha: JsonObject = {
  identifier: [{ system: 'urn:test:mrn', value: 'A-1' }],
  name: [{ family: 'Testperson', given: ['Alpha'] }],
  birthDate: '1980-01-02',
  gender: 'female',
  telecom: [{ system: 'phone', value: '030 1234567' }],
  address: [{ line: ['Somestreet 1'], city: 'Sometown', postalCode: '12345' }],
};

before(async () => {
  core = await testCore(await testDatabase());
  core.operations = createOperations(core, { log: testLog() });
  await put('alpha', alpha);
  await put('twin', { ...alpha, identifier: [], name: [{ family: 'Testperson', given: ['Omega'] }] });
  await put('swapped', { name: [{ family: 'Gamma', given: ['Delta'] }], birthDate: '1970-03-04', gender: 'male' });
  await put('hyphen', {
    name: [{ family: 'First-Second', given: ['Epsilon'] }],
    birthDate: '1960-05-06',
    gender: 'male',
  });
  await put('misspelt', { name: [{ family: 'Lambdason', given: ['Kappa'] }], birthDate: '1950-07-08', gender: 'male' });
  await put('dateless', {
    name: [{ family: 'Sigmason', given: ['Tau'] }],
    address: [{ postalCode: '54321' }],
    gender: 'male',
  });
  await put('merged', {
    ...alpha,
    active: false,
    link: [{ other: { reference: 'Patient/alpha' }, type: 'replaced-by' }],
  });
  await put('gone', alpha);
  await storeDelete(core.store, 'Patient', 'gone', undefined, everything);
});

describe('finds', () => {
  test('the patient and the twin, in that order, with score and grade', async () => {
    const entries = await match(alpha);
    assert.deepEqual(graded(entries), ['alpha certain', 'twin possible']);
    const [first, second] = entries;
    assert.equal(first!.fullUrl, `${core.baseUrl}/Patient/alpha`);
    assert.deepEqual(first!.search, {
      extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/match-grade', valueCode: 'certain' }],
      mode: 'match',
      score: 1,
    });
    assert.equal(second!.search.score, 0.5);
    assert.deepEqual(outcome(entries), []);
  });

  const ways: [string, JsonObject, string][] = [
    ['by identifier', { identifier: [{ system: 'urn:test:mrn', value: 'A-1' }] }, 'alpha probable'],
    [
      'by telephone and given name',
      { telecom: alpha.telecom!, name: [{ given: ['Alpha'] }], birthDate: '1980' },
      'alpha possible',
    ],
    [
      'swapped names',
      { name: [{ family: 'Delta', given: ['Gamma'] }], birthDate: '1970-03-04', gender: 'male' },
      'swapped probable',
    ],
    [
      'swapped day and month',
      { name: [{ family: 'Gamma', given: ['Delta'] }], birthDate: '1970-04-03', gender: 'male' },
      'swapped probable',
    ],
    [
      'one part of a hyphenated name',
      { name: [{ family: 'Second', given: ['Epsilon'] }], birthDate: '1960-05-06', gender: 'male' },
      'hyphen probable',
    ],
    [
      'misspelt names, right date',
      { name: [{ family: 'Lamdbason', given: ['Kapa'] }], birthDate: '1950-07-08', gender: 'male' },
      'misspelt probable',
    ],
    [
      'misspelt name, mistyped date',
      { name: [{ family: 'Lambdasson', given: ['Kappa'] }], birthDate: '1950-07-09', gender: 'male' },
      'misspelt possible',
    ],
    [
      'no date, by name and postal code',
      { name: [{ family: 'Sigmason', given: ['Tau'] }], address: [{ postalCode: '54321' }] },
      'dateless possible',
    ],
    [
      'a name that is only a text',
      { name: [{ text: 'Tau Sigmason' }], address: [{ postalCode: '54321' }] },
      'dateless possible',
    ],
  ];
  for (const [name, patient, wanted] of ways) {
    test(name, async () => assert.equal(graded(await match(patient))[0], wanted));
  }

  test('nobody: an empty searchset', async () => {
    assert.deepEqual(await match({ name: [{ family: 'Nobody', given: ['Atall'] }], birthDate: '1999-09-09' }), []);
  });

  test('whoever has the identifier, though everything else speaks against it', async () => {
    const other = {
      identifier: alpha.identifier!,
      name: [{ family: 'Quite', given: ['Else'] }],
      birthDate: '1955-11-30',
      gender: 'male',
    };
    assert.deepEqual(graded(await match(other)), ['alpha certainly-not']);
  });
});

describe('parameters', () => {
  test('onlyCertainMatches: the one, or none and why', async () => {
    assert.deepEqual(graded(await match(alpha, { onlyCertainMatches: true })), ['alpha certain']);
    const { identifier: _1, telecom: _2, address: _3, ...bare } = alpha;
    const none = await match(bare, { onlyCertainMatches: true });
    assert.deepEqual(graded(none), []);
    assert.match(
      outcome(none)[0]!,
      /^No single patient is certain to be this one; there are 0 certain, 1 probable, 0 possible$/,
    );
    await put('double', alpha);
    const two = await match(alpha, { onlyCertainMatches: true });
    assert.deepEqual([graded(two), outcome(two).length], [[], 1]);
    await storeDelete(core.store, 'Patient', 'double', undefined, everything);
  });

  test('count: the likeliest, and how many more there are', async () => {
    const one = await match(alpha, { count: 1 });
    assert.deepEqual(
      [graded(one), outcome(one)],
      [['alpha certain'], ['1 less likely matches are not shown: raise count to see them']],
    );
    assert.deepEqual(graded(await match(alpha, { count: 0 })), []);
    await assert.rejects(match(alpha, { count: -1 }), { code: 'invalid-parameter', status: 400 });
  });

  test('a patient that has nothing to go by is refused', async () => {
    await assert.rejects(match({ gender: 'female' }), { code: 'required', status: 400 });
    await assert.rejects(match({}), { code: 'required', status: 400 });
    await assert.rejects(match({ name: [{ use: 'official' }] }), { code: 'required', status: 400 });
  });

  test('something else than a patient is refused', async () => {
    await assert.rejects(
      invoke(core, {
        target: { name: 'match', type: 'Patient' },
        method: 'POST',
        pairs: [],
        resource: { resourceType: 'Group', type: 'person', actual: true },
        scope: everything,
        strict: true,
      }),
      { code: 'invalid-parameter', status: 400 },
    );
  });
});

test('who may see nothing finds nobody', async () => assert.deepEqual(await match(alpha, { scope: nothing }), []));

test('five hundred with the same date: those with the name are found, and the answer says what was cut', async () => {
  const many = Array.from({ length: 520 }, (_, i) =>
    put(`crowd${i}`, { name: [{ family: `Crowd${i}x`, given: [`Given${i}x`] }], birthDate: '1900-01-01' }),
  );
  await Promise.all(many);
  const entries = await match({ name: [{ family: 'Crowd519x', given: ['Given519x'] }], birthDate: '1900-01-01' });
  assert.equal(graded(entries)[0], 'crowd519 probable');
  assert.match(
    outcome(entries).at(-1)!,
    /More than 500 patients have the same birth date, beginnings of names: not all were compared/,
  );
});

test('hostile texts are only texts', async () => {
  const text = "'; drop table r_patient; --\u0000 %_\\";
  const patient = {
    identifier: [{ system: 'urn:test:mrn', value: text }],
    name: [{ family: text, given: ['%', '_', text] }],
    telecom: [{ value: text }],
    address: [{ postalCode: text, line: [text], city: text }],
  };
  await assert.rejects(match(patient), { code: 'structure' });
  assert.deepEqual(await match(JSON.parse(JSON.stringify(patient).replaceAll('\\u0000', '')) as JsonObject), []);
  const long = 'x'.repeat(100_000);
  assert.deepEqual(await match({ name: Array.from({ length: 200 }, () => ({ family: long, given: [long] })) }), []);
});
