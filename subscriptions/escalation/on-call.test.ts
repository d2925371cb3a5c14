import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type JsonObject, type Resource, type ResourceReader, stringify } from '#fhir-model';
import { CerebraError } from '#platform';
import { wallClock } from '../wall-clock.ts';
import { isAvailable, isWithin } from './availability.ts';
import { contactOf, telephone } from './contact.ts';
import { whoIsOnCall } from './recipients.ts';

const at = (text: string): number => Date.parse(text);
const berlin = 'Europe/Berlin';

describe('working hours', () => {
  const nights = {
    availableTime: [{ daysOfWeek: ['fri'], availableStartTime: '20:00:00', availableEndTime: '06:00:00' }],
  };
  const cases: [string, JsonObject, string, boolean][] = [
    ['none: always', {}, '2026-01-05T03:00:00Z', true],
    ['a night begins on its day', nights, '2026-01-09T19:00:00Z', true],
    ['and goes on into the next', nights, '2026-01-10T04:59:59Z', true],
    ['until its end', nights, '2026-01-10T05:00:00Z', false],
    ['the night before is another one', nights, '2026-01-09T04:00:00Z', false],
    [
      'all day of some days',
      { availableTime: [{ daysOfWeek: ['sat', 'sun'], allDay: true }] },
      '2026-01-09T23:30:00Z',
      true,
    ],
    ['not on others', { availableTime: [{ daysOfWeek: ['sat', 'sun'], allDay: true }] }, '2026-01-09T22:30:00Z', false],
    [
      'without days: each day',
      { availableTime: [{ availableStartTime: '08:00:00', availableEndTime: '16:00:00' }] },
      '2026-01-10T07:00:00Z',
      true,
    ],
    // In summer Berlin is two hours ahead of UTC, in winter one.
    [
      'summer time',
      { availableTime: [{ availableStartTime: '08:00:00', availableEndTime: '16:00:00' }] },
      '2026-07-10T06:00:00Z',
      true,
    ],
    [
      'summer time ends work earlier',
      { availableTime: [{ availableStartTime: '08:00:00', availableEndTime: '16:00:00' }] },
      '2026-07-10T14:30:00Z',
      false,
    ],
    [
      'away for a day of the zone',
      { notAvailable: [{ during: { start: '2026-01-10', end: '2026-01-10' } }] },
      '2026-01-09T23:30:00Z',
      false,
    ],
    [
      'back after it',
      { notAvailable: [{ during: { start: '2026-01-10', end: '2026-01-10' } }] },
      '2026-01-10T23:30:00Z',
      true,
    ],
    ['a reason without a time', { notAvailable: [{ description: 'public holidays' }] }, '2026-01-10T12:00:00Z', true],
    ['not active', { active: false }, '2026-01-10T12:00:00Z', false],
    ['a contract that is over', { period: { end: '2025-12' } }, '2026-01-01T12:00:00Z', false],
    ['a contract of this month', { period: { start: '2026-01', end: '2026-01' } }, '2026-01-31T12:00:00Z', true],
  ];
  for (const [name, role, time, expected] of cases) {
    it(name, () => assert.equal(isAvailable(role, at(time), berlin), expected));
  }

  it('midnight is the beginning of a day', () => {
    assert.deepEqual(wallClock(at('2026-01-09T23:00:00Z'), berlin), { day: 'sat', seconds: 0, date: '2026-01-10' });
  });

  it('periods with instants', () => {
    const period = { start: '2026-01-10T08:00:00+01:00', end: '2026-01-10T09:00:00+01:00' };
    assert.equal(isWithin(period, at('2026-01-10T07:00:00Z'), berlin), true);
    assert.equal(isWithin(period, at('2026-01-10T08:00:01Z'), berlin), false);
  });
});

