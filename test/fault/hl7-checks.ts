// Whether every message that was taken has its effect, once: recounted from what the server shows, and at the receivers.
import assert from 'node:assert/strict';
import { waitFor } from '#platform/testing';
import { createClient, entries, linkOf } from '../client.ts';
import type { AckModeName } from './hl7-sender.ts';
import { filler, firstSendings, personA, personB, roundMessages, type Sending } from './hl7-workload.ts';
import type { MllpReceiver } from './mllp-receiver.ts';
import type { ServerProcess } from './server-process.ts';

interface Found {
  id: string;
  active?: boolean;
  status?: string;
  identifier?: { value?: string; use?: string }[];
  link?: { type: string; other: { reference: string } }[];
  entity?: { what: { display?: string } }[];
  subject?: { reference: string };
  result?: { reference: string }[];
  valueQuantity?: { value: number };
}

/** On a machine with other things to do. */
export const waitMs = 120_000;

/** All resources of a type, page by page. */
export async function allOf(server: ServerProcess, type: string): Promise<Found[]> {
  const client = createClient(server.fhirBaseUrl);
  const found: Found[] = [];
  for (let url: string | undefined = `${type}?_count=500`; url !== undefined; ) {
    const page = await client('GET', url);
    assert.equal(page.status, 200, page.text.slice(0, 500));
    found.push(...entries(page).map(({ resource }) => resource as unknown as Found));
    url = linkOf(page, 'next');
  }
  return found;
}

/** Those that have each value, by it; what is no longer in use does not count. */
function byNumber(found: Found[]): Map<string, Found[]> {
  const map = new Map<string, Found[]>();
  for (const one of found) {
    for (const { value, use } of one.identifier ?? []) {
      if (value !== undefined && use !== 'old') map.set(value, [...(map.get(value) ?? []), one]);
    }
  }
  return map;
}

/** What one connection has sent and had taken. */
export interface Taken {
  connection: number;
  mode: AckModeName;
  count: number;
}

const sentBy = ({ connection, mode, count }: Taken): Sending[] => firstSendings(connection, mode, count);

/** Every control id has one Provenance, whatever happened in between. */
async function checkProvenances(server: ServerProcess, sent: Sending[]): Promise<void> {
  const told = (await allOf(server, 'Provenance')).map(({ entity }) => entity![0]!.what.display!.split(' ')[1]!);
  assert.deepEqual(told.toSorted(), sent.map(({ controlId }) => controlId).toSorted(), 'one Provenance a message');
}

async function checkPatients(server: ServerProcess, taken: Taken[]): Promise<Map<string, string>> {
  const patients = await allOf(server, 'Patient');
  const sent = taken.flatMap(sentBy);
  assert.equal(patients.length, new Set(sent.map(({ patient }) => patient)).size, 'one Patient a person');
  const current = byNumber(patients);
  const ids = new Map<string, string>();
  for (const { connection, count } of taken) {
    for (let round = 0; round * roundMessages < count; round++) {
      const [a, b] = [personA(connection, round), personB(connection, round)];
      if (count - round * roundMessages < 2) continue;
      const [survivor, ...others] = current.get(b) ?? [];
      assert.ok(survivor !== undefined && others.length === 0, `${b} is one patient`);
      ids.set(b, survivor.id);
      if (count - round * roundMessages < 8) continue;
      // Merged: the survivor has both numbers, the other one is out of use.
      assert.deepEqual(current.get(a) ?? [], [], `${a} is nobody's current number`);
      assert.ok(survivor.identifier!.some(({ value, use }) => value === a && use === 'old'));
      const [link, ...more] = survivor.link ?? [];
      assert.deepEqual([link?.type, more.length], ['replaces', 0]);
      const gone = patients.find(({ id }) => `Patient/${id}` === link!.other.reference);
      assert.equal(gone?.active, false);
      assert.deepEqual(gone?.link, [{ other: { reference: `Patient/${survivor.id}` }, type: 'replaced-by' }]);
      ids.set(a, survivor.id);
    }
  }
  return ids;
}

