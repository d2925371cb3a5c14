// Patients and visits over MLLP: one patient whatever numbers a message has, merges, events out of order.
// https://hl7.org/fhir/R4/patient.html#merge, HL7 v2.9 chapter 3
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { createMllpClient, type MllpClient } from '#hl7-engine';
import { waitFor } from '#platform/testing';
import { type Client, createClient, entries } from './client.ts';
import { startTestServer, type TestServer } from './server.ts';

let server: TestServer;
let fhir: Client;
const clients: MllpClient[] = [];
const connections = 16;

before(async () => {
  server = await startTestServer();
  fhir = createClient(server.fhirBaseUrl);
  for (let i = 0; i < connections; i++) {
    clients.push(createMllpClient({ host: '127.0.0.1', port: server.mllpPort, timeoutMs: 60_000 }));
  }
});

after(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await server.stop();
});

type Found = Record<string, unknown> & { id: string };

async function find(query: string): Promise<Found[]> {
  const reply = await fhir('GET', query);
  assert.equal(reply.status, 200, reply.text.slice(0, 500));
  return entries(reply).map(({ resource }) => resource as unknown as Found);
}

async function only(query: string): Promise<Found> {
  const found = await find(query);
  assert.equal(found.length, 1, `${query}: ${found.length}`);
  return found[0]!;
}

const patientOf = (number: string) => only(`Patient?identifier=urn:id:IDHOSP|${number}`);

let controlNumber = 0;

/** `minute` after the same hour: MSH-7 and EVN-2. */
function adt(event: string, minute: number, ...segments: string[]): string {
  const time = `2026013112${String(minute).padStart(2, '0')}00+0000`;
  const header = `MSH|^~\\&|ADT|IDHOSP|EHR|IDHOSP|${time}||ADT^${event}|ID${++controlNumber}|P|2.5.1`;
  return [header, `EVN|${event}|${time}`, ...segments].join('\r');
}

const cx = (number: string, facility = 'IDHOSP') => `${number}^^^${facility}^MR`;
const pid = (numbers: string[], name = 'TEST^ANNA', more = '') =>
  `PID|1||${numbers.join('~')}||${name}||19800102|F${more}`;
const pv1 = (visit: string, place = 'W1^1^1') => `PV1|1|I|${place}${'|'.repeat(16)}${visit}^^^IDHOSP`;

/** MSA-1. */
async function send(message: string, connection = 0): Promise<string> {
  const ack = await clients[connection]!.send(Buffer.from(message));
  return ack.toString('latin1').split('\r')[1]!.split('|')[1]!;
}

async function sendAll(messages: string[]): Promise<string[]> {
  return Promise.all(messages.map((message, index) => send(message, index % connections)));
}

const list = (value: unknown) => (Array.isArray(value) ? (value as Record<string, unknown>[]) : []);

const numbersOf = (patient: Found) =>
  list(patient.identifier)
    .map(({ value, use }) => `${value}${use === 'old' ? ' old' : ''}`)
    .sort();

test('16 connections with overlapping subsets of the numbers make one patient each', async () => {
  const people = Array.from({ length: 24 }, (_, i) => [`a${i}`, `b${i}`, `c${i}`]);
  const messages = people.flatMap(([a, b, c]) =>
    [
      [a, b],
      [b, c],
      [c, a],
      [a, b, c],
      [b, a],
    ].map((numbers, k) => adt('A04', k, pid(numbers.map((number) => cx(number!))))),
  );
  const answers = await sendAll(messages);
  assert.deepEqual(new Set(answers), new Set(['AA']));
  for (const [a, b, c] of people) {
    const ids = new Set<string>();
    for (const number of [a, b, c]) ids.add((await patientOf(number!)).id);
    assert.equal(ids.size, 1, `${a}, ${b} and ${c} are one patient`);
  }
});

