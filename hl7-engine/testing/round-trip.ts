// A message, as resources, as a message again, as resources again: where the two readings differ. For tests.
import type { Json, JsonObject, Resource } from '#fhir-model';
import { buildFrom, wantedMessage } from '../building/build.ts';
import { createGraph, type Graph } from '../building/graph.ts';
import { buildTarget } from '../building/target.ts';
import type { Mapped } from '../mapping/context.ts';
import { fixedZone } from '../mapping/datetime.ts';
import { mapMessage } from '../mapping/map.ts';
import { type Hl7Message, parseMessage } from '../message/message.ts';

/** What a message of this code is built of. */
const foci: Readonly<Record<string, string>> = {
  ADT: 'Encounter',
  OML: 'ServiceRequest',
  ORM: 'ServiceRequest',
  ORU: 'DiagnosticReport',
  SIU: 'Appointment',
  VXU: 'Immunization',
};

export interface RoundTrip {
  built: Hl7Message;
  warnings: string[];
  /** Where the resources of the second reading differ: `Patient.name[].suffix -`, `+` added, `~` other. With an example. */
  differences: Map<string, string>;
}

const config = { zone: fixedZone('+00:00'), identifierSystems: {} };

const eventFor = (code: string, event: string): string => {
  if (code === 'ADT') return /^A(01|03|04|05|08|11|13)$/.test(event) ? `ADT^${event}` : 'ADT^A08';
  if (code === 'SIU') return /^S(12|13|14|15|17|26)$/.test(event) ? `SIU^${event}` : 'SIU^S14';
  return code;
};

interface Reading {
  graph: Graph;
  mapped: Mapped;
  resources: Resource[];
}

function readingOf(mapped: Mapped): Reading {
  const graph = createGraph();
  const resources = mapped.entries.flatMap(({ resource, fullUrl, url }) =>
    resource === undefined ? [] : [graph.add(resource, fullUrl, url)],
  );
  return { graph, mapped, resources };
}

/** One for each resource that the message can be built around; none for a message of another kind, or that is refused. */
export async function roundTrips(raw: Buffer, version: string): Promise<RoundTrip[]> {
  const message = parseMessage(raw);
  const code = message.get('MSH-9.1') ?? '';
  const type = foci[code];
  if (type === undefined) return [];
  const first = readingOf(mapMessage(message, '1', config));
  const sender = {
    sendingApplication: message.get('MSH-3.1') ?? 'APP',
    sendingFacility: message.get('MSH-4.1') ?? 'FAC',
  };
  const target = { ...buildTarget(sender), version };
  const wanted = wantedMessage(eventFor(code, message.get('MSH-9.2') ?? ''));
  const trips: RoundTrip[] = [];
  for (const focus of first.graph.all(type)) {
    const request = { wanted, focus, graph: first.graph, target, controlId: 'RT1', nowMs: Date.UTC(2026, 0, 1) };
    const { message: built, warnings } = await buildFrom(request);
    const second = readingOf(mapMessage(parseMessage(built.raw), '1', config));
    trips.push({ built, warnings, differences: differencesOf(first, second, focus) });
  }
  return trips;
}

/** What the focus leads to. */
function reachable({ graph }: Reading, focus: Resource): Resource[] {
  const found = new Set<Resource>();
  const visit = (resource: Resource | undefined): void => {
    if (resource === undefined || found.has(resource)) return;
    found.add(resource);
    for (const reference of referencesIn(resource)) visit(graph.resolve(reference));
  };
  visit(focus);
  return [...found];
}

function referencesIn(value: Json | undefined): string[] {
  if (Array.isArray(value)) return value.flatMap(referencesIn);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    name === 'reference' && typeof inner === 'string' ? [inner] : referencesIn(inner),
  );
}

