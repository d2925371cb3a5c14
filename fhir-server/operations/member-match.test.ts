// Patient/$member-match: https://hl7.org/fhir/us/davinci-hrex/OperationDefinition-member-match.html
import assert from 'node:assert/strict';
import { before, beforeEach, describe, test } from 'node:test';
import type { AccessScope, JsonObject, Resource } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase, testLog } from '#platform/testing';
import type { Core } from '../interactions/core.ts';
import { parseQuery, search } from '../interactions/search.ts';
import { storeUpdate } from '../store/store.ts';
import { emptyStore, everything, nothing, testCore } from '../testing.ts';
import { invoke } from './invoke.ts';
import { BIRTH_DATE_FAILURES_MAX, FAILURES_MAX } from './member-match-guard.ts';
import { createOperations } from './registry.ts';

let db: Db;
let core: Core;
let nowMs = Date.parse('2024-06-01T12:00:00Z');

const put = (resource: Resource & { id: string }) =>
  storeUpdate(core.store, resource, resource.id, undefined, everything);

const person: JsonObject = {
  name: [{ family: 'Testmember', given: ['Alpha'] }],
  birthDate: '1980-01-02',
  gender: 'female',
};

const coverage = (id: string, patient: string, more: JsonObject): Resource & { id: string } => ({
  resourceType: 'Coverage',
  id,
  status: 'active',
  beneficiary: { reference: `Patient/${patient}` },
  payor: [{ display: 'Payer' }],
  ...more,
});

const memberPatient: Resource = { resourceType: 'Patient', id: '1', ...person };

const card = (more: JsonObject): Resource => {
  const { id: _id, ...given } = coverage('', '1', more);
  return given;
};

const consent = (more: JsonObject = {}): Resource => ({
  resourceType: 'Consent',
  status: 'active',
  scope: { coding: [{ code: 'patient-privacy' }] },
  category: [{ coding: [{ code: 'IDSCL' }] }],
  patient: { reference: 'Patient/1' },
  policy: [{ uri: 'http://hl7.org/fhir/us/davinci-hrex/StructureDefinition-hrex-consent.html#sensitive' }],
  provision: { type: 'permit', period: { start: '2024-01-01', end: '2024-12-31' } },
  ...more,
});

interface Given {
  MemberPatient?: Resource;
  CoverageToMatch?: Resource;
  CoverageToLink?: Resource;
  Consent?: Resource;
}

const subscriber = { CoverageToMatch: card({ subscriberId: 'S-1' }) };

async function memberMatch(given: Given, scope: AccessScope = everything): Promise<JsonObject[]> {
  const parameter = Object.entries({ MemberPatient: memberPatient, ...given }).map(([name, resource]) => ({
    name,
    resource,
  }));
  const answer = await invoke(core, {
    target: { name: 'member-match', type: 'Patient' },
    method: 'POST',
    pairs: [],
    resource: { resourceType: 'Parameters', parameter },
    scope,
    strict: true,
  });
  return (answer as { resource: Resource }).resource.parameter as JsonObject[];
}

const fails = (given: Given, code: string, message: RegExp, expression: string) =>
  assert.rejects(
    memberMatch(given),
    (error: { status: number; issues: { code: string; diagnostics: string; expression: string[] }[] }) => {
      const [issue] = error.issues;
      assert.equal(error.status, 422, issue!.diagnostics);
      assert.match(issue!.diagnostics, message);
      assert.deepEqual([issue!.code, issue!.expression], [code, [expression]]);
      return true;
    },
  );

async function stored(type: string): Promise<Resource[]> {
  const page = await search(core, parseQuery(core, type, [['_sort', '_id']], true), {
    scope: everything,
    db: core.store.db,
  });
  return page.resources.map(({ body }) => JSON.parse(body) as Resource);
}

const UMB = {
  system: 'http://hl7.org/fhir/us/davinci-hrex/CodeSystem/hrex-temp',
  code: 'UMB',
  display: 'Member Number',
};

before(async () => {
  db = await testDatabase();
});

