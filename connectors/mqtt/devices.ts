// From the device a topic names to its Device resource and patient: https://hl7.org/fhir/R4/device.html
import {
  type AccessScope,
  type JsonObject,
  parseReference,
  type ResourceReader,
  type StoredVersion,
} from '#fhir-model';
import { type Clock, createGather, isCerebraError } from '#platform';
import { type Fault, quote } from './fault.ts';
import type { DeviceKey } from './topic.ts';

export interface KnownDevice {
  id: string;
  /** Device.patient. */
  patient: JsonObject;
  /** Of the Device, and since when it is that, milliseconds since 1970 UTC. */
  version: number;
  updatedMs: number;
}

export interface Devices {
  /** The device and its patient, or why readings cannot be taken. Throws when the store is not available. */
  find(key: DeviceKey): Promise<KnownDevice | Fault>;
}

interface DevicesOptions {
  reader: ResourceReader;
  scope: AccessScope;
  clock: Clock;
}

/**
 * An answer is used for this long after it was asked for; that a device was found, only while its Device is what it was. Longer
 * would save little: 500 devices cost 250 look-ups a second, a few per cent of what the store does.
 */
const deviceTtlMs = 2_000;
const devicesMax = 10_000;
/** Of one search. */
const confirmedMax = 100;
const fhirId = /^[A-Za-z0-9\-.]{1,64}$/;

export function createDevices({ reader, scope, clock }: DevicesOptions): Devices {
  const cache = new Map<string, { answer: Promise<KnownDevice | Fault>; expiresMs: number }>();

  const remember = (name: string, answer: Promise<KnownDevice | Fault>): void => {
    const entry = { answer, expiresMs: clock.now() + deviceTtlMs };
    cache.delete(name);
    cache.set(name, entry);
    if (cache.size > devicesMax) cache.delete(cache.keys().next().value!);
    answer.catch(() => {
      if (cache.get(name) === entry) cache.delete(name);
    });
  };

  const isCurrent = createIsCurrent(reader, scope);
  const find = async (key: DeviceKey): Promise<KnownDevice | Fault> => {
    const name = 'id' in key ? key.id : `${key.system}|${key.value}`;
    for (;;) {
      const known = cache.get(name);
      // A clock set back must not keep an answer alive.
      const leftMs = known === undefined ? 0 : known.expiresMs - clock.now();
      if (!known || leftMs <= 0 || leftMs > deviceTtlMs) {
        const answer = lookUp(key, reader, scope);
        remember(name, answer);
        return answer;
      }
      const device = await known.answer;
      if ('reason' in device || (await isCurrent(device))) return device;
      if (cache.get(name) === known) cache.delete(name);
    }
  };
  return { find };
}

/**
 * Whether a device that was found before is still what it was: a reading that comes after it was given to the next patient is not
 * the former one's. Asked for all devices of a moment together.
 */
function createIsCurrent(reader: ResourceReader, scope: AccessScope): (device: KnownDevice) => Promise<boolean> {
  return createGather<KnownDevice, boolean>({
    ...{ lanesMax: 2, itemsMax: 1_000, weigh: () => 1, weightMax: 1_000, key: () => '' },
    async run(devices) {
      const ids = [...new Set(devices.map(({ id }) => id))];
      const versions = new Map<string, number>();
      for (let from = 0; from < ids.length; from += confirmedMax) {
        const some = ids.slice(from, from + confirmedMax);
        const { resources } = await reader.search('Device', `_id=${some.join(',')}&_count=${some.length}`, scope);
        for (const { id, version } of resources) versions.set(id, version);
      }
      return devices.map(({ id, version }) => versions.get(id) === version);
    },
  });
}

async function lookUp(key: DeviceKey, reader: ResourceReader, scope: AccessScope): Promise<KnownDevice | Fault> {
  if ('id' in key && fhirId.test(key.id)) {
    const stored = await reader.read('Device', key.id, scope);
    if (stored && !stored.deleted) return patientOf(stored);
  }
  const matches = await byIdentifier(key, reader, scope);
  if (matches.length > 1) {
    return { reason: 'ambiguous-device', diagnostics: 'More than one Device has this identifier' };
  }
  if (matches[0]) return patientOf(matches[0]);
  return { reason: 'unknown-device', diagnostics: 'No Device has this id or identifier' };
}

/** https://hl7.org/fhir/R4/search.html#token, #escaping */
async function byIdentifier(key: DeviceKey, reader: ResourceReader, scope: AccessScope): Promise<StoredVersion[]> {
  const escaped = (text: string) => text.replace(/[\\,$|]/g, '\\$&');
  const token = 'id' in key ? escaped(key.id) : `${escaped(key.system)}|${escaped(key.value)}`;
  try {
    return (await reader.search('Device', `identifier=${encodeURIComponent(token)}&_count=2`, scope)).resources;
  } catch (error) {
    // What the search refuses to look for, no Device has.
    if (isCerebraError(error) && error.status < 500) return [];
    throw error;
  }
}

function patientOf({ id, version, updatedMs, body }: StoredVersion): KnownDevice | Fault {
  const { status, patient } = JSON.parse(body) as { status?: unknown; patient?: JsonObject };
  if (status === 'inactive' || status === 'entered-in-error') {
    return { reason: 'inactive-device', diagnostics: `The status of Device/${id} is ${quote(status)}` };
  }
  if (patient?.reference === undefined && patient?.identifier === undefined) {
    return { reason: 'device-without-patient', diagnostics: `Device/${id} has no patient` };
  }
  if (patient.reference !== undefined && !namesPatient(patient.reference)) {
    const diagnostics = `Device/${id} has the patient ${quote(patient.reference)}, which is no reference to one Patient`;
    return { reason: 'device-without-patient', diagnostics };
  }
  return { id, patient, version, updatedMs };
}

/** Of others (`Patient?identifier=…`, `#contained`, `urn:uuid:…`) the Observation would have a subject that nobody finds it by. */
function namesPatient(reference: unknown): boolean {
  const parsed = typeof reference === 'string' ? parseReference(reference) : undefined;
  if (parsed?.kind !== 'local' && parsed?.kind !== 'absolute') return false;
  return parsed.type === undefined ? parsed.kind === 'absolute' : parsed.type === 'Patient';
}