describe('addresses', () => {
  const now = at('2026-01-10T12:00:00Z');
  const best = (telecom: JsonObject[], kind: 'email' | 'sms' | 'url') => contactOf(telecom, kind, now, 'UTC');

  it('go by rank, those of another kind or out of use are left out', () => {
    const telecom = [
      { system: 'email', value: 'third@example.org' },
      { system: 'email', value: 'second@example.org', rank: 2 },
      { system: 'email', value: 'old@example.org', rank: 1, use: 'old' },
      { system: 'email', value: 'past@example.org', rank: 1, period: { end: '2025' } },
      { system: 'email', value: 'not an address', rank: 1 },
      { system: 'email', value: 'two@example.org, more@example.org', rank: 1 },
      { system: 'phone', value: 'first@example.org', rank: 1 },
    ];
    assert.equal(best(telecom, 'email'), 'second@example.org');
    assert.equal(best(telecom, 'sms'), undefined);
  });

  it('of short messages: sms before a mobile phone, a desk telephone never', () => {
    const mobile = { system: 'phone', use: 'mobile', value: '+1 555 010 0001' };
    assert.equal(best([mobile, { system: 'sms', value: '+15550100002' }], 'sms'), '+15550100002');
    assert.equal(
      best(
        [
          { ...mobile, rank: 1 },
          { system: 'sms', value: '+15550100002', rank: 2 },
        ],
        'sms',
      ),
      '+15550100001',
    );
    assert.equal(best([{ system: 'phone', use: 'work', value: '+15550100001' }], 'sms'), undefined);
  });

  it('are written in one way, or not used', () => {
    assert.equal(telephone('0049 (30) 555-0100'), '+49305550100');
    assert.equal(telephone('tel:+1-555-010-0001'), '+15550100001');
    for (const written of ['+49 (0)30 555-0100', '+49(0) 30 5550100', '0049-(0)30-5550100']) {
      assert.equal(telephone(written), '+49305550100', written);
    }
    for (const written of ['+39 (06) 555 0100', '+39 (0)6 555 0100', '0039(0)65550100']) {
      assert.equal(telephone(written), '+39065550100', written);
    }
    assert.equal(telephone('+378 (0)549 555010'), '+3780549555010');
    for (const value of ['555-0100', '+0123456789', 'x', undefined, '+1555010000112345678'])
      assert.equal(telephone(value), undefined);
  });
});

/** A store of these resources; searches answer what `find` has. */
function directoryOf(resources: Resource[], find: Record<string, Resource[]> = {}) {
  const stored = (resource: Resource) => ({
    ...{
      type: resource.resourceType,
      id: resource.id!,
      version: 1,
      updatedMs: 0,
      body: stringify(resource),
      deleted: false,
    },
  });
  const reader: ResourceReader = {
    async read(type, id) {
      const found = resources.find((one) => one.resourceType === type && one.id === id);
      return found && stored(found);
    },
    async search(type, query) {
      const key = Object.keys(find).find((prefix) => `${type}?${query}`.startsWith(prefix));
      const found = key === undefined ? [] : find[key]!;
      const count = Number(/&_count=(\d+)/.exec(query)?.[1]);
      const more = found.length > count ? { nextCursor: 'more' } : {};
      return { resources: found.slice(0, count).map(stored), included: [], ...more };
    },
  };
  return {
    reader,
    scope: { kind: 'everything' } as const,
    timeZone: 'UTC',
    baseUrl: 'https://fhir.example.org/fhir/R4',
  };
}

const person = (id: string, rest: JsonObject = {}): Resource => ({ resourceType: 'Practitioner', id, ...rest });
const role = (id: string, rest: JsonObject = {}): Resource => ({
  ...{ resourceType: 'PractitionerRole', id, practitioner: { reference: `Practitioner/${id}` } },
  ...rest,
});
const team = (id: string, members: JsonObject[], rest: JsonObject = {}): Resource => ({
  ...{ resourceType: 'CareTeam', id, status: 'active', participant: members },
  ...rest,
});
const member = (reference: string, rest: JsonObject = {}) => ({ member: { reference }, ...rest });