test('the same number of two facilities is two patients', async () => {
  assert.deepEqual(await sendAll([adt('A04', 1, pid([cx('f1', 'NORTH')])), adt('A04', 1, pid([cx('f1', 'SOUTH')]))]), [
    'AA',
    'AA',
  ]);
  const north = await only('Patient?identifier=urn:id:NORTH|f1');
  const south = await only('Patient?identifier=urn:id:SOUTH|f1');
  assert.notEqual(north.id, south.id);
});

test('numbers of two patients are refused with what a person has to decide, and nothing is stored', async () => {
  await send(adt('A04', 1, pid([cx('d1')])));
  await send(adt('A04', 1, pid([cx('d2')])));
  const ack = await clients[0]!.send(Buffer.from(adt('A08', 2, pid([cx('d1'), cx('d2')], 'OTHER^NAME'))));
  const lines = ack.toString('latin1').split('\r');
  assert.equal(lines[1]!.split('|')[1], 'AE');
  assert.match(lines.join('\n'), /ERR\|.*PID\^1\^3.*\|205\^/);
  for (const number of ['d1', 'd2']) {
    assert.equal((list((await patientOf(number)).name)[0] as { family: string }).family, 'TEST');
  }
});

test('A40: links, numbers and references; the old number means the survivor; a replay changes nothing', async () => {
  await send(adt('A01', 1, pid([cx('m1')]), pv1('VM1')));
  await send(adt('A01', 1, pid([cx('m2')]), pv1('VM2')));
  const gone = await patientOf('m1');
  const kept = await patientOf('m2');
  const merge = (minute: number) => adt('A40', minute, pid([cx('m2')]), `MRG|${cx('m1')}`);
  assert.equal(await send(merge(5)), 'AA');
  const after = await patientOf('m2');
  assert.equal(after.id, kept.id);
  assert.deepEqual(numbersOf(after), ['m1 old', 'm2']);
  assert.deepEqual(
    list(after.link).map(({ type, other }) => [type, (other as { reference: string }).reference]),
    [['replaces', `Patient/${gone.id}`]],
  );
  const retired = (await fhir('GET', `Patient/${gone.id}`)).json;
  assert.equal(retired.active, false);
  assert.deepEqual(retired.link, [{ other: { reference: `Patient/${kept.id}` }, type: 'replaced-by' }]);
  for (const visit of ['VM1', 'VM2']) {
    const encounter = await only(`Encounter?identifier=urn:id:IDHOSP|${visit}`);
    assert.deepEqual(encounter.subject, { reference: `Patient/${kept.id}` });
  }
  assert.equal(await send(merge(6)), 'AA');
  assert.deepEqual(numbersOf(await patientOf('m2')), ['m1 old', 'm2']);
  assert.equal(await send(adt('A08', 7, pid([cx('m1')], 'TEST^LATE'))), 'AA');
  assert.equal((await patientOf('m1')).id, kept.id);
  // The other way round is no merge any more.
  assert.equal(await send(adt('A40', 8, pid([cx('m1')]), `MRG|${cx('m2')}`)), 'AE');
});

test('A40 of merged ones: a chain is followed, a second home is refused', async () => {
  for (const number of ['n1', 'n2', 'n3', 'n4']) await send(adt('A04', 1, pid([cx(number)])));
  assert.equal(await send(adt('A40', 2, pid([cx('n2')]), `MRG|${cx('n1')}`)), 'AA');
  assert.equal(await send(adt('A40', 3, pid([cx('n3')]), `MRG|${cx('n2')}`)), 'AA');
  const last = await patientOf('n3');
  assert.deepEqual(numbersOf(last), ['n1 old', 'n2 old', 'n3']);
  for (const number of ['n1', 'n2']) assert.equal((await patientOf(number)).id, last.id);
  assert.equal(await send(adt('A40', 4, pid([cx('n4')]), `MRG|${cx('n1')}`)), 'AE');
  assert.deepEqual(numbersOf(await patientOf('n4')), ['n4']);
});

