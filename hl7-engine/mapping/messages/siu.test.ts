import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { Refusal } from '../../message/refusal.ts';
import {
  entriesOf,
  mapLines,
  onlyEntry,
  onlyResource,
  refusalOf,
  storedAfter,
  storedOf,
} from '../../testing/mapped.ts';

const header = (event: string, at = '20260301080000') =>
  `MSH|^~\\&|SCHED|CLINIC|EHR|HOSP|${at}+0100||SIU^${event}^SIU_S12|S${at}${event}|P|2.5.1`;
const sch = (status = 'Booked', more = '') =>
  `SCH|A1^CLINIC|F1^SCHED||||R1^Asked for^L|CHECKUP|Normal|30|min|||||||||||||||${status}${more}`;
const pid = 'PID|1||P1^^^CLINIC^MR||TEST^JANE||19800102|F';
const ais = 'AIS|1|A|X1^Scan^L|20260401090000+0200|||30|min||Booked';
const aip = (number = '77', status = 'Booked', action = 'A') =>
  `AIP|1|${action}|${number}^Doc^Dora|D^Doctor^L||20260401090000+0200|||30|min||${status}`;
const ail = 'AIL|1|A|WARD^R1|C||20260401090000+0200|||30|min||Booked';
const booked = (...others: string[]) => [header('S12'), sch(), pid, 'RGS|1', ais, ail, aip(), ...others];

const participantsOf = (appointment: JsonObject): string[] =>
  (appointment.participant as JsonObject[]).map(({ actor, required, status }) => {
    const { display, reference } = (actor ?? {}) as JsonObject;
    return [display ?? reference, required, status].filter((word) => word !== undefined).join(' ');
  });

const system = (kind: string) => `urn:id:CLINIC:appointment-${kind}`;