/** The same resource in both: of one url or number, else the next of its type that has no partner, of one code if there is one. */
function partnersOf(first: Reading, second: Reading, wanted: readonly Resource[]): Map<Resource, Resource> {
  const partners = new Map<Resource, Resource>();
  const free = new Set(second.resources);
  const match = (same: (one: Resource, other: Resource) => boolean): void => {
    for (const one of wanted) {
      if (partners.has(one)) continue;
      const other = [...free].find((candidate) => candidate.resourceType === one.resourceType && same(one, candidate));
      if (other === undefined) continue;
      partners.set(one, other);
      free.delete(other);
    }
  };
  const keyOf = ({ mapped, resources }: Reading, resource: Resource): string => {
    const entry = mapped.entries[resources.indexOf(resource)];
    return entry?.method === 'POST' ? (entry.ifNoneExist ?? '') : (entry?.url ?? '');
  };
  const keys = new Map([...second.resources].map((resource) => [resource, keyOf(second, resource)]));
  match((one, other) => keyOf(first, one) === keys.get(other));
  match((one, other) => content(one) === content(other));
  match((one, other) => JSON.stringify(one.code ?? null) === JSON.stringify(other.code ?? null));
  match(() => true);
  return partners;
}

const content = ({ code, valueString, valueQuantity, valueCodeableConcept, identifier, name }: Resource): string =>
  JSON.stringify([code, valueString, valueQuantity, valueCodeableConcept, identifier, name]);

function differencesOf(first: Reading, second: Reading, focus: Resource): Map<string, string> {
  const wanted = reachable(first, focus).filter(({ resourceType }) => resourceType !== 'Provenance');
  const partners = partnersOf(first, second, wanted);
  const labels = new Map<Resource, string>();
  for (const [index, one] of wanted.entries()) {
    labels.set(one, `#${index}`);
    const other = partners.get(one);
    if (other !== undefined) labels.set(other, `#${index}`);
  }
  const found = new Map<string, string>();
  for (const one of wanted) {
    const other = partners.get(one);
    if (other === undefined) found.set(`${one.resourceType} -`, JSON.stringify(one).slice(0, 200));
    else compare(plain(one, first.graph, labels), plain(other, second.graph, labels), one.resourceType, found);
  }
  return found;
}

const unordered = new Set(['identifier', 'location', 'participant', 'telecom', 'extension', 'coding', 'performer']);

/** By the number first: what else is said of it may differ. */
function sortKey(item: Json): string {
  const { system, value } = (item ?? {}) as JsonObject;
  return JSON.stringify([system ?? '', value ?? '', item]);
}

/** Without id and meta, times of UTC as Z, references as labels, lists without order sorted. */
function plain(
  value: Json | undefined,
  graph: Graph,
  labels: ReadonlyMap<Resource, string>,
  name = '',
): Json | undefined {
  if (Array.isArray(value)) {
    const items = value.map((item) => plain(item, graph, labels)!);
    return unordered.has(name) ? items.toSorted((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1)) : items;
  }
  if (name === 'reference' && typeof value === 'string') {
    const found = graph.resolve(value);
    return (found && labels.get(found)) ?? value;
  }
  if (typeof value === 'string') return value.replace(/\+00:00$/, 'Z');
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) === null) return value;
  const entries = Object.entries(value).filter(([key]) => key !== 'meta' && !(key === 'id' && 'resourceType' in value));
  return Object.fromEntries(entries.map(([key, inner]) => [key, plain(inner, graph, labels, key)])) as JsonObject;
}

function compare(one: Json | undefined, other: Json | undefined, path: string, found: Map<string, string>): void {
  if (JSON.stringify(one) === JSON.stringify(other)) return;
  const bothObjects = typeof one === 'object' && typeof other === 'object' && one !== null && other !== null;
  const isRaw = bothObjects && Object.getPrototypeOf(one) === null;
  if (bothObjects && !isRaw && Array.isArray(one) === Array.isArray(other)) {
    for (const key of new Set([...Object.keys(one), ...Object.keys(other)])) {
      const [a, b] = [(one as JsonObject)[key], (other as JsonObject)[key]];
      compare(a, b, Array.isArray(one) ? `${path}[]` : `${path}.${key}`, found);
    }
    return;
  }
  const sign = one === undefined ? '+' : other === undefined ? '-' : '~';
  const key = `${path} ${sign}`;
  if (!found.has(key)) found.set(key, `${JSON.stringify(one)?.slice(0, 90)} => ${JSON.stringify(other)?.slice(0, 90)}`);
}