test('A40 of unknown patients makes the survivor, which keeps the old number', async () => {
  assert.equal(await send(adt('A40', 1, pid([cx('u2')]), `MRG|${cx('u1')}`)), 'AA');
  assert.deepEqual(numbersOf(await patientOf('u1')), ['u1 old', 'u2']);
  assert.equal(await send(adt('A04', 2, pid([cx('u1')]))), 'AA');
  assert.equal((await patientOf('u1')).id, (await patientOf('u2')).id);
});

test('A40 and A43 into a patient of whom nothing was known take the number from the one who has it', async () => {
  await send(adt('A01', 1, pid([cx('j1')]), pv1('VJ1')));
  const gone = await patientOf('j1');
  assert.equal(await send(adt('A40', 2, pid([cx('j2')]), `MRG|${cx('j1')}`)), 'AA');
  const kept = await patientOf('j1');
  assert.deepEqual([numbersOf(kept), kept.id === gone.id], [['j1 old', 'j2'], false]);
  assert.equal((await fhir('GET', `Patient/${gone.id}`)).json.active, false);
  const { subject } = await only('Encounter?identifier=urn:id:IDHOSP|VJ1');
  assert.deepEqual(subject, { reference: `Patient/${kept.id}` });
  await send(adt('A04', 3, pid([cx('j3'), cx('j4')])));
  assert.equal(await send(adt('A43', 4, pid([cx('j5')]), `MRG|${cx('j4')}`)), 'AA');
  assert.deepEqual(numbersOf(await patientOf('j3')), ['j3']);
  assert.deepEqual(numbersOf(await patientOf('j4')), ['j4', 'j5']);
});

test('A40 and updates of both patients at once end in one patient', async () => {
  for (let i = 0; i < 8; i++) {
    const [old, kept] = [`p${i}`, `q${i}`];
    await sendAll([adt('A04', 1, pid([cx(old)])), adt('A04', 1, pid([cx(kept)]))]);
    const answers = await sendAll([
      ...[2, 3, 4].map((minute) => adt('A08', minute, pid([cx(old)]))),
      adt('A40', 5, pid([cx(kept)]), `MRG|${cx(old)}`),
      ...[6, 7, 8].map((minute) => adt('A08', minute, pid([cx(kept)]))),
    ]);
    assert.deepEqual(new Set(answers), new Set(['AA']));
    assert.equal((await patientOf(old)).id, (await patientOf(kept)).id);
  }
});

test('A37 takes a merge back, with what it has moved and has not changed since', async () => {
  for (const number of ['w1', 'w2']) await send(adt('A01', 1, pid([cx(number)]), pv1(`V${number}`)));
  await send(adt('A01', 1, pid([cx('w1')]), pv1('Vw1b')));
  const [former, survivor] = [(await patientOf('w1')).id, (await patientOf('w2')).id];
  const subjectOf = async (visit: string) =>
    ((await only(`Encounter?identifier=urn:id:IDHOSP|${visit}`)).subject as { reference: string }).reference;
  assert.equal(await send(adt('A40', 2, pid([cx('w2')]), `MRG|${cx('w1')}`)), 'AA');
  for (const visit of ['Vw1', 'Vw1b', 'Vw2']) assert.equal(await subjectOf(visit), `Patient/${survivor}`);
  // Changed since: it cannot be told whose it is.
  assert.equal(await send(adt('A03', 3, pid([cx('w2')]), pv1('Vw1b'))), 'AA');
  assert.equal(await send(adt('A37', 4, pid([cx('w2')]), pid([cx('w1')]))), 'AA');
  const [one, two] = [await patientOf('w1'), await patientOf('w2')];
  assert.equal(one.id, former);
  assert.deepEqual([one.active, one.link, numbersOf(one)], [true, undefined, ['w1']]);
  assert.deepEqual([two.link, numbersOf(two)], [undefined, ['w2']]);
  assert.deepEqual(
    await Promise.all(['Vw1', 'Vw1b', 'Vw2'].map(subjectOf)),
    [former, survivor, survivor].map((id) => `Patient/${id}`),
  );
  // Again: there is nothing to take back any more.
  assert.equal(await send(adt('A37', 5, pid([cx('w2')]), pid([cx('w1')]))), 'AA');
  assert.equal(await subjectOf('Vw1'), `Patient/${former}`);
});