beforeEach(async () => {
  await emptyStore(db);
  nowMs = Date.parse('2024-06-01T12:00:00Z');
  core = await testCore(db, { now: () => nowMs });
  core.operations = createOperations(core, { log: testLog() });
  const member = { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'MB' }] };
  await put({
    resourceType: 'Patient',
    id: 'm',
    ...person,
    identifier: [
      { system: 'urn:test:mrn', value: '7' },
      { type: member, system: 'urn:test:member', value: 'M-1' },
    ],
  });
  await put({ resourceType: 'Patient', id: 'twin', ...person, name: [{ family: 'Testmember', given: ['Omega'] }] });
  await put({
    resourceType: 'Patient',
    id: 'spouse',
    ...person,
    name: [{ family: 'Testmember', given: ['Beta'] }],
    birthDate: '1979-03-04',
  });
  await put(
    coverage('c-m', 'm', { subscriberId: 'S-1', identifier: [{ system: 'urn:test:member', value: 'M-1-card' }] }),
  );
  await put(coverage('c-t', 'twin', { subscriberId: 'S-1' }));
  await put(coverage('c-s', 'spouse', { subscriberId: 'S-1' }));
});

describe('the one member', () => {
  const found: JsonObject[] = [
    {
      name: 'MemberIdentifier',
      valueIdentifier: {
        system: 'urn:test:member',
        value: 'M-1',
        type: { coding: [UMB, { system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'MB' }] },
      },
    },
    { name: 'MemberId', valueReference: { reference: 'Patient/m' } },
  ];

  test('by the subscriber’s number, which the family shares', async () => {
    assert.deepEqual(await memberMatch(subscriber), found);
  });

  test('by the member’s number on the coverage, or of the patient', async () => {
    assert.deepEqual(
      await memberMatch({ CoverageToMatch: card({ identifier: [{ system: 'urn:test:member', value: 'M-1-card' }] }) }),
      found,
    );
    assert.deepEqual(
      await memberMatch({ CoverageToMatch: card({ identifier: [{ system: 'urn:test:member', value: 'M-1' }] }) }),
      found,
    );
  });

  test('with a name that is misspelt or swapped', async () => {
    const named = (family: string, given: string) => ({ ...memberPatient, name: [{ family, given: [given] }] });
    for (const patient of [named('Testmembre', 'Alpha'), named('Alpha', 'Testmember'), named('Test-Member', 'Álpha')]) {
      assert.deepEqual(await memberMatch({ ...subscriber, MemberPatient: patient }), found);
    }
  });

  test('without an identifier that is unique: the id that it has here', async () => {
    await put({
      resourceType: 'Patient',
      id: 'copy',
      identifier: [
        { system: 'urn:test:member', value: 'M-1' },
        { system: 'urn:test:mrn', value: '7' },
      ],
    });
    const [identifier] = await memberMatch(subscriber);
    assert.deepEqual(identifier!.valueIdentifier, {
      type: { coding: [UMB] },
      system: `${core.baseUrl}/Patient`,
      value: 'm',
    });
  });
});

