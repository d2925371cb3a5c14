// `node --expose-gc bench/subscriptions-matching.ts [--subscriptions 100000] [--changes 20000]`: what a change costs while so many
// Subscriptions to one topic are active, each with a filter of its own by patient; what each more costs, in time and memory. No
// database: what a change replaced comes from memory.
import { parseArgs } from 'node:util';
import { type Change, createSearchParameters, loadDefinitions, parseJson, type Resource } from '#fhir-model';
import { createEgress, createLog, type Db } from '#platform';
import { createTopics } from '#subscriptions';

const options = {
  subscriptions: { type: 'string', default: '100000' },
  changes: { type: 'string', default: '20000' },
} as const;
const { values } = parseArgs({ options });
const subscriptionsMax = Number(values.subscriptions);
const changesCount = Number(values.changes);
const batchChanges = 500;

const definitions = await loadDefinitions();
const nowhere = () => Promise.reject(new Error('there is no store'));
const rules = {
  parameters: createSearchParameters(definitions.searchParameters, definitions.resourceTypes, definitions),
  resourceTypes: definitions.resourceTypes,
  ...{ egress: createEgress([]), email: false },
};

const reading = (id: number, patient: string): Resource =>
  ({
    ...{ resourceType: 'Observation', id: `o${id}`, status: 'final', subject: { reference: `Patient/${patient}` } },
    meta: { versionId: '1', lastUpdated: '2026-01-01T00:00:00.000Z' },
    category: [
      { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'laboratory' }] },
    ],
    code: { coding: [{ system: 'http://loinc.org', code: '2823-3', display: 'Potassium' }] },
    effectiveDateTime: '2026-01-01T00:00:00Z',
    device: { reference: 'Device/d1' },
    valueQuantity: { value: 4.2, unit: 'mmol/L', system: 'http://unitsofmeasure.org', code: 'mmol/L' },
    referenceRange: [{ low: { value: 3.5, unit: 'mmol/L' }, high: { value: 5.1, unit: 'mmol/L' } }],
  }) as Resource;

function changesOf(op: 'create' | 'update', patientOf: (i: number) => string): Change[] {
  return Array.from({ length: changesCount }, (_, i) => {
    const body = JSON.stringify(reading(i, patientOf(i)));
    const version = op === 'create' ? 1 : 2;
    return { xid: 1n, seq: BigInt(i), type: 'Observation', id: `o${i}`, version, op, updatedMs: 0, body };
  });
}

const former = JSON.stringify({ ...reading(0, 'p0'), status: 'preliminary' });

function topicsOf(topic: string) {
  const topics = createTopics({
    ...{ db: {} as Db, scope: { kind: 'everything' }, rules, log: createLog({ level: 'error' }) },
    feed: { read: nowhere, bodies: async (_db, versions) => versions.map(() => former) },
    reader: { read: nowhere, search: nowhere },
  });
  const put = (i: number) =>
    topics.matching.put({
      id: `s${i}`,
      url: `urn:cerebra:topic:${topic}`,
      filters: [`Observation?patient=Patient/p${i}`],
    });
  return { matching: topics.matching, put };
}

/** Microseconds of processor time a change, from its text to who is told, and how many were told. */
async function measure(
  matching: ReturnType<typeof topicsOf>['matching'],
  changes: Change[],
): Promise<[number, number]> {
  let told = 0;
  const startedUs = cpuUs();
  for (let at = 0; at < changes.length; at += batchChanges) {
    const some = changes.slice(at, at + batchChanges);
    const batch = await matching.open(some, false);
    const found = [];
    for (const change of some) {
      if (!batch.concerns(change)) continue;
      for (const one of await batch.match(change, parseJson(change.body).exact as Resource)) found.push(one);
    }
    told += (await batch.settle(found)).length;
  }
  return [(cpuUs() - startedUs) / changes.length, told];
}

/** Of all threads; what others do on the machine does not count. */
function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

const heapMb = (): number => {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed / 2 ** 20;
};

// First, while nothing else has been made that could be collected meanwhile.
{
  const { put, matching } = topicsOf('device-reading');
  put(0);
  const before = heapMb();
  for (let i = 1; i < subscriptionsMax; i++) put(i);
  console.log(`${(((heapMb() - before) * 2 ** 20) / (subscriptionsMax - 1)).toFixed(0)} bytes a subscription`);
  matching.clear();
}

const steps = [1, 1_000, 10_000, subscriptionsMax].filter((count) => count <= subscriptionsMax);
for (const topic of ['device-reading', 'new-result']) {
  const { matching, put } = topicsOf(topic);
  const createdElsewhere = changesOf('create', (i) => `q${i}`);
  const created = changesOf('create', (i) => `p${i % subscriptionsMax}`);
  const updated = changesOf('update', (i) => `p${i % subscriptionsMax}`);
  put(0);
  for (const changes of [createdElsewhere, created, updated]) await measure(matching, changes);
  let count = 1;
  for (const step of steps) {
    const startedUs = cpuUs();
    const added = step - count;
    for (; count < step; count++) put(count);
    const addedUs = added === 0 ? 0 : (cpuUs() - startedUs) / added;
    const line = [`${topic}, ${step} subscriptions`.padEnd(38), `put ${addedUs.toFixed(1)} us each`];
    for (const [name, changes] of Object.entries({ 'no match': createdElsewhere, created, updated })) {
      const [us, told] = await measure(matching, changes);
      line.push(`${name}: ${us.toFixed(1)} us a change, ${told} told`);
    }
    console.log(line.join(' | '));
  }
}