describe('SIU^S12', () => {
  it('is an appointment with its patient, people, places and services', () => {
    const mapped = mapLines(...booked());
    const appointment = onlyResource(mapped, 'Appointment');
    const { participant: _participant, ...rest } = appointment;
    const patient = entriesOf(mapped, 'Patient')[0]!.fullUrl;
    assert.deepEqual(participantsOf(appointment), [
      `${patient} required accepted`,
      'Dora Doc accepted',
      'R1, WARD accepted',
    ]);
    assert.deepEqual(rest, {
      resourceType: 'Appointment',
      identifier: [
        {
          type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'PLAC' }] },
          system: 'urn:id:CLINIC',
          value: 'A1',
        },
        {
          type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'FILL' }] },
          system: 'urn:id:SCHED',
          value: 'F1',
        },
      ],
      status: 'booked',
      reasonCode: [{ coding: [{ code: 'CHECKUP' }] }],
      appointmentType: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0277', code: 'Normal' }] },
      serviceType: [{ coding: [{ system: 'urn:id:CLINIC:L', code: 'X1', display: 'Scan' }] }],
      start: '2026-04-01T09:00:00+02:00',
      end: '2026-04-01T09:30:00+02:00',
      minutesDuration: 30,
    });
    assert.deepEqual(mapped.warnings, []);
  });

  it('is known by both its numbers, and each is of a system of its own where none names one', () => {
    const plain = mapLines(header('S12'), 'SCH|1|2', pid, ais);
    const { url } = onlyEntry(plain, 'Appointment');
    const criteria = decodeURIComponent(url.slice('Appointment?identifier='.length));
    assert.equal(criteria, `${system('filler')}|2,${system('placer')}|1`);
  });

  it('is another one where the filler has given another number', () => {
    const of = (sch: string) => onlyEntry(mapLines(header('S12'), sch, pid, ais), 'Appointment');
    const [first, open] = [of('SCH|1|F1').resource, of('SCH|1').resource];
    const match = (sch: string, ...stored: (typeof first)[]) => of(sch).choose!(stored).match;
    assert.equal(match('SCH|1|F2', first), undefined);
    assert.equal(match('SCH|1|F2', first, open), open);
    assert.equal(match('SCH|1|F1', open, first), first);
    assert.equal(match('SCH|1', first), first);
    // Placer and filler number under one authority.
    const [asked, given] = [of('SCH|1^A').resource, of('SCH|1^A|F1^A').resource];
    assert.equal(match('SCH|1^A|F1^A', asked), asked);
    assert.equal(match('SCH|1^A|F2^A', given), undefined);
  });

  it('is found by the filler’s number, however many others have the same of the placer', () => {
    const mapped = mapLines(header('S13'), 'SCH|1|F11', pid, ais);
    const other = (value: number) => onlyEntry(mapLines(header('S12'), `SCH|1|F${value}`, pid, ais), 'Appointment');
    const others = Array.from({ length: 10 }, (_, index) => other(index).resource);
    const { choose } = onlyEntry(mapped, 'Appointment');
    assert.deepEqual(choose!(others), { match: undefined });
    const [asked] = mapped.lookUps!.filter(({ url }) => url.startsWith('Appointment?'));
    const own = { ...other(11).resource, id: 'own' };
    asked!.choose!([own]);
    assert.deepEqual(choose!(others), { follow: 'Appointment/own' });
    assert.deepEqual(choose!([own]), { match: own });
  });

  it('is for no order (SCH-26) of another patient', () => {
    const order = (id: string, more: object = {}) =>
      ({
        resourceType: 'ServiceRequest',
        id,
        status: 'active',
        subject: { reference: 'Patient/x' },
        ...more,
      }) as Resource;
    const mapped = mapLines(header('S12'), `SCH|A1${'|'.repeat(25)}O1^EHR`, pid, ais);
    const [patient, request] = ['Patient', 'ServiceRequest'].map((type) => onlyEntry(mapped, type));
    const choose = (...stored: Resource[]) => request!.choose!(stored);
    patient!.choose!([{ resourceType: 'Patient', id: 'p1' }]);
    assert.throws(() => choose(order('o1')), Refusal);
    const own = order('o2', { subject: { reference: 'Patient/p1' } });
    assert.deepEqual(
      [choose(own), choose(order('o3', { status: 'revoked' })), choose()],
      [{ match: own }, {}, { match: undefined }],
    );
    // Nor another one each time, where that of the other patient comes first.
    assert.deepEqual(choose(order('o3', { status: 'revoked' }), own), { match: own });
    const nobodys = order('o4', { subject: { display: 'Jane' } });
    assert.deepEqual(choose(nobodys), { match: nobodys });
  });

  it('takes rooms, services and people of AIG for what they are', () => {
    const aig = (type: string) => `AIG|1|A|${type}^One of ${type}^L|${type}`;
    const types = ['ROOM', 'PROVIDER', 'CLINIC', 'MRT'];
    const mapped = mapLines(...booked(...types.map(aig)));
    const made = mapped.entries.filter(({ resource }) =>
      JSON.stringify(resource?.identifier ?? []).includes('urn:id:CLINIC:L'),
    );
    assert.deepEqual(
      made.map(({ resource }) => resource?.resourceType),
      ['Location', 'Practitioner', 'HealthcareService', 'Device'],
    );
  });

  it('has the time of TQ1, else of its services, else of SCH-11, and its length of each of them', () => {
    const times = (...lines: string[]): unknown[] => {
      const { start, end, minutesDuration, status } = onlyResource(mapLines(header('S12'), ...lines), 'Appointment');
      return [start, end, minutesDuration, status];
    };
    const tq1 = 'TQ1|1||||||20260501100000+0000|20260501104500+0000';
    assert.deepEqual(times(sch(), tq1, pid, ais), [
      '2026-05-01T10:00:00+00:00',
      '2026-05-01T10:45:00+00:00',
      45,
      'booked',
    ]);
    const later = ais.replace('20260401090000+0200|||30|min', '|||30|min');
    assert.deepEqual(times('SCH|A1||||||||1.5|h|^^^20260601120000', pid, later), [
      '2026-06-01T12:00:00+01:00',
      '2026-06-01T13:30:00+01:00',
      90,
      'booked',
    ]);
    assert.deepEqual(times('SCH|A1||||||||||^^M20^20260601120000', pid), [
      '2026-06-01T12:00:00+01:00',
      '2026-06-01T12:20:00+01:00',
      20,
      'booked',
    ]);
    assert.deepEqual(times('SCH|A1||||||||||^^^20260601', pid), [undefined, undefined, undefined, 'proposed']);
  });

  it('without an end says that it is not known', () => {
    const found = onlyResource(mapLines(header('S12'), 'SCH|A1||||||||||^^^202606011200', pid), 'Appointment');
    const url = 'http://hl7.org/fhir/StructureDefinition/data-absent-reason';
    assert.deepEqual([found.end, found._end], [undefined, { extension: [{ url, valueCode: 'unknown' }] }]);
  });

  it('has each status of table 0278, however it is written; the event goes before it', () => {
    const statusOf = (event: string, status: string) =>
      onlyResource(mapLines(header(event), sch(status), pid, ais.replace('Booked', '')), 'Appointment').status;
    const all = 'Pending Waitlist Booked BOOKED Started Complete Cancelled Discontinued Noshow Blocked Overbook'.split(
      ' ',
    );
    assert.deepEqual(
      all.map((status) => statusOf('S14', status)),
      [
        'pending',
        'waitlist',
        'booked',
        'booked',
        'checked-in',
        'fulfilled',
        'cancelled',
        'cancelled',
        'noshow',
        'pending',
        'booked',
      ],
    );
    const others = ['Scheduled', 'CONFIRMED', 'Arrived', 'Canceled', 'Own word'];
    assert.deepEqual(
      others.map((status) => statusOf('S12', status)),
      ['booked', 'booked', 'arrived', 'cancelled', 'booked'],
    );
    const change = onlyEntry(mapLines(header('S14'), sch('Own word'), pid), 'Appointment');
    const existing = { ...change.resource, status: 'fulfilled' };
    assert.equal(change.merge!(existing, change.resource).status, 'fulfilled');
    assert.deepEqual(
      ['S15', 'S16', 'S17', 'S26'].map((event) => statusOf(event, 'Booked')),
      ['cancelled', 'cancelled', 'entered-in-error', 'noshow'],
    );
  });

  it('links the order that it is for, and the visit', () => {
    const mapped = mapLines(header('S12'), sch('Booked', '|O1^EHR|O2^RIS'), pid, 'PV1|1|O|||||||||||||||||V1', ais);
    const request = onlyResource(mapped, 'ServiceRequest');
    assert.deepEqual(
      [(request.identifier as JsonObject[]).map(({ value }) => value), request.occurrenceDateTime],
      [['O1', 'O2'], '2026-04-01T09:00:00+02:00'],
    );
    const [entry] = entriesOf(mapped, 'ServiceRequest');
    const [appointment] = entriesOf(mapped, 'Appointment');
    assert.deepEqual(appointment!.resource.basedOn, [{ reference: entry!.fullUrl }]);
    // Not of a service that it has no longer.
    const gone = ais.replace('|A|X1^Scan', '|D|X0^Other');
    const changed = onlyResource(
      mapLines(header('S14'), sch('Booked', '|O1^EHR|O2^RIS'), pid, gone, ais),
      'ServiceRequest',
    );
    assert.deepEqual(changed.code, request.code);
    const visit = onlyResource(mapped, 'Encounter');
    assert.deepEqual([visit.status, visit.appointment], ['planned', [{ reference: appointment!.fullUrl }]]);
  });

  it('is refused without a number, a segment SCH, or a patient’s number', () => {
    assert.equal(
      refusalOf(header('S12'), 'SCH|', pid),
      'AE 101 SCH-1 and SCH-2 have no appointment number: send one of them',
    );
    assert.equal(refusalOf(header('S12'), pid), 'AE 100 Required segment SCH is missing');
    assert.match(refusalOf(header('S12'), sch(), 'PID|1'), /^AE 101 PID-3/);
  });
});