describe('422', () => {
  test('nobody: another number, birth date, name or gender', async () => {
    const none = /^No member matches these demographics and this coverage$/;
    await fails({ CoverageToMatch: card({ subscriberId: 'S-2' }) }, 'not-found', none, 'MemberPatient');
    for (const more of [
      { birthDate: '1980-01-03' },
      { name: [{ family: 'Testmember', given: ['Gamma'] }] },
      { gender: 'male' },
    ]) {
      await fails({ ...subscriber, MemberPatient: { ...memberPatient, ...more } }, 'not-found', none, 'MemberPatient');
    }
    await fails(
      { CoverageToMatch: card({ identifier: [{ system: 'urn:test:other', value: 'M-1' }] }) },
      'not-found',
      none,
      'MemberPatient',
    );
  });

  test('several', async () => {
    await put({ resourceType: 'Patient', id: 'm2', ...person });
    await put(coverage('c-m2', 'm2', { subscriberId: 'S-1' }));
    await fails(subscriber, 'multiple-matches', /More than one member/, 'MemberPatient');
    await put(coverage('c-m', 'm', { subscriberId: 'S-1', dependent: '01' }));
    await put(coverage('c-m2', 'm2', { subscriberId: 'S-1', dependent: '02' }));
    const [, id] = await memberMatch({ CoverageToMatch: card({ subscriberId: 'S-1', dependent: '02' }) });
    assert.deepEqual(id!.valueReference, { reference: 'Patient/m2' });
  });

  test('one that was merged into another does not count', async () => {
    await put({
      resourceType: 'Patient',
      id: 'm2',
      ...person,
      active: false,
      link: [{ other: { reference: 'Patient/m' }, type: 'replaced-by' }],
    });
    await put(coverage('c-m2', 'm2', { subscriberId: 'S-1' }));
    const [, id] = await memberMatch(subscriber);
    assert.deepEqual(id!.valueReference, { reference: 'Patient/m' });
  });

  test('too little to go by', async () => {
    await fails({ CoverageToMatch: card({}) }, 'required', /number of the member or subscriber/, 'CoverageToMatch');
    for (const more of [{ name: [{ family: 'Testmember' }] }, { birthDate: '1980' }]) {
      await fails(
        { ...subscriber, MemberPatient: { ...memberPatient, ...more } },
        'required',
        /needs a family and a given name/,
        'MemberPatient',
      );
    }
  });

  test('references to somebody else', async () => {
    const other = { beneficiary: { reference: 'Patient/2' } };
    await fails(
      { CoverageToMatch: card({ subscriberId: 'S-1', ...other }) },
      'invalid',
      /must refer to MemberPatient/,
      'CoverageToMatch.beneficiary',
    );
    await fails(
      { ...subscriber, CoverageToLink: card(other) },
      'invalid',
      /must refer to MemberPatient/,
      'CoverageToLink.beneficiary',
    );
    await fails(
      { ...subscriber, Consent: consent({ patient: { reference: 'Patient/2' } }) },
      'invalid',
      /must refer/,
      'Consent.patient',
    );
  });

  test('a consent that does not permit, or that can’t be complied with', async () => {
    const refused: [JsonObject, RegExp, string][] = [
      [{ status: 'rejected' }, /not active/, 'Consent.status'],
      [{ provision: { type: 'deny' } }, /denies/, 'Consent.provision.type'],
      [{ provision: { type: 'permit', period: { end: '2024-05-31' } } }, /not in force/, 'Consent.provision.period'],
      [{ provision: { type: 'permit', period: { start: '2024-06-02' } } }, /not in force/, 'Consent.provision.period'],
      [
        { policy: [{ uri: 'http://hl7.org/fhir/us/davinci-hrex/StructureDefinition-hrex-consent.html#regular' }] },
        /can’t comply/,
        'Consent.policy',
      ],
    ];
    for (const [more, message, expression] of refused) {
      await fails({ ...subscriber, Consent: consent(more) }, 'business-rule', message, expression);
    }
    assert.deepEqual(await stored('Consent'), []);
  });
});

const reference = 'Patient/m';

describe('what is kept', () => {
  test('consent and coverage, of the member, once; nothing that means other resources here', async () => {
    const given: Given = {
      ...subscriber,
      Consent: consent({ organization: [{ reference: 'Organization/o' }], performer: [{ reference: 'Patient/1' }] }),
      CoverageToLink: card({
        subscriber: { reference: 'Patient/9' },
        payor: [{ reference: '#p' }],
        contained: [{ resourceType: 'Organization', id: 'p', name: 'P' }],
      }),
    };
    await memberMatch(given);
    await memberMatch(given);
    const [kept, ...more] = await stored('Consent');
    assert.deepEqual(
      [more, kept!.patient, kept!.organization, kept!.performer],
      [[], { reference: 'Patient/m' }, [{ display: 'Organization/o' }], [{ reference: 'Patient/m' }]],
    );
    const linked = (await stored('Coverage')).filter(({ id }) => !id!.startsWith('c-'));
    assert.equal(linked.length, 1);
    assert.deepEqual(
      [linked[0]!.beneficiary, linked[0]!.subscriber, linked[0]!.payor],
      [{ reference: 'Patient/m' }, { display: 'Patient/9' }, [{ reference: '#p' }]],
    );
  });

  test('of the member, however the request tells whom it is about', async () => {
    const { id: _id, ...unnamed } = memberPatient;
    const urn = 'urn:uuid:00000000-0000-4000-8000-000000000001';
    for (const about of [{ display: 'member' }, { reference: urn }, { identifier: { value: 'S-1' } }]) {
      const CoverageToLink = card({ beneficiary: about, dependent: JSON.stringify(about) });
      await memberMatch({
        ...subscriber,
        MemberPatient: unnamed,
        Consent: consent({ patient: about }),
        CoverageToLink,
      });
    }
    const linked = (await stored('Coverage')).filter(({ id }) => !id!.startsWith('c-'));
    const found = [...linked, ...(await stored('Consent'))].map(({ beneficiary, patient }) => beneficiary ?? patient);
    const about = [{ display: 'member', reference }, { reference }, { identifier: { value: 'S-1' }, reference }];
    const texts = (all: unknown[]) => all.map((one) => JSON.stringify(one)).sort();
    assert.deepEqual(texts(found), texts([...about, ...about]));
  });

  test('nothing when nobody matches', async () => {
    await fails(
      { CoverageToMatch: card({ subscriberId: 'S-2' }), Consent: consent() },
      'not-found',
      /No member/,
      'MemberPatient',
    );
    assert.deepEqual(await stored('Consent'), []);
  });
});