test('A37 of the later of two merges: what the first has moved can still be taken back', async () => {
  for (const number of ['v1', 'v2', 'v3']) await send(adt('A01', 1, pid([cx(number)]), pv1(`V${number}`)));
  const ids = await Promise.all(['v1', 'v2', 'v3'].map(async (number) => `Patient/${(await patientOf(number)).id}`));
  const subjects = () =>
    Promise.all(
      ['Vv1', 'Vv2', 'Vv3'].map(async (visit) => {
        const { subject } = await only(`Encounter?identifier=urn:id:IDHOSP|${visit}`);
        return ids.indexOf((subject as { reference: string }).reference);
      }),
    );
  await send(adt('A40', 2, pid([cx('v2')]), `MRG|${cx('v1')}`));
  await send(adt('A40', 3, pid([cx('v3')]), `MRG|${cx('v2')}`));
  assert.deepEqual(await subjects(), [2, 2, 2]);
  await send(adt('A37', 4, pid([cx('v3')]), pid([cx('v2')])));
  assert.deepEqual(await subjects(), [1, 1, 2]);
  await send(adt('A37', 5, pid([cx('v2')]), pid([cx('v1')])));
  assert.deepEqual(await subjects(), [0, 1, 2]);
});

test('after a merge what is said again under another number is the same resource, and nobody else’s', async () => {
  const allergy = 'AL1|1|DA|7980^Penicillin^RXNORM|MO';
  const diagnosis = 'DG1|1||I10^Hypertension^I10|||A';
  const weight = 'OBX|1|NM|29463-7^Weight^LN||70|kg|||||F|||20260131';
  const of = async (number: string) => {
    const subject = `Patient/${(await patientOf(number)).id}`;
    const [allergies, conditions, weights] = await Promise.all([
      find(`AllergyIntolerance?patient=${subject}`),
      find(`Condition?subject=${subject}`),
      find(`Observation?subject=${subject}&code=29463-7`),
    ]);
    return [allergies.map(({ id }) => id), conditions.map(({ id }) => id), weights.map(({ id }) => id)];
  };
  const about = (number: string, minute: number, event = 'A08') =>
    adt(event, minute, pid([cx(number)]), pv1('Vs1'), weight, allergy, diagnosis);
  await send(about('s1', 1, 'A01'));
  await send(adt('A04', 1, pid([cx('s2')])));
  const before = await of('s1');
  assert.deepEqual(
    before.map(({ length }) => length),
    [1, 1, 1],
  );
  assert.equal(await send(adt('A40', 2, pid([cx('s2')]), `MRG|${cx('s1')}`)), 'AA');
  assert.equal(await send(about('s2', 3)), 'AA');
  assert.deepEqual(await of('s2'), before, 'under the new number');
  assert.equal(await send(about('s1', 4)), 'AA');
  assert.deepEqual(await of('s2'), before, 'under the old one');
  const visit = await only('Encounter?identifier=urn:id:IDHOSP|Vs1');
  assert.deepEqual(
    list(visit.diagnosis).map(({ condition }) => (condition as { reference: string }).reference),
    [`Condition/${before[1]![0]}`],
  );
  // Told under the new number alone, then under the old.
  const other = 'AL1|1|DA|2670^Codeine^RXNORM|MO';
  await send(adt('A08', 5, pid([cx('s2')]), pv1('Vs1'), other));
  await send(adt('A08', 6, pid([cx('s1')]), pv1('Vs1'), other));
  assert.equal((await of('s2'))[0]!.length, 2);
});