describe('appointments in time', () => {
  const stored = (...messages: string[][]) => storedAfter(...messages);
  const one = (found: ReturnType<typeof stored>): JsonObject => storedOf(found.resources, 'Appointment')[0]!;

  it('are moved and cancelled, with the reason', () => {
    const moved = [header('S13', '20260302080000'), sch(), pid, ais.replace('0401090000', '0402100000')];
    const found = one(stored(booked(), moved));
    assert.deepEqual(
      [found.status, found.start, found.end],
      ['booked', '2026-04-02T10:00:00+02:00', '2026-04-02T10:30:00+02:00'],
    );
    const cancelled = one(stored(booked(), [header('S15', '20260302080000'), sch('Cancelled'), pid]));
    assert.deepEqual(
      [cancelled.status, cancelled.start, cancelled.cancelationReason],
      [
        'cancelled',
        '2026-04-01T09:00:00+02:00',
        { coding: [{ system: 'urn:id:CLINIC:L', code: 'R1', display: 'Asked for' }] },
      ],
    );
    const again = one(
      stored(
        booked(),
        [header('S15', '20260302080000'), sch('Cancelled'), pid],
        [header('S13', '20260303080000'), sch(), pid, ais],
      ),
    );
    assert.deepEqual([again.status, again.cancelationReason], ['booked', undefined]);
  });

  it('stay as they are where an older message comes late', () => {
    const late = stored([header('S15', '20260305080000'), sch('Cancelled'), pid, ais], booked());
    assert.equal(one(late).status, 'cancelled');
    assert.deepEqual(late.warnings, ['Appointment: older than what is stored; it stays as it is']);
  });

  it('keep the resources that a change of one does not name, and lose the one that goes', () => {
    // By name alone: numbers would be references, which only the store tells apart.
    const person = (name: string, action = 'A') => `AIP|1|${action}|^${name}|D`;
    const first = [header('S12'), sch(), pid, ais, person('Doc^Dora')];
    const added = [header('S18', '20260302080000'), sch(), person('Roe^Rita')];
    assert.deepEqual(participantsOf(one(stored(first, added))).slice(1), ['Dora Doc accepted', 'Rita Roe accepted']);
    const removed = [header('S22', '20260303080000'), sch(), person('Doc^Dora', 'D')];
    assert.deepEqual(participantsOf(one(stored(first, added, removed))).slice(1), ['Rita Roe accepted']);
    const replaced = [header('S14', '20260304080000'), sch(), pid, ais, person('Loe^Lena')];
    assert.deepEqual(participantsOf(one(stored(first, added, replaced))).slice(1), ['Lena Loe accepted']);
  });

  it('keep the services that a change of one does not name, lose the one that goes, and stay booked', () => {
    const service = (code: string, action = 'A', status = '') =>
      `AIS|1|${action}|${code}^Scan ${code}^L|20260401090000|||30|min||${status}`;
    const first = [header('S12'), sch(), pid, service('X1'), service('X2')];
    const later = (event: string, ...lines: string[]) => [header(event, '20260302080000'), sch(''), ...lines];
    const told = (...messages: string[][]) => {
      const { serviceType, status } = one(stored(first, ...messages));
      const types = serviceType as unknown as { coding: { code: string }[] }[] | undefined;
      return [types?.map(({ coding: [coding] }) => coding!.code), status];
    };
    assert.deepEqual(told(later('S18', service('X3'))), [['X1', 'X2', 'X3'], 'booked']);
    assert.deepEqual(told(later('S20', service('X1', 'U', 'Cancelled'))), [['X2'], 'booked']);
    assert.deepEqual(told(later('S22', service('X1', 'D'))), [['X2'], 'booked']);
    assert.deepEqual(told(later('S22', 'RGS|1|D', service('X1', ''), service('X2', ''))), [undefined, 'booked']);
    assert.deepEqual(told(later('S14', pid, service('X1', 'D', 'Cancelled'))), [['X2'], 'booked']);
    assert.deepEqual(told(later('S14', pid, service('X1', 'D', 'Cancelled'), service('X4'))), [['X4'], 'booked']);
    assert.deepEqual(told(later('S15', pid, service('X1', 'D'), service('X2', 'D'))), [['X1', 'X2'], 'cancelled']);
  });

  it('take the action of the group (RGS-2) for resources that have none', () => {
    const person = (name: string, action: string) => `AIP|1|${action}|^${name}|D`;
    const first = [header('S12'), sch(), pid, ais, person('Doc^Dora', 'A'), person('Roe^Rita', 'A')];
    const changed = (event: string, ...lines: string[]) =>
      participantsOf(one(stored(first, [header(event, '20260302080000'), sch(), ...lines]))).slice(1);
    assert.deepEqual(changed('S22', 'RGS|1|D', person('Doc^Dora', '')), ['Rita Roe accepted']);
    assert.deepEqual(changed('S19', 'RGS|1|U', person('Doc^Dora', 'D')), ['Rita Roe accepted']);
    assert.deepEqual(changed('S19', 'RGS|1|D', person('Doc^Dora', 'U')), ['Rita Roe accepted', 'Dora Doc accepted']);
    // Whom a message does not name stays, where it only takes somebody away.
    const removed = changed('S14', pid, ais, person('Doc^Dora', 'D'));
    assert.deepEqual(removed, ['Dora Doc declined', 'Rita Roe accepted']);
  });

  it('have no time of a service or resource that goes, or that is added to them', () => {
    const times = (...messages: string[][]) => {
      const { start, end, minutesDuration, participant } = one(stored(...messages));
      return [start, end, minutesDuration, (participant as JsonObject[]).at(-1)!.period];
    };
    const moved = ais.replace('AIS|1|A|X1', 'AIS|2|A|X2').replace('0401090000', '0402100000');
    const [at, by] = ['2026-04-02T10:00:00+02:00', '2026-04-02T10:30:00+02:00'];
    const first = [header('S12'), sch(), pid, ais];
    const swapped = [header('S13', '20260302080000'), sch(), pid, ais.replace('|A|', '|D|'), moved];
    assert.deepEqual(times(first, swapped), [at, by, 30, undefined]);
    // The anaesthetist comes an hour later than the appointment begins.
    const joins = 'AIP|1|A|^Roe^Rita|D||20260401100000+0200|||15|min';
    const period = { start: '2026-04-01T10:00:00+02:00', end: '2026-04-01T10:15:00+02:00' };
    const added = [header('S18', '20260302080000'), sch(), joins];
    assert.deepEqual(times(first, added), ['2026-04-01T09:00:00+02:00', '2026-04-01T09:30:00+02:00', 30, period]);
    // Of an appointment that is not known they are the only ones.
    assert.deepEqual(times(added).slice(0, 3), [period.start, period.end, 15]);
  });

  it('keep those whom a cancellation, or a change without resources, does not name', () => {
    const person = (name: string) => `AIP|1|A|^${name}|D`;
    const first = [header('S12'), sch(), pid, ais, person('Doc^Dora'), person('Roe^Rita')];
    const after = (...later: string[][]) => participantsOf(one(stored(first, ...later))).slice(1);
    const cancelled = [header('S15', '20260302080000'), sch('Cancelled'), pid];
    assert.deepEqual(after(cancelled), ['Dora Doc declined', 'Rita Roe declined']);
    assert.deepEqual(after([...cancelled, 'RGS|1', person('Roe^Rita')]), ['Rita Roe declined', 'Dora Doc declined']);
    const moved = [header('S13', '20260303080000'), sch(), pid, ais];
    assert.deepEqual(after(cancelled, moved), ['Dora Doc accepted', 'Rita Roe accepted']);
  });

  it('that never had a time and did not take place are cancelled', () => {
    assert.equal(onlyResource(mapLines(header('S17'), 'SCH|A1', pid), 'Appointment').status, 'cancelled');
  });
});

describe('SIU^S23 and S24', () => {
  const block = (event: string, at: string) => [
    header(event, at),
    'SCH|B1||||SCHEDULE||||||^^^20260401080000+0200^20260401120000+0200',
    'RGS|1',
    ail.replace('|||30|min', ''),
    'AIP|1||77^Doc^Dora',
  ];

  it('block and open the time of each resource', () => {
    const mapped = mapLines(...block('S23', '20260301080000'));
    assert.deepEqual(entriesOf(mapped, 'Schedule').length, 2);
    assert.deepEqual(
      entriesOf(mapped, 'Slot').map(({ resource: { status, start, end } }) => [status, start, end]),
      [
        ['busy-unavailable', '2026-04-01T09:00:00+02:00', '2026-04-01T12:00:00+02:00'],
        ['busy-unavailable', '2026-04-01T09:00:00+02:00', '2026-04-01T12:00:00+02:00'],
      ],
    );
    assert.equal(entriesOf(mapped, 'Appointment').length, 0);
    const { resources } = storedAfter(block('S23', '20260301080000'), block('S24', '20260302080000'));
    assert.deepEqual(
      storedOf(resources, 'Slot').map(({ status }) => status),
      ['free', 'free'],
    );
  });
});
