// The demo's chapters in order. Each waits, with a deadline, for what it claims, and throws a reason when it isn't so.
import { setTimeout as pause } from 'node:timers/promises';
import type {
  Bundle,
  Communication,
  Device,
  DiagnosticReport,
  Flag,
  Observation,
  Patient,
  Resource,
  Subscription,
} from '@medplum/fhirtypes';
import { Client } from 'fhir-kit-client';
import mqtt from 'mqtt';
import { sendMllp } from '#hl7-engine';
import { demoBundle } from './bundle.ts';
import { demoAdmission, demoResults, fillerOrderNumber } from './hl7.ts';
import { deviceIdentifier, loincHeartRate, loincPotassium, patientMrn } from './names.ts';
import { demoReadings } from './readings.ts';
import { type Receiver, startReceiver } from './receiver.ts';
import { chapter, tell } from './story.ts';
import { until } from './until.ts';

export interface DemoSettings {
  /** FHIR base. */
  url: string;
  mllpHost: string;
  mllpPort: number;
  mqttUrl: string;
}

interface Demo {
  settings: DemoSettings;
  fhir: Client;
  runId: string;
}

const mllpTimeoutMs = 15_000;
const connectTimeoutMs = 5_000;

/** From the environment; the defaults are the server's. */
export function demoSettings(env: Record<string, string | undefined>): DemoSettings {
  const mllp = new URL(`mllp://${env.CEREBRA_MLLP ?? '127.0.0.1:2575'}`);
  return {
    url: (env.CEREBRA_URL ?? 'http://127.0.0.1:8080/fhir/R4').replace(/\/+$/, ''),
    mllpHost: mllp.hostname,
    mllpPort: Number(mllp.port || 2575),
    mqttUrl: env.CEREBRA_MQTT ?? 'mqtt://127.0.0.1:1883',
  };
}

export async function runDemo(settings: DemoSettings): Promise<void> {
  const startedMs = Date.now();
  const runId = startedMs.toString(36).toUpperCase();
  const demo: Demo = { settings, fhir: new Client({ baseUrl: settings.url }), runId };
  console.log(`Cerebra demo, run ${runId}, against ${settings.url}`);
  await greet(demo);
  const receiver = await startReceiver();
  let subscription: Subscription | undefined;
  try {
    subscription = await subscribe(demo, receiver);
    const patient = await loadRecord(demo);
    await admit(demo, patient);
    const potassium = await reportResults(demo, patient);
    const heartRate = await publishReadings(demo, patient);
    await publishUnknown(demo);
    await showNotifications(receiver, [potassium, heartRate]);
    await showAlert(demo, patient, potassium);
    console.log(`\nAll as it should be, in ${((Date.now() - startedMs) / 1000).toFixed(1)} s. Look around:`);
    console.log(`   ${settings.url}/Observation?patient=${patient.id}&_sort=-date&_count=5`);
  } finally {
    if (subscription) await demo.fhir.delete({ resourceType: 'Subscription', id: idOf(subscription) }).catch(() => {});
    await receiver.close();
  }
}

const idOf = (resource: Resource): string => resource.id ?? '';
const referenceOf = (resource: Resource): string => `${resource.resourceType}/${idOf(resource)}`;

/** fhir-kit-client speaks of any resource; the caller knows which it asked for. */
async function search<T extends Resource>(demo: Demo, type: string, parameters: Record<string, string>): Promise<T[]> {
  const found = (await demo.fhir.search({ resourceType: type, searchParams: parameters })) as unknown as Bundle<T>;
  return (found.entry ?? []).flatMap((entry) => entry.resource ?? []);
}

async function create<T extends Resource>(demo: Demo, resource: T, ifNoneExist?: string): Promise<T> {
  const headers = {
    Prefer: 'return=representation',
    ...(ifNoneExist === undefined ? {} : { 'If-None-Exist': ifNoneExist }),
  };
  const body = resource as unknown as Parameters<Client['create']>[0]['body'];
  return (await demo.fhir.create({ resourceType: resource.resourceType, body, options: { headers } })) as unknown as T;
}

