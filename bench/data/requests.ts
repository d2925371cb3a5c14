// Prebuilt HTTP requests. Each has slots of ten digits that are overwritten before it is sent, so that no two are equal.
import { measures } from './codes.ts';
import { createRandom, type Random } from './random.ts';
import {
  encounter,
  loinc,
  observation,
  observationId,
  patient,
  patientCount,
  patientId,
  patientIdentifier,
  seededObservationCount,
  slotText,
  systems,
} from './resources.ts';

interface Request {
  bytes: Buffer;
  slots: number[];
}

export const fhirPath = '/fhir/R4';
const bundleEntries = 50;

function request(method: string, path: string, body?: unknown): Request {
  const payload = body === undefined ? '' : JSON.stringify(body);
  const head = [
    `${method} ${fhirPath}${path} HTTP/1.1`,
    'Host: 127.0.0.1',
    'Accept: application/fhir+json',
    ...(body === undefined
      ? []
      : ['Content-Type: application/fhir+json', `Content-Length: ${Buffer.byteLength(payload)}`]),
  ];
  const bytes = Buffer.from(`${head.join('\r\n')}\r\n\r\n${payload}`);
  return { bytes, slots: slotsOf(bytes) };
}

function slotsOf(bytes: Buffer): number[] {
  const slots: number[] = [];
  for (let at = bytes.indexOf(slotText); at >= 0; at = bytes.indexOf(slotText, at + 1)) slots.push(at + 1);
  return slots;
}

const slotDigits = 10;

function fillSlot(bytes: Buffer, offset: number, value: number): void {
  let rest = value;
  for (let at = offset + slotDigits - 1; at >= offset; at -= 1) {
    bytes[at] = 48 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}

const anyPatient = (random: Random): string => `Patient/${patientId(random.below(patientCount))}`;

/** 1 Patient, 1 Encounter and 48 Observations of both, by urn:uuid. */
function transactionBundle(random: Random): unknown {
  const urn = (name: string): string => {
    const hex = () => random.below(0x10000).toString(16).padStart(4, '0');
    return `urn:uuid:${hex()}${hex()}-${name}-4000-8000-${hex()}${hex()}${hex()}`;
  };
  const [patientUrn, encounterUrn] = [urn('aaaa'), urn('bbbb')];
  const post = (fullUrl: string, resource: Record<string, unknown>) => ({
    fullUrl,
    resource,
    request: { method: 'POST', url: resource.resourceType },
  });
  const results = Array.from({ length: bundleEntries - 2 }, () =>
    post(urn('cccc'), observation({ random, identifier: slotText, subject: patientUrn, encounter: encounterUrn })),
  );
  const people = [
    post(patientUrn, patient(random, slotText)),
    post(encounterUrn, encounter(random, slotText, patientUrn)),
  ];
  return { resourceType: 'Bundle', type: 'transaction', entry: [...people, ...results] };
}

const builders = {
  create: (random: Random) =>
    request('POST', '/Observation', observation({ random, identifier: slotText, subject: anyPatient(random) })),
  update: (random: Random) => {
    const id = observationId(random.below(seededObservationCount));
    const changed = observation({ random, identifier: slotText, subject: anyPatient(random) });
    return request('PUT', `/Observation/${id}`, { ...changed, id });
  },
  read: (random: Random) => request('GET', `/Observation/${observationId(random.below(seededObservationCount))}`),
  searchCode: (random: Random) => {
    const code = encodeURIComponent(`${loinc}|${random.pick(measures).code}`);
    return request('GET', `/Observation?code=${code}&_count=20`);
  },
  searchIdentifier: (random: Random) => {
    const identifier = encodeURIComponent(`${systems.patient}|${patientIdentifier(random.below(patientCount))}`);
    return request('GET', `/Patient?identifier=${identifier}`);
  },
  searchPatient: (random: Random) =>
    request('GET', `/Observation?patient=${patientId(random.below(patientCount))}&_sort=-date&_count=20`),
  bundle: (random: Random) => request('POST', '', transactionBundle(random)),
} as const;

export type RequestKind = keyof typeof builders;

const poolSize: Record<RequestKind, number> = {
  ...{ create: 2_000, update: 4_000, read: 10_000, bundle: 100 },
  ...{ searchCode: 1_000, searchIdentifier: 1_000, searchPatient: 2_000 },
};

export interface RequestPool {
  /**
   * The next request's bytes. They are written over when the pool comes round, at least 100 requests later: by then the
   * request has been answered.
   */
  next(): Buffer;
}

/** `firstNumber`: what the slots count up from, so that two rounds never send the same identifier. */
export function requestPool(kind: RequestKind, firstNumber: number): RequestPool {
  const random = createRandom(0xce4eb4a + kind.length);
  const requests = Array.from({ length: poolSize[kind] }, () => builders[kind](random));
  let count = 0;
  let value = firstNumber;
  return {
    next() {
      const { bytes, slots } = requests[count % requests.length]!;
      count += 1;
      for (const slot of slots) fillSlot(bytes, slot, value++);
      return bytes;
    },
  };
}
