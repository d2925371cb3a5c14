// What the tests of load share: a database, a folder for files, and a load of some of them.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { parseJson, type Resource } from '#fhir-model';
import type { Db } from '#platform';
import { testDatabase } from '#platform/testing';
import type { Core } from '../../interactions/core.ts';
import { readCurrent } from '../../store/read.ts';
import { everything, testCore } from '../../testing.ts';
import { findFiles } from '../files.ts';
import { load } from '../load.ts';
import type { LoadFault, LoadOptions, LoadSummary } from '../options.ts';

export interface Loaded {
  summary: LoadSummary;
  /** `file:line: diagnostics`, `file[entry]: …`, without folders. */
  faults: string[];
  /** Issue expressions, fault by fault. */
  expressions: (string[] | undefined)[][];
  known: string[];
}

export interface Rig {
  db: Db;
  core: Core;
  folder: string;
  /** Writes a file, yields its path. */
  file(name: string, content: string | Uint8Array): Promise<string>;
  load(names: string[], options?: Partial<LoadOptions>): Promise<Loaded>;
  /** The current resource; undefined when there is none. */
  read(type: string, id: string): Promise<Resource | undefined>;
  count(type: string): Promise<number>;
}

function faultText({ name, line, entry, issues }: LoadFault): string {
  const place =
    path.basename(name) + (line === undefined ? '' : `:${line}`) + (entry === undefined ? '' : `[${entry}]`);
  return `${place}: ${issues[0]!.diagnostics}`;
}

export async function createRig(t: TestContext): Promise<Rig> {
  const db = await testDatabase(t);
  const core = await testCore(db);
  const folder = await mkdtemp(path.join(os.tmpdir(), 'cerebra-load-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return {
    ...{ db, core, folder },
    async file(name, content) {
      const full = path.join(folder, name);
      await writeFile(full, content);
      return full;
    },
    async load(names, options = {}) {
      const loaded: Omit<Loaded, 'summary'> = { faults: [], expressions: [], known: [] };
      const summary = await load(core, {
        ...{
          db,
          scope: everything,
          existing: 'skip',
          validate: true,
          threads: 1,
          again: false,
          lineBytesMax: 1_000_000,
        },
        files: await findFiles(names),
        signal: new AbortController().signal,
        onProgress: () => undefined,
        onFault(fault) {
          loaded.faults.push(faultText(fault));
          loaded.expressions.push(fault.issues.map(({ expression }) => expression));
        },
        onKnown: (file) => void loaded.known.push(path.basename(file.path)),
        onStatistics: () => undefined,
        ...options,
      });
      return { ...loaded, summary };
    },
    async read(type, id) {
      const found = await readCurrent(db, type, id, everything);
      return found && !found.deleted ? (parseJson(found.body).exact as Resource) : undefined;
    },
    async count(type) {
      const rows = await db.query<{ n: bigint }>({ text: `select count(*) as n from r_${type.toLowerCase()}` });
      return Number(rows[0]!.n);
    },
  };
}

export const ndjson = (resources: unknown[]): string => resources.map((one) => `${JSON.stringify(one)}\n`).join('');

export const patient = (id: string | undefined, family = 'Testperson'): Resource => ({
  resourceType: 'Patient',
  ...(id === undefined ? {} : { id }),
  name: [{ family }],
});

export const observation = (id: string | undefined, subject: string): Resource => ({
  resourceType: 'Observation',
  ...(id === undefined ? {} : { id }),
  status: 'final',
  code: { coding: [{ system: 'http://loinc.org', code: '8867-4' }] },
  subject: { reference: subject },
  effectiveDateTime: '2024-03-01T10:00:00Z',
  valueQuantity: { value: 72, unit: '/min', system: 'http://unitsofmeasure.org', code: '/min' },
});