const token = (identifier: { system: string; value: string }): string => `${identifier.system}|${identifier.value}`;

async function greet(demo: Demo): Promise<void> {
  try {
    const statement = await demo.fhir.capabilityStatement();
    tell('server', `FHIR ${statement.fhirVersion}`);
  } catch (error) {
    if ((error as { response?: unknown }).response) throw error;
    throw new Error(`no server answers at ${demo.settings.url}. Start one with "npm start", or set CEREBRA_URL`, {
      cause: (error as Error).cause,
    });
  }
}

async function subscribe(demo: Demo, receiver: Receiver): Promise<Subscription> {
  chapter('A Subscription asks for every potassium and heart rate');
  const created = await create<Subscription>(demo, {
    resourceType: 'Subscription',
    status: 'requested',
    reason: 'Demo',
    criteria: `Observation?code=http://loinc.org|${loincPotassium},http://loinc.org|${loincHeartRate}`,
    channel: { type: 'rest-hook', endpoint: receiver.url, payload: 'application/fhir+json' },
  });
  const active = await until('the Subscription to become active', async () => {
    const read = await demo.fhir.read({ resourceType: 'Subscription', id: idOf(created) });
    const current = read as unknown as Subscription;
    if (current.status === 'error') throw new Error(`the server refused the Subscription: ${current.error}`);
    return current.status === 'active' ? current : undefined;
  });
  tell('subscription', `${referenceOf(active)} is ${active.status}, notifies ${receiver.url}`);
  return active;
}

async function loadRecord(demo: Demo): Promise<Patient> {
  chapter("A hospital sends a patient's record: a FHIR transaction Bundle");
  const bundle = demoBundle() as unknown as Parameters<Client['transaction']>[0]['body'];
  const response = (await demo.fhir.transaction({ body: bundle })) as unknown as Bundle;
  const statuses = (response.entry ?? []).map((entry) => entry.response?.status.slice(0, 3));
  const created = statuses.filter((status) => status === '201').length;
  tell('transaction', `${statuses.length} entries: ${created} created, ${statuses.length - created} there already`);
  const [patient, ...others] = await search<Patient>(demo, 'Patient', { identifier: token(patientMrn) });
  if (!patient || others.length > 0) throw new Error(`expected one Patient with ${token(patientMrn)}`);
  tell('patient', `${referenceOf(patient)}, ${patient.name?.[0]?.family}, born ${patient.birthDate}`);
  return patient;
}

/** Sends a message; throws unless the answer is AA. */
async function send(demo: Demo, message: string): Promise<void> {
  const { mllpHost, mllpPort } = demo.settings;
  const sent = sendMllp(mllpHost, mllpPort, message, { timeoutMs: mllpTimeoutMs }).catch((cause) => {
    const where = `${mllpHost}:${mllpPort}`;
    throw new Error(
      `nothing takes HL7v2 messages over MLLP at ${where}: set CEREBRA_MLLP to what the server has said`,
      { cause },
    );
  });
  const answer = (await sent).toString();
  const acknowledgment = answer.split(/[\r\n]+/).find((line) => line.startsWith('MSA|')) ?? '';
  const [, code, controlId] = acknowledgment.split('|');
  if (code !== 'AA') throw new Error(`the server did not accept the message: ${answer.replaceAll('\r', ' ')}`);
  tell('acknowledged', `${code} for ${controlId}, after the commit`);
}

async function admit(demo: Demo, patient: Patient): Promise<void> {
  chapter('The ward admits the patient: HL7v2 ADT^A01 over MLLP');
  await send(demo, demoAdmission(demo.runId, Date.now()));
  const identifier = `DEMO-VISIT-${demo.runId}`;
  const [encounter] = await search(demo, 'Encounter', { identifier, patient: idOf(patient) });
  if (!encounter) throw new Error(`no Encounter ${identifier} for ${referenceOf(patient)}`);
  tell('encounter', `${referenceOf(encounter)}, of the same ${referenceOf(patient)} (matched by PID-3)`);
}

