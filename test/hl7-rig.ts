// The HL7 engine on the real store, for tests of what the rooms agree on.
import assert from 'node:assert/strict';
import { type AccessScope, loadDefinitions, type Resource } from '#fhir-model';
import { createFhirServer, type FhirServer } from '#fhir-server';
import { createHl7Engine, type Hl7Engine } from '#hl7-engine';
import { createMetrics, type Db, systemClock } from '#platform';
import { testDatabase, testLog } from '#platform/testing';

export interface Hl7Rig {
  db: Db;
  fhir: FhirServer;
  /** Made, not started. */
  engine: Hl7Engine;
  find(type: string, query: string): Promise<Resource[]>;
  /** Asserts that there is one. */
  only(type: string, query: string): Promise<Resource>;
}

export const scope: AccessScope = { kind: 'everything' };

export async function hl7Rig(): Promise<Hl7Rig> {
  const db = await testDatabase();
  const parts = { db, log: testLog(), metrics: createMetrics(), clock: systemClock, scope };
  const fhir = await createFhirServer({
    ...parts,
    definitions: await loadDefinitions(),
    baseUrl: 'http://127.0.0.1/fhir/R4',
    softwareVersion: 'test',
    limits: {
      bodyBytesMax: 1e7,
      bundleEntriesMax: 1000,
      searchCountDefault: 100,
      searchCountMax: 1000,
      searchTimeoutMs: 60_000,
      conditionalDeleteMax: 100,
    },
  });
  const engine = createHl7Engine({ ...parts, writer: fhir.writer, reader: fhir.reader, config: { port: 0 } });
  async function find(type: string, query: string): Promise<Resource[]> {
    const page = await fhir.reader.search(type, query, scope);
    return page.resources.map(({ body }) => JSON.parse(body) as Resource);
  }
  async function only(type: string, query: string): Promise<Resource> {
    const found = await find(type, query);
    assert.equal(found.length, 1, `${type}?${query}`);
    return found[0]!;
  }
  return { db, fhir, engine, find, only };
}