test('a number that is another patient’s now takes nothing along of the one before', async () => {
  const allergy = 'AL1|1|DA|7980^Penicillin^RXNORM|MO';
  const of = async (id: string) => (await find(`AllergyIntolerance?patient=Patient/${id}`)).map((one) => one.id);
  await send(adt('A31', 1, pid([cx('k1'), cx('k0')]), allergy));
  await send(adt('A04', 1, pid([cx('k2')])));
  const [before, next] = [(await patientOf('k1')).id, (await patientOf('k2')).id];
  const own = await of(before);
  assert.equal(own.length, 1);
  assert.equal(await send(adt('A43', 2, pid([cx('k2')]), `MRG|${cx('k1')}`)), 'AA');
  assert.equal((await patientOf('k1')).id, next);
  assert.equal(await send(adt('A31', 3, pid([cx('k1')]), allergy)), 'AA');
  assert.deepEqual(await of(before), own, 'the allergy of the one before stays');
  const theirs = await of(next);
  assert.equal(theirs.length, 1);
  assert.equal(await send(adt('A31', 4, pid([cx('k1')]), allergy)), 'AA');
  assert.deepEqual(await of(next), theirs);
});

test('what two numbers of one patient derive at the same moment is one resource', async () => {
  for (let round = 0; round < 5; round++) {
    const [one, two] = [`t${round}a`, `t${round}b`];
    await send(adt('A04', 1, pid([cx(one), cx(two)])));
    const allergy = 'AL1|1|DA|7980^Penicillin^RXNORM|MO';
    const answers = await sendAll(
      [one, two, one, two].map((number, i) => adt('A31', 2 + i, pid([cx(number)]), allergy)),
    );
    assert.deepEqual(new Set(answers), new Set(['AA']));
    const found = await find(`AllergyIntolerance?patient=Patient/${(await patientOf(one)).id}`);
    assert.equal(found.length, 1);
  }
});

test('A24 links and A37 unlinks', async () => {
  assert.equal(await send(adt('A24', 1, pid([cx('l1')]), pid([cx('l2')]))), 'AA');
  const [one, two] = [await patientOf('l1'), await patientOf('l2')];
  assert.deepEqual(one.link, [{ other: { reference: `Patient/${two.id}` }, type: 'seealso' }]);
  assert.deepEqual(two.link, [{ other: { reference: `Patient/${one.id}` }, type: 'seealso' }]);
  assert.equal(await send(adt('A37', 2, pid([cx('l1')]), pid([cx('l2')]))), 'AA');
  assert.equal((await patientOf('l1')).link, undefined);
  assert.equal((await patientOf('l2')).link, undefined);
});

test('A45 moves a visit and what was recorded of it', async () => {
  await send(adt('A01', 1, pid([cx('x1')]), pv1('VX1'), 'DG1|1||I10^Hypertension^I10'));
  await send(adt('A01', 1, pid([cx('x1')]), pv1('VX9')));
  await send(adt('A04', 1, pid([cx('x2')])));
  assert.equal(await send(adt('A45', 2, pid([cx('x2')]), `MRG|${cx('x1')}||||VX1^^^IDHOSP`, pv1('VX1'))), 'AA');
  const target = { reference: `Patient/${(await patientOf('x2')).id}` };
  const encounter = await only('Encounter?identifier=urn:id:IDHOSP|VX1');
  assert.deepEqual(encounter.subject, target);
  assert.deepEqual((await only(`Condition?encounter=Encounter/${encounter.id}`)).subject, target);
  const other = await only('Encounter?identifier=urn:id:IDHOSP|VX9');
  assert.deepEqual(other.subject, { reference: `Patient/${(await patientOf('x1')).id}` });
});

