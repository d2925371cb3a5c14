// What the tests of $merge share: two patients, and how they are merged.
import assert from 'node:assert/strict';
import type { AccessScope, JsonObject, Resource } from '#fhir-model';
import type { Db } from '#platform';
import { testLog } from '#platform/testing';
import type { Core } from '../../interactions/core.ts';
import { parseQuery, search } from '../../interactions/search.ts';
import { readCurrent } from '../../store/read.ts';
import { storeUpdate } from '../../store/store.ts';
import { emptyStore, everything, testCore } from '../../testing.ts';
import { invoke } from '../invoke.ts';
import { createOperations } from '../registry.ts';

/** Set by `begin`. */
export let core: Core;

export const put = (resource: Resource & { id: string }) =>
  storeUpdate(core.store, resource, resource.id, undefined, everything);

export const patient = (id: string, more: JsonObject = {}): Resource & { id: string } => ({
  resourceType: 'Patient',
  id,
  identifier: [{ system: 'urn:test:mrn', value: `mrn-${id}`, use: 'official' }],
  name: [{ family: `Family-${id}` }],
  ...more,
});

export const observation = (id: string, subject: string, more: JsonObject = {}): Resource & { id: string } => ({
  resourceType: 'Observation',
  id,
  status: 'final',
  code: { text: 'x' },
  subject: { reference: subject },
  ...more,
});

export const reference = (name: string, id: string): JsonObject => ({
  name,
  valueReference: { reference: `Patient/${id}` },
});
export const identifier = (name: string, value: string): JsonObject => ({
  name,
  valueIdentifier: { system: 'urn:test:mrn', value },
});
export const both = (source: string, target: string): JsonObject[] => [
  reference('source-patient', source),
  reference('target-patient', target),
];

export interface Answer {
  issues: { severity: string; code: string; diagnostics: string }[];
  result: Resource & { link?: JsonObject[]; identifier?: JsonObject[] };
  input: Resource;
}

export async function merge(
  parameter: JsonObject[],
  scope: AccessScope = everything,
  more: { ifMatch?: string } = {},
): Promise<Answer> {
  const answer = await invoke(core, {
    target: { name: 'merge', type: 'Patient' },
    method: 'POST',
    pairs: [],
    resource: { resourceType: 'Parameters', parameter },
    scope,
    strict: true,
    ...more,
  });
  const parameters = (answer as { resource: Resource }).resource.parameter as unknown as {
    name: string;
    resource: Resource;
  }[];
  assert.deepEqual(
    parameters.map(({ name }) => name),
    ['input', 'outcome', 'result'],
  );
  const [input, outcome, result] = parameters.map(({ resource }) => resource);
  return { input: input!, issues: outcome!.issue as unknown as Answer['issues'], result: result! as Answer['result'] };
}

// biome-ignore lint/suspicious/noExplicitAny: any element of any resource
export async function read(type: string, id: string): Promise<Resource & { [name: string]: any }> {
  const found = await readCurrent(core.store.db, type, id, everything);
  return JSON.parse(found!.body) as Resource;
}

export async function idsOf(type: string, query: string): Promise<string[]> {
  const parsed = parseQuery(core, type, [...new URLSearchParams(query)], true);
  const page = await search(core, parsed, { scope: everything, db: core.store.db });
  return page.resources.map(({ id }) => id).sort();
}

export const refuses = (parameter: JsonObject[], status: number, message: RegExp, expression?: string) =>
  assert.rejects(
    merge(parameter),
    (error: { status: number; message: string; issues: { expression?: string[] }[] }) => {
      assert.match(error.message, message);
      assert.equal(error.status, status, error.message);
      if (expression !== undefined) assert.deepEqual(error.issues[0]!.expression, [expression]);
      return true;
    },
  );

/** Patients `s` and `t`, and nothing else. */
export async function begin(db: Db): Promise<void> {
  await emptyStore(db);
  core = await testCore(db);
  core.operations = createOperations(core, { log: testLog() });
  await put(
    patient('s', {
      identifier: [
        { system: 'urn:test:mrn', value: 'mrn-s', use: 'official' },
        { system: 'urn:test:card', value: '1' },
      ],
    }),
  );
  await put(
    patient('t', {
      identifier: [
        { system: 'urn:test:mrn', value: 'mrn-t' },
        { system: 'urn:test:card', value: '1' },
      ],
    }),
  );
}
