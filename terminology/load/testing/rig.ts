// Loads releases that a test has made and tells what is in the tables then.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import type { Resource } from '#fhir-model';
import type { Db } from '#platform';
import { activeSystems, conceptTables, tableOf } from '../../tables.ts';
import { type LoadedSystem, loadTerminology, type TerminologyLoadOptions, type TerminologySummary } from '../load.ts';

/** By their paths. */
export type Files = Record<string, string | Buffer>;

/** A folder of its own, removed after the test. */
export async function testFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'terminology-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export async function writeFiles(folder: string, files: Files): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const full = path.join(folder, name);
    await mkdir(path.dirname(full), { recursive: true });
    await writeFile(full, content);
  }
}

/** Rows of tab-separated columns, with the line ends of release files. */
export const tsv = (rows: readonly (readonly string[])[]): string =>
  rows.map((row) => `${row.join('\t')}\r\n`).join('');

const quote = (value: string): string => `"${value.replaceAll('"', '""')}"`;
export const csv = (rows: readonly (readonly string[])[]): string =>
  rows.map((row) => `${row.map(quote).join(',')}\r\n`).join('');

export interface Loaded extends TerminologySummary {
  /** `file:line: text` */
  told: string[];
  notes: string[];
  knownSystems: LoadedSystem[];
  /** After how many concepts each system was gone on with that had broken off. */
  goneOnAfter: number[];
  storedResources: Resource[];
}

export async function load(
  db: Db,
  name: string,
  options: Partial<Omit<TerminologyLoadOptions, 'db' | 'name'>> = {},
): Promise<Loaded> {
  const told: string[] = [];
  const notes: string[] = [];
  const knownSystems: LoadedSystem[] = [];
  const goneOnAfter: number[] = [];
  const storedResources: Resource[] = [];
  const text = ({ file, line, text }: { file: string; line?: number; text: string }): string =>
    `${path.basename(file)}${line === undefined ? '' : `:${line}`}: ${text}`;
  const summary = await loadTerminology({
    ...{ db, name, strict: false, again: false, signal: new AbortController().signal },
    async store(resource) {
      storedResources.push(resource);
      return 'created';
    },
    onFormat: () => undefined,
    onProgress: () => undefined,
    onIndexing: () => undefined,
    onGoingOn: ({ concepts }) => goneOnAfter.push(concepts),
    onLoaded: () => undefined,
    onFault: (fault) => told.push(text(fault)),
    onNote: (note) => notes.push(text(note)),
    onKnown: (system) => knownSystems.push(system),
    ...options,
  });
  return { ...summary, told, notes, knownSystems, goneOnAfter, storedResources };
}

interface ConceptDump {
  display: string | null;
  definition?: string;
  flags?: string;
  parents?: string[];
  ancestors?: string[];
  /** `language use value` */
  designations?: string[];
  /** `code=value` */
  properties?: string[];
}

interface DumpRow {
  n: number;
  code: string;
  display: string | null;
  definition: string | null;
  abstract: boolean;
  inactive: boolean;
  parents: number[];
  ancestors: number[];
}

async function grouped(db: Db, text: string): Promise<Map<number, string[]>> {
  const found = new Map<number, string[]>();
  for (const { n, text: each } of await db.query<{ n: number; text: string }>({ text })) {
    found.set(n, [...(found.get(n) ?? []), each]);
  }
  return found;
}

/** What the active system of that URL has, by code. */
export async function dump(db: Db, url: string, version?: string): Promise<Record<string, ConceptDump>> {
  const systems = (await activeSystems(db)).filter((each) => each.url === url);
  const system = systems.find((each) => version === undefined || each.version === version);
  if (!system) throw new Error(`${url} is not there`);
  const { cs } = system;
  const rows = await db.query<DumpRow>({
    text: `select c.n, c.code, c.display, c.definition, c.abstract, c.inactive, l.parents, l.ancestors
      from ${tableOf('concept', cs)} c join ${tableOf('concept_lineage', cs)} l using (n) order by n`,
  });
  const designations = await grouped(
    db,
    `select n, concat_ws(' ', language, use_code, value) as text from ${tableOf('concept_designation', cs)} order by n, text`,
  );
  const properties = await grouped(
    db,
    `select n, code || case when grp > 0 then '#' || grp else '' end || '=' || value || coalesce(' ' || display, '') as text
      from ${tableOf('concept_property', cs)} order by n, text`,
  );
  const codes = new Map(rows.map(({ n, code }) => [n, code]));
  const names = (numbers: number[]): string[] => numbers.map((n) => codes.get(n)!).sort();
  const described = rows.map((row): [string, ConceptDump] => {
    const flags = [row.abstract ? 'abstract' : '', row.inactive ? 'inactive' : ''].filter((each) => each !== '');
    return [
      row.code,
      {
        display: row.display,
        ...(row.definition !== null && { definition: row.definition }),
        ...(flags.length > 0 && { flags: flags.join(' ') }),
        ...(row.parents.length > 0 && { parents: names(row.parents), ancestors: names(row.ancestors) }),
        ...(designations.has(row.n) && { designations: designations.get(row.n)! }),
        ...(properties.has(row.n) && { properties: properties.get(row.n)! }),
      },
    ];
  });
  return Object.fromEntries(described);
}

/** Every row of the system that is active and every index on them, as hashes by table: equal where the tables are. */
export async function fingerprints(db: Db, url: string, version: string): Promise<Record<string, unknown>> {
  const system = (await activeSystems(db)).find((each) => each.url === url && each.version === version);
  if (!system) throw new Error(`${url}|${version} is not there`);
  const { cs, concepts, designations } = system;
  const found: Record<string, unknown> = { concepts, designations };
  for (const table of conceptTables) {
    const name = tableOf(table, cs);
    const [row] = await db.query({
      text: `select count(*)::int as rows, md5(string_agg(row, E'\n' order by row collate "C")) as hash,
          (select array_agg(definition order by definition collate "C")
            from (select replace(pg_get_indexdef(indexrelid), '_${cs}', '') as definition from pg_index
              where indrelid = '${name}'::regclass) d) as indexes,
          (select relispartition from pg_class where oid = '${name}'::regclass) as attached
        from (select (to_jsonb(t) - 'cs')::text as row from ${name} t) rows`,
    });
    found[table] = row;
  }
  return found;
}

/** `url|version` of all that are active, and how many rows tell of others. */
export async function systemsThere(db: Db): Promise<{ active: string[]; others: number }> {
  const active = (await activeSystems(db)).map(({ url, version }) => `${url}|${version}`).sort();
  const [row] = await db.query<{ n: bigint }>({
    text: "select count(*) as n from code_system where state <> 'active'",
  });
  return { active, others: Number(row!.n) };
}