async function reportResults(demo: Demo, patient: Patient): Promise<Observation> {
  chapter('The laboratory reports: HL7v2 ORU^R01 over MLLP, one value critical');
  await send(demo, demoResults(demo.runId, Date.now()));
  const found = await search<DiagnosticReport | Observation>(demo, 'DiagnosticReport', {
    identifier: fillerOrderNumber(demo.runId),
    patient: idOf(patient),
    _include: 'DiagnosticReport:result',
  });
  const report = found.find((resource) => resource.resourceType === 'DiagnosticReport');
  const results = found.filter((resource) => resource.resourceType === 'Observation');
  if (!report) throw new Error(`no DiagnosticReport ${fillerOrderNumber(demo.runId)} for ${referenceOf(patient)}`);
  tell('report', `${referenceOf(report)}, ${report.status}, ${results.length} results`);
  for (const result of results) tell('result', `${referenceOf(result)}, ${valueText(result)}`);
  return pick(results, loincPotassium, 'the report');
}

function pick(observations: Observation[], code: string, where: string): Observation {
  const found = observations.find((each) => each.code.coding?.some((coding) => coding.code === code));
  if (!found) throw new Error(`no Observation with LOINC ${code} in ${where}`);
  return found;
}

function valueText(observation: Observation): string {
  const name = observation.code.coding?.[0]?.display ?? observation.code.text ?? '';
  const parts = [observation, ...(observation.component ?? [])].flatMap(({ valueQuantity }) =>
    valueQuantity ? [`${valueQuantity.value} ${valueQuantity.code ?? valueQuantity.unit}`] : [],
  );
  const flags = observation.interpretation?.map((each) => each.coding?.[0]?.code).join(', ');
  return `${name}: ${parts.join(' / ')}${flags ? ` (${flags})` : ''}`;
}

/** A Device's new patient counts within two seconds (docs/devices.md). */
const movedWithinMs = 2_500;

/** The monitor of an earlier demo is at that one's patient, who may have been deleted since: it is moved. */
async function monitorAt(demo: Demo, patient: Patient): Promise<Device> {
  const reference = referenceOf(patient);
  const criteria = new URLSearchParams({ identifier: token(deviceIdentifier) }).toString();
  const device = await create<Device>(
    demo,
    {
      resourceType: 'Device',
      identifier: [deviceIdentifier],
      status: 'active',
      deviceName: [{ name: 'Demo bedside monitor', type: 'user-friendly-name' }],
      patient: { reference },
    },
    criteria,
  );
  if (device.patient?.reference === reference) return device;
  const body = { ...device, patient: { reference } } as unknown as Parameters<Client['update']>[0]['body'];
  await demo.fhir.update({ resourceType: 'Device', id: idOf(device), body });
  await pause(movedWithinMs);
  return device;
}

async function publishReadings(demo: Demo, patient: Patient): Promise<Observation> {
  chapter('A bedside monitor sends readings: MQTT');
  const device = await monitorAt(demo, patient);
  tell('device', `${referenceOf(device)}, known by ${deviceIdentifier.value}, at the patient`);
  const readings = demoReadings(Date.now());
  await publish(demo, `devices/${deviceIdentifier.value}/readings`, { readings });
  const times = new Set(readings.map(({ time }) => time));
  const found = await search<Observation>(demo, 'Observation', {
    device: referenceOf(device),
    patient: idOf(patient),
    date: `ge${[...times].sort()[0]}`,
    _count: '1000',
  });
  // Another run at the same time has readings in it too.
  const observations = found.filter(({ effectiveDateTime }) => times.has(effectiveDateTime ?? ''));
  if (observations.length !== readings.length) {
    throw new Error(`${readings.length} readings became ${observations.length} Observations`);
  }
  for (const observation of observations) tell('reading', `${referenceOf(observation)}, ${valueText(observation)}`);
  return pick(observations, loincHeartRate, 'the readings');
}