test('A47 and A50 change numbers', async () => {
  await send(adt('A01', 1, pid([cx('r1')]), pv1('VR1')));
  const before = (await patientOf('r1')).id;
  assert.equal(await send(adt('A47', 2, pid([cx('r2')]), `MRG|${cx('r1')}`)), 'AA');
  const patient = await patientOf('r2');
  assert.deepEqual([patient.id, numbersOf(patient)], [before, ['r1 old', 'r2']]);
  assert.equal(await send(adt('A50', 3, pid([cx('r2')]), `MRG|${cx('r2')}||||VR1^^^IDHOSP`, pv1('VR2'))), 'AA');
  assert.equal(
    (await only('Encounter?identifier=urn:id:IDHOSP|VR2')).id,
    (await only('Encounter?identifier=urn:id:IDHOSP|VR1')).id,
  );
});

test('a visit out of order: what came later stays', async () => {
  assert.equal(await send(adt('A03', 30, pid([cx('o1')], 'TEST^NEW'), pv1('VO1'))), 'AA');
  assert.equal(await send(adt('A01', 10, pid([cx('o1')], 'TEST^OLD'), pv1('VO1', 'W9^9^9'))), 'AA');
  const encounter = await only('Encounter?identifier=urn:id:IDHOSP|VO1');
  assert.equal(encounter.status, 'finished');
  const name = list((await patientOf('o1')).name)[0] as { given: string[] };
  assert.deepEqual(name.given, ['NEW']);
});

test("a visit number that is another patient's is refused", async () => {
  await send(adt('A01', 1, pid([cx('y1')]), pv1('VY1')));
  assert.equal(await send(adt('A01', 2, pid([cx('y2')]), pv1('VY1'))), 'AE');
  assert.equal((await find('Patient?identifier=urn:id:IDHOSP|y2')).length, 0);
});

interface ReferenceRun {
  kind: string;
  from: string;
  to: string;
  status: string;
  moved: number;
  kept: number;
  remaining: number | null;
}

async function lastRun(): Promise<ReferenceRun> {
  const reply = await fetch(new URL('/admin/hl7/reference-runs', server.fhirBaseUrl));
  return ((await reply.json()) as { runs: ReferenceRun[] }).runs[0]!;
}

test('a patient with more references than one transaction changes is merged at once, the rest follows; A37 takes it back', async () => {
  await send(adt('A04', 1, pid([cx('z1')])));
  await send(adt('A04', 1, pid([cx('z2')])));
  const [from, to] = [`Patient/${(await patientOf('z1')).id}`, `Patient/${(await patientOf('z2')).id}`];
  const resource = {
    resourceType: 'Observation',
    status: 'final',
    code: { text: 'TEST' },
    subject: { reference: from },
  };
  const bundle = (count: number) => ({
    resourceType: 'Bundle',
    type: 'transaction',
    entry: Array.from({ length: count }, () => ({ resource, request: { method: 'POST', url: 'Observation' } })),
  });
  for (let i = 0; i < 3; i++) assert.equal((await fhir('POST', '', bundle(800))).status, 200);
  const countOf = async (patient: string) =>
    (await fhir('GET', `Observation?subject=${patient}&_summary=count`)).json.total;
  assert.equal(await send(adt('A40', 2, pid([cx('z2')]), `MRG|${cx('z1')}`)), 'AA');
  assert.equal((await fhir('GET', from)).json.active, false);
  await waitFor(async () => (await lastRun()).status === 'done', 'the rest');
  assert.deepEqual([await countOf(from), await countOf(to)], [0, 2400]);
  const { kind, from: source, to: target, kept, remaining } = await lastRun();
  assert.deepEqual([kind, source, target, kept, remaining], ['merge', from, to, 0, 0]);
  assert.equal(await send(adt('A37', 3, pid([cx('z2')]), pid([cx('z1')]))), 'AA');
  await waitFor(async () => (await lastRun()).kind === 'unmerge' && (await lastRun()).status === 'done', 'all back');
  assert.deepEqual([await countOf(from), await countOf(to)], [2400, 0]);
});