test('trying numbers for one person ends after some failures, for an hour', async () => {
  for (let i = 0; i < FAILURES_MAX; i++) {
    await fails({ CoverageToMatch: card({ subscriberId: `try-${i}` }) }, 'not-found', /No member/, 'MemberPatient');
  }
  await assert.rejects(memberMatch(subscriber), { code: 'too-many-requests', status: 429 });
  nowMs += 60 * 60_000 + 1;
  assert.equal((await memberMatch(subscriber)).length, 2);
});

test('many at once try no more', async () => {
  const status = (i: number): Promise<unknown> =>
    memberMatch({ CoverageToMatch: card({ subscriberId: `try-${i}` }) }).catch((error) => error.status);
  const statuses = await Promise.all(Array.from({ length: 3 * FAILURES_MAX }, (_, i) => status(i)));
  const counted = [422, 429].map((wanted) => statuses.filter((one) => one === wanted).length);
  assert.deepEqual(counted, [FAILURES_MAX, 2 * FAILURES_MAX]);
});

test('neither do other names beside or near it, nor many numbers at once', async () => {
  nowMs += 60 * 60_000 + 1;
  const MemberPatient = (...names: JsonObject[]): Resource => ({ ...memberPatient, name: names });
  const own = { family: 'Testmember', given: ['Alpha'] };
  const attempt = (CoverageToMatch: Resource, patient: Resource) =>
    fails({ MemberPatient: patient, CoverageToMatch }, 'not-found', /No member/, 'MemberPatient');
  const beside = (i: number) => MemberPatient({ family: `Other${i}`, given: ['Beta'] }, own);
  for (let i = 0; i < FAILURES_MAX; i++) await attempt(card({ subscriberId: `try-${i}` }), beside(i));
  const refused = { code: 'too-many-requests', status: 429 };
  await assert.rejects(memberMatch({ ...subscriber, MemberPatient: beside(99) }), refused);
  const longer = MemberPatient({ ...own, family: 'Testmember Other' });
  await assert.rejects(memberMatch({ ...subscriber, MemberPatient: longer }), refused);
  const near = (i: number) => MemberPatient({ ...own, family: `Testmember${String.fromCodePoint(0x3b1 + i)}` });
  for (let i = 0; i < BIRTH_DATE_FAILURES_MAX - FAILURES_MAX; i++) {
    await attempt(card({ subscriberId: `near-${i}` }), near(Math.floor(i / FAILURES_MAX)));
  }
  await assert.rejects(memberMatch({ ...subscriber, MemberPatient: near(20) }), refused);
  nowMs += 60 * 60_000 + 1;
  const identifier = Array.from({ length: 11 }, (_, i) => ({ system: 'urn:x', value: String(i) }));
  const many = { ...subscriber, CoverageToMatch: card({ identifier }) };
  await fails(many, 'too-costly', /may have 10 identifiers/, 'CoverageToMatch.identifier');
  assert.equal((await memberMatch(subscriber)).length, 2);
});

test('who may see nothing finds nobody', () => assert.rejects(memberMatch(subscriber, nothing), { status: 422 }));

test('a missing or wrong parameter', async () => {
  await assert.rejects(memberMatch({}), { code: 'required', status: 400 });
  await assert.rejects(memberMatch({ ...subscriber, Consent: memberPatient }), {
    code: 'invalid-parameter',
    status: 400,
  });
});