/** Always the same message, so that demos leave one row in the dead letters, not one a run. */
async function publishUnknown(demo: Demo): Promise<void> {
  chapter('A device that nobody registered sends one too: kept, not dropped');
  const topic = 'devices/DEMO-UNKNOWN/readings';
  await publish(demo, topic, { time: '2025-01-01T00:00:00Z', metric: 'heart-rate', value: 80, unit: 'bpm' });
  const letter = await findDeadLetter(demo, topic);
  tell(
    'dead letter',
    `number ${letter.id}, ${letter.seen === 1 ? 'new' : `seen ${letter.seen} times`}: ${letter.reason}`,
  );
}

interface DeadLetter {
  id: string;
  topic: string;
  reason: string;
  seen: number;
}

async function findDeadLetter(demo: Demo, topic: string): Promise<DeadLetter> {
  const url = new URL('/admin/mqtt/dead-letters?limit=500', demo.settings.url);
  for (;;) {
    const response = await fetch(url, { signal: AbortSignal.timeout(connectTimeoutMs) });
    if (!response.ok) throw new Error(`${url} answers ${response.status}`);
    const page = (await response.json()) as { items: DeadLetter[]; next?: string };
    const found = page.items.find((letter) => letter.topic === topic);
    if (found) return found;
    if (page.next === undefined) throw new Error(`the message to ${topic} is not among the dead letters`);
    url.searchParams.set('after', page.next);
  }
}

/** Resolves at PUBACK, which the server sends after the commit of what the message became. */
async function publish(demo: Demo, topic: string, payload: object): Promise<void> {
  const options = { reconnectPeriod: 0, connectTimeout: connectTimeoutMs };
  const client = await mqtt.connectAsync(demo.settings.mqttUrl, options, false).catch((cause) => {
    throw new Error(`no MQTT broker answers at ${demo.settings.mqttUrl}: set CEREBRA_MQTT to the server's`, { cause });
  });
  try {
    await client.publishAsync(topic, JSON.stringify(payload), { qos: 1 });
    tell('acknowledged', `PUBACK for ${topic}`);
  } finally {
    await client.endAsync();
  }
}

async function showNotifications(receiver: Receiver, observations: Observation[]): Promise<void> {
  chapter('The subscriber was told');
  for (const observation of observations) {
    const notification = await until(`the notification of ${referenceOf(observation)}`, () =>
      receiver.received.find(({ body }) => body !== '' && (JSON.parse(body) as Resource).id === observation.id),
    );
    tell('notified', `${notification.method} ${notification.path}, ${valueText(JSON.parse(notification.body))}`);
  }
  tell('in all', `${receiver.received.length} notifications`);
}

async function showAlert(demo: Demo, patient: Patient, potassium: Observation): Promise<void> {
  chapter('The critical potassium raised an alert');
  const newest = { _sort: '-_lastUpdated', _count: '50' };
  const communication = await until('the Communication of the critical potassium', async () => {
    const all = await search<Communication>(demo, 'Communication', { subject: referenceOf(patient), ...newest });
    return all.find((each) => each.about?.some(({ reference }) => reference === referenceOf(potassium)));
  });
  const flag = await until('the Flag of the critical potassium', async () => {
    const all = await search<Flag>(demo, 'Flag', { patient: idOf(patient), ...newest });
    return all.find(({ extension }) =>
      extension?.some(({ valueReference }) => valueReference?.reference === referenceOf(potassium)),
    );
  });
  tell('flag', `${referenceOf(flag)}, ${flag.status}: ${flag.code.text ?? flag.code.coding?.[0]?.display}`);
  tell(
    'communication',
    `${referenceOf(communication)}, ${communication.priority}: ${communication.payload?.[0]?.contentString}`,
  );
}
