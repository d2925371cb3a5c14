// A stored CodeSystem that is too large for memory, written into the tables: https://hl7.org/fhir/R4/codesystem.html
import { setImmediate } from 'node:timers/promises';
import type { Resource } from '#fhir-model';
import type { Db } from '#platform';
import { type About, aboutOf, asObject, asText } from './code-system.ts';
import { roleOf } from './concept-properties.ts';
import { type MemoryConcept, readConcept, walkConcepts } from './memory-index.ts';
import { activeSystems, type TableSystem } from './tables.ts';
import { type SystemWriter, writeSystem } from './write-system.ts';

/** Which version of which resource; undefined for one that is not stored. */
export function storedAs(resource: Resource): { id: string; version: number } | undefined {
  const id = asText(resource.id);
  const version = Number(asObject(resource.meta)?.versionId);
  return id !== undefined && Number.isInteger(version) ? { id, version } : undefined;
}

/** First of the two numbers of an advisory lock, the other a hash of the resource's id. Spells "csim". */
const LOCK_CLASS = 0x6373696d;

export function writeConcept(writer: SystemWriter, about: About, concept: MemoryConcept): number | undefined {
  const n = writer.add(concept);
  if (n === undefined) return undefined;
  for (const { language, use, value } of concept.designations) {
    const { system: useSystem, code: useCode, display: useDisplay } = use ?? {};
    writer.designation(n, { language, useSystem, useCode, useDisplay, value });
  }
  for (const property of concept.properties) {
    writer.property(n, property);
    if (roleOf(about, property.code) === 'parent') writer.parent(n, property.value);
  }
  return n;
}

/** All concepts of the resource. Of codes that come twice the first counts. */
async function writeConcepts(writer: SystemWriter, about: About, resource: Resource): Promise<void> {
  const codes: string[] = [];
  /** What is below, told by the concept above: once all are there. */
  const children: { parent: string; child: string }[] = [];
  for (const { element, within, n: place } of walkConcepts(resource)) {
    const concept = readConcept(about, element, place);
    // What is nested in an element without a code belongs to the one around that.
    codes.push(concept.code === '' && within !== undefined ? codes[within]! : concept.code);
    if (concept.code === '') continue;
    const n = writeConcept(writer, about, concept);
    if (n === undefined) continue;
    if (within !== undefined && about.isA && codes[within] !== '') writer.parent(n, codes[within]!);
    for (const { code, value } of concept.properties) {
      if (roleOf(about, code) === 'child') children.push({ parent: concept.code, child: value });
    }
    // Others have their turn: 500 concepts take some 5 ms.
    if (place % 500 === 0) await setImmediate();
    await writer.drain();
  }
  for (const { parent, child } of children) {
    const n = writer.numberOf(child);
    if (n !== undefined) writer.parent(n, parent);
  }
}

async function write(db: Db, resource: Resource, stored: { id: string; version: number }): Promise<void> {
  const about = aboutOf(resource);
  const { url, version = '', caseSensitive } = about;
  const writer = await writeSystem(db, { url, version, about: about.resource, caseSensitive, resource: stored });
  try {
    await writeConcepts(writer, about, resource);
    await writer.finish();
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}

async function imported(db: Db, { id, version }: { id: string; version: number }): Promise<TableSystem | undefined> {
  const systems = await activeSystems(db);
  return systems.find(({ resource, resourceVersion }) => resource === id && resourceVersion === version);
}

/** The resource in the tables; written there by the first who asks, while others wait. */
export async function importSystem(db: Db, resource: Resource): Promise<TableSystem> {
  const stored = storedAs(resource)!;
  const known = await imported(db, stored);
  if (known) return known;
  // Holds the lock and writes nothing: other transactions do that.
  await db.tx(async (tx) => {
    await tx.query({ text: 'set local statement_timeout = 0' });
    await tx.query({ text: `select pg_advisory_xact_lock(${LOCK_CLASS}, hashtext($1))` }, [stored.id]);
    if (!(await imported(db, stored))) await write(db, resource, stored);
  });
  return (await imported(db, stored))!;
}