/** Of each order: how many messages of a round make it, its last status and sodium, whose it is. */
const orders = [
  {
    order: '1',
    at: [3, 5],
    says: [
      ['preliminary', 140],
      ['final', 141],
    ],
    of: personA,
  },
  {
    order: '2',
    at: [4, 7],
    says: [
      ['preliminary', 140],
      ['corrected', 142],
    ],
    of: personB,
  },
  { order: '3', at: [6], says: [['final', 140]], of: personA },
  { order: '4', at: [9], says: [['final', 140]], of: personA },
] as const;

async function checkResults(server: ServerProcess, taken: Taken[], patients: Map<string, string>): Promise<void> {
  const reports = byNumber(await allOf(server, 'DiagnosticReport'));
  const observations = new Map((await allOf(server, 'Observation')).map((one) => [one.id, one]));
  let expected = 0;
  for (const { connection, count } of taken) {
    for (let number = 0; number < count; number += roundMessages) {
      const round = number / roundMessages;
      for (const { order, at, says, of } of orders) {
        const came = at.filter((place) => number + place <= count).length;
        if (came === 0) continue;
        expected++;
        const name = filler(connection, round, order);
        const [report, ...others] = reports.get(name) ?? [];
        assert.ok(report !== undefined && others.length === 0, `${name} is one report`);
        const [status, sodium] = says[came - 1]!;
        assert.equal(report.status, status, name);
        const results = report.result!.map(({ reference }) => observations.get(reference.split('/')[1]!)!);
        assert.deepEqual(
          results.map((one) => one.valueQuantity!.value).sort((x, y) => x - y),
          [4.1, sodium],
          name,
        );
        const id = patients.get(of(connection, round));
        if (id === undefined) continue;
        for (const one of [report, ...results]) assert.equal(one.subject!.reference, `Patient/${id}`, name);
      }
    }
  }
  assert.equal(new Set([...reports.values()].flat().map(({ id }) => id)).size, expected, 'one report an order');
  assert.equal(observations.size, 2 * expected, 'two results an order');
}

/** The store as FHIR shows it: all that was taken, once. */
export async function checkEffects(server: ServerProcess, taken: Taken[]): Promise<void> {
  const sent = taken.flatMap(sentBy);
  await checkProvenances(server, sent);
  const patients = await checkPatients(server, taken);
  await checkResults(server, taken, patients);
  const visits = sent.filter(({ text }) => text.includes('|ADT^A04')).length;
  assert.equal((await allOf(server, 'Encounter')).length, visits, 'one Encounter a visit');
  assert.equal((await allOf(server, 'Practitioner')).length, 1);
}

/** Nothing waits, nothing failed that nobody knows of. */
export async function checkJournal(server: ServerProcess): Promise<void> {
  const client = createClient(server.fhirBaseUrl);
  const get = async (path: string) => (await client('GET', `${server.rootUrl}/admin/hl7/${path}`)).json;
  const waiting = async () => (await get('messages?state=received&limit=100')).messages as unknown[];
  await waitFor(async () => (await waiting()).length === 0, 'every message to have an outcome', waitMs);
  const { deadLetters } = (await get('dead-letters')) as unknown as { deadLetters: { controlId: string }[] };
  assert.deepEqual(deadLetters, []);
}

/** Each message at least once, and the first comings of a patient's in the order in which they were sent. */
export async function checkReceived(receiver: MllpReceiver, sent: Sending[], which: string): Promise<void> {
  const missing = (): string[] => {
    const got = new Set(receiver.received.map(({ controlId }) => controlId));
    return sent.filter(({ controlId }) => !got.has(controlId)).map(({ controlId }) => controlId);
  };
  await waitFor(() => missing().length === 0, `all messages at ${which}`, waitMs).catch((cause: unknown) => {
    throw new Error(`${which} lacks ${missing().slice(0, 10)}`, { cause });
  });
  const firsts = (all: { controlId: string; patient: string }[]): Map<string, string[]> => {
    const map = new Map<string, Set<string>>();
    for (const { controlId, patient } of all) map.set(patient, (map.get(patient) ?? new Set()).add(controlId));
    return new Map([...map].toSorted().map(([patient, ids]) => [patient, [...ids]]));
  };
  assert.deepEqual(firsts(receiver.received), firsts(sent), `the order of each patient's messages at ${which}`);
}