describe('who is on call', () => {
  const now = at('2026-01-10T12:00:00Z');
  const names = async (who: string[], resources: Resource[], find?: Record<string, Resource[]>) => {
    const found = await whoIsOnCall(
      who.map((reference) => ({ reference })),
      ['Patient/p'],
      now,
      directoryOf(resources, find),
    );
    return { is: found.recipients.map(({ reference }) => reference), notes: found.notes };
  };

  it('of a team: its members in their periods, teams within it, nobody twice, no circle', async () => {
    const resources = [
      team('t', [
        member('Practitioner/a'),
        member('PractitionerRole/r'),
        member('CareTeam/u'),
        member('Practitioner/gone', { period: { end: '2025-01-01' } }),
        member('Patient/p'),
        member('#contained'),
        {},
      ]),
      team('u', [member('Practitioner/a/_history/3'), member('Practitioner/b'), member('CareTeam/t')]),
      ...[
        person('a'),
        person('b'),
        person('gone'),
        person('r', { telecom: [{ system: 'email', value: 'r@example.org' }] }),
      ],
      role('r', { telecom: [{ system: 'sms', value: '+15550100001' }] }),
    ];
    assert.deepEqual(await names(['CareTeam/t', 'Practitioner/b'], resources), {
      is: ['Practitioner/a', 'PractitionerRole/r', 'Practitioner/b'],
      notes: [],
    });
  });

  it('of a team in a role', async () => {
    const nurse = [{ coding: [{ system: 'http://x', code: 'nurse' }] }];
    const resources = [
      team('t', [member('Practitioner/a'), member('Practitioner/b', { role: nurse })]),
      person('a'),
      person('b'),
    ];
    const inRole = async (asked: { system?: string; code: string }) => {
      const who = [{ reference: 'CareTeam/t', role: asked }];
      const { recipients } = await whoIsOnCall(who, [], now, directoryOf(resources));
      return recipients.map(({ reference }) => reference);
    };
    assert.deepEqual(await inRole({ code: 'nurse' }), ['Practitioner/b']);
    assert.deepEqual(await inRole({ system: 'http://x', code: 'nurse' }), ['Practitioner/b']);
    assert.deepEqual(await inRole({ system: 'http://y', code: 'nurse' }), []);
  });

  it('a role whose person is not active any more calls nobody', async () => {
    const telecom = [{ system: 'sms', value: '+15550100001' }];
    const resources = [role('left', { telecom }), person('left', { active: false }), role('r'), person('r')];
    assert.deepEqual(await names(['PractitionerRole/left', 'PractitionerRole/r'], resources), {
      is: ['PractitionerRole/r'],
      notes: ['PractitionerRole/left: Practitioner/left is not active'],
    });
  });

  it('of one team in two roles: those of both', async () => {
    const inRole = (code: string) => [{ coding: [{ system: 'http://x', code }] }];
    const members = ['nurse', 'physician', 'cleaner'].map((code) =>
      member(`Practitioner/${code}`, { role: inRole(code) }),
    );
    const resources = [team('t', members), person('nurse'), person('physician'), person('cleaner')];
    const who = ['nurse', 'physician'].map((code) => ({ reference: 'CareTeam/t', role: { code } }));
    const { recipients, notes } = await whoIsOnCall(who, [], now, directoryOf(resources));
    assert.deepEqual(
      recipients.map(({ reference }) => reference),
      ['Practitioner/nurse', 'Practitioner/physician'],
    );
    assert.deepEqual(notes, []);
  });

  it('references with our own base are ours, those with another are not', async () => {
    const base = 'https://fhir.example.org/fhir/R4';
    const resources = [
      team('t', [member(`${base}/PractitionerRole/r`), member('https://other.example.org/fhir/Practitioner/a')]),
      role('r', { practitioner: { reference: `${base}/Practitioner/r/_history/1` } }),
      ...[person('a'), person('r', { telecom: [{ system: 'email', value: 'r@example.org' }] })],
    ];
    const { recipients } = await whoIsOnCall([{ reference: 'CareTeam/t' }], [], now, directoryOf(resources));
    assert.deepEqual(recipients, [
      { reference: 'PractitionerRole/r', telecoms: [[{ system: 'email', value: 'r@example.org' }]] },
    ]);
  });

  it('a team of which somebody is called anyway is not called by its own address', async () => {
    const telecom = [{ system: 'email', value: 'team@example.org' }];
    const resources = [team('t', [member('Practitioner/a')], { telecom }), person('a')];
    assert.deepEqual(await names(['Practitioner/a', 'CareTeam/t'], resources), { is: ['Practitioner/a'], notes: [] });
  });

  it('a team without anybody is called by its own address, or it says so', async () => {
    const away = role('r', { notAvailable: [{ during: { start: '2026' } }] });
    const telecom = [{ system: 'email', value: 'team@example.org' }];
    const resources = [
      away,
      person('r'),
      team('t', [member('PractitionerRole/r')], { telecom }),
      team('u', [member('PractitionerRole/r')]),
    ];
    assert.deepEqual(await names(['CareTeam/t'], resources), {
      is: ['CareTeam/t'],
      notes: ['PractitionerRole/r: not on call'],
    });
    assert.deepEqual(await names(['CareTeam/u', 'CareTeam/none'], resources), {
      is: [],
      notes: [
        'PractitionerRole/r: not on call',
        'CareTeam/u: nobody of the team is on call',
        'CareTeam/none: there is no such resource',
      ],
    });
    assert.deepEqual((await names(['CareTeam/v'], [team('v', [], { status: 'inactive', telecom })])).is, []);
  });

  const roster: Resource = { resourceType: 'Schedule', id: 's', actor: [{ reference: 'PractitionerRole/r' }] };
  const slot = (status: string, end: string): Resource => ({
    resourceType: 'Slot',
    id: 'x',
    status,
    start: '2026-01-10T08:00:00Z',
    end,
  });
  const hours = role('r', { availableTime: [{ daysOfWeek: ['mon'], allDay: true }] });

  it('by a roster: whose slot it is, whatever the hours say', async () => {
    const resources = [roster, hours, person('r')];
    const slots = (...found: Resource[]) => ({ 'Slot?schedule=Schedule/s&start=le2026-01-10T12:00:00.000Z': found });
    const free = slot('free', '2026-01-10T16:00:00Z');
    assert.deepEqual((await names(['Schedule/s'], resources, slots(free))).is, ['PractitionerRole/r']);
    for (const found of [slot('busy-unavailable', '2026-01-10T16:00:00Z'), slot('free', '2026-01-10T12:00:00Z')]) {
      assert.deepEqual(await names(['Schedule/s'], resources, slots(found)), {
        is: [],
        notes: ['Schedule/s: it has no slot for this time'],
      });
    }
    const own = { 'Schedule?actor=PractitionerRole/r&service-type=on-call&active:not=false': [roster] };
    assert.deepEqual((await names(['PractitionerRole/r'], resources, { ...own, ...slots(free) })).is, [
      'PractitionerRole/r',
    ]);
    assert.deepEqual((await names(['PractitionerRole/r'], resources, own)).is, []);
    // Not by the hours, and then by the roster.
    assert.deepEqual((await names(['PractitionerRole/r', 'Schedule/s'], resources, slots(free))).is, [
      'PractitionerRole/r',
    ]);
  });

  it('by one of many rosters; where there are more than are looked at it says so', async () => {
    const rosters = Array.from({ length: 101 }, (_, i): Resource => ({ ...roster, id: `s${i}` }));
    const own = 'Schedule?actor=PractitionerRole/r&service-type=on-call&active:not=false';
    const slots = { 'Slot?schedule=Schedule/s99&start': [slot('free', '2026-01-10T16:00:00Z')] };
    const ask = (some: Resource[]) => names(['PractitionerRole/r'], [hours, person('r')], { ...slots, [own]: some });
    assert.deepEqual(await ask(rosters.slice(0, 100)), { is: ['PractitionerRole/r'], notes: [] });
    assert.deepEqual(await ask([...rosters.slice(0, 99), rosters[100]!, rosters[99]!]), {
      is: [],
      notes: [`${own}: only the latest 100 were looked at`, 'PractitionerRole/r: not on call'],
    });
  });

  it('ten rosters of somebody at once, and one of several people once', async () => {
    const rosters = Array.from({ length: 25 }, (_, i): Resource => ({ ...roster, id: `s${i}` }));
    const of = (id: string) => `Schedule?actor=Practitioner/${id}&service-type=on-call&active:not=false`;
    const directory = directoryOf([person('a'), person('b')], { [of('a')]: rosters, [of('b')]: rosters });
    const { search } = directory.reader;
    let [asked, together, most] = [0, 0, 0];
    directory.reader.search = async (type, query, scope) => {
      if (type !== 'Slot') return search(type, query, scope);
      asked++;
      most = Math.max(most, ++together);
      await new Promise(setImmediate);
      together--;
      return search(type, query, scope);
    };
    const who = [{ reference: 'Practitioner/a' }, { reference: 'Practitioner/b' }];
    assert.deepEqual((await whoIsOnCall(who, [], Date.parse('2026-01-10T12:00:00Z'), directory)).recipients, []);
    assert.deepEqual([asked, most], [25, 10]);
  });

  it('a hundred at most, and it says so', async () => {
    const ids = Array.from({ length: 103 }, (_, i) => `p${i}`);
    const resources = [
      team(
        't',
        ids.map((id) => member(`Practitioner/${id}`)),
      ),
      ...ids.map((id) => person(id)),
    ];
    const { is, notes } = await names(['CareTeam/t'], resources);
    assert.deepEqual(
      is,
      ids.slice(0, 100).map((id) => `Practitioner/${id}`),
    );
    assert.deepEqual(notes, ['100 are told at most: whoever comes after them was not looked at']);
  });

  it('the care teams of the patient', async () => {
    const resources = [team('t', [member('Practitioner/a')]), person('a')];
    const find = { 'CareTeam?subject=Patient/p&status=active': [resources[0]!] };
    const who = [{ of: 'patient-care-team' } as const];
    const found = await whoIsOnCall(who, ['Patient/p'], now, directoryOf(resources, find));
    assert.deepEqual(
      found.recipients.map(({ reference }) => reference),
      ['Practitioner/a'],
    );
    const none = await whoIsOnCall(who, [], now, directoryOf(resources, find));
    assert.deepEqual(none.notes, ['patient-care-team: the alert is not about a patient']);
  });

  it('while the store can not be asked nobody is said to be away', async () => {
    const directory = directoryOf([]);
    directory.reader.read = () => Promise.reject(new CerebraError('unavailable', 'down'));
    await assert.rejects(whoIsOnCall([{ reference: 'Practitioner/a' }], [], now, directory), { code: 'unavailable' });
  });
});
