// $closure: a table of what subsumes what among the codes that a client has met, kept for it under a name.
// https://hl7.org/fhir/R4/conceptmap-operation-closure.html, https://hl7.org/fhir/R4/terminology-service.html#closure
import { all, type JsonObject, type OperationRequest, type OperationSpec, one, type Resource } from '#fhir-model';
import { CerebraError, type Clock, type Db, type Statement, type Tx } from '#platform';
import { askerOf, type CodeSystemParts, codingOf, findSystem, input, refuseSupplement } from './asking.ts';
import type { CodeSystem, Coding, Concept } from './code-system.ts';
import { shown, unknownCode } from './refusals.ts';
import { answerTo } from './tx-issues.ts';

/** Adding a concept compares it with all of its system that are there. */
const CONCEPTS_MAX = 20_000;
/** Concepts of one request. */
const ADDED_MAX = 1_000;
const NAME_CHARACTERS_MAX = 200;

interface Known {
  system: string;
  code: string;
  display: string | null;
}

/** `code` is subsumed by `target`. */
interface Entry {
  system: string;
  code: string;
  target: string;
}

const BEGIN: Statement = {
  text: `insert into closure_table (name) values ($1) on conflict (name) do update set version = 0 returning name`,
};
const FORGET: readonly Statement[] = ['closure_entry', 'closure_concept'].map((table) => ({
  text: `delete from ${table} where name = $1`,
}));
const VERSION: Statement = { text: 'select version from closure_table where name = $1' };
/** Whoever else adds to the table waits here. */
const LOCK: Statement = { text: 'select version from closure_table where name = $1 for update' };
const CONCEPTS: Statement = {
  text: 'select system, code, display from closure_concept where name = $1 and system = any($2::text[])',
};
const COUNT: Statement = { text: 'select count(*)::int as n from closure_concept where name = $1' };
const ADD_CONCEPTS: Statement = {
  text: `insert into closure_concept (name, version, system, system_version, code, display)
    select $1, $2, * from unnest($3::text[], $4::text[], $5::text[], $6::text[])`,
};
const ADD_ENTRIES: Statement = {
  text: `insert into closure_entry (name, version, system, code, target)
    select $1, $2, * from unnest($3::text[], $4::text[], $5::text[])`,
};
const RAISE: Statement = { text: 'update closure_table set version = $2 where name = $1' };
const SINCE: Statement = {
  text: 'select system, code, target from closure_entry where name = $1 and version > $2 order by system, code, target',
};

/** A concept that is to be added, as its system has it. */
interface Addition {
  system: CodeSystem;
  concept: Concept;
}

async function additionOf(parts: CodeSystemParts, request: OperationRequest, coding: Coding): Promise<Addition> {
  const { system: url, code, version } = coding;
  if (url === undefined || code === undefined) {
    throw new CerebraError('required', 'Each concept needs a system and a code', { expression: ['concept'] });
  }
  const system = await findSystem(parts, url, version, askerOf(request));
  refuseSupplement(system);
  const concept = await system.concept(code);
  if (concept === undefined) throw unknownCode(code, url, system.about.version, 'concept');
  return { system, concept };
}

/** Each once, and none that the table has. */
function distinct(additions: readonly Addition[], known: readonly Known[]): Addition[] {
  const keys = new Set(known.map(({ system, code }) => `${system}|${code}`));
  return additions.filter(({ system, concept }) => {
    const key = `${system.about.url}|${concept.code}`;
    return keys.has(key) ? false : keys.add(key);
  });
}

async function entriesOf({ system, concept }: Addition, others: readonly Concept[]): Promise<Entry[]> {
  const { url } = system.about;
  const relations = await Promise.all(others.map((other) => system.relation(concept, other)));
  return relations.flatMap((relation, i): Entry[] => {
    const other = others[i]!.code;
    if (relation === 'subsumed-by') return [{ system: url, code: concept.code, target: other }];
    return relation === 'subsumes' ? [{ system: url, code: other, target: concept.code }] : [];
  });
}

/** Those of the table that the system has still. */
async function conceptsOf(system: CodeSystem, codes: readonly string[]): Promise<Concept[]> {
  const found = await Promise.all(codes.map((code) => system.concept(code)));
  return found.filter((concept) => concept !== undefined);
}

async function newEntries(additions: readonly Addition[], known: readonly Known[]): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (const [url, some] of Map.groupBy(additions, ({ system }) => system.about.url)) {
    const { system } = some[0]!;
    const codes = known.filter((each) => each.system === url).map(({ code }) => code);
    const there = await conceptsOf(system, codes);
    for (const addition of some) {
      entries.push(...(await entriesOf(addition, there)));
      there.push(addition.concept);
    }
  }
  return entries;
}

async function write(tx: Tx, name: string, version: number, additions: readonly Addition[], entries: readonly Entry[]) {
  const of = <T>(get: (addition: Addition) => T): T[] => additions.map(get);
  await tx.query(ADD_CONCEPTS, [
    ...[name, version],
    of(({ system }) => system.about.url),
    of(({ system }) => system.about.version ?? null),
    of(({ concept }) => concept.code),
    of(({ concept }) => concept.display ?? null),
  ]);
  await tx.query(ADD_ENTRIES, [
    ...[name, version],
    entries.map(({ system }) => system),
    entries.map(({ code }) => code),
    entries.map(({ target }) => target),
  ]);
  await tx.query(RAISE, [name, version]);
}

async function lock(tx: Tx, name: string): Promise<number> {
  const [table] = await tx.query<{ version: number }>(LOCK, [name]);
  if (table) return table.version;
  throw noTable(name);
}

const noTable = (name: string): CerebraError =>
  new CerebraError(
    'not-found',
    `No closure table is called '${shown(name)}': $closure with the name alone begins one`,
    { expression: ['name'] },
  );

/** Others may add to the table meanwhile: then what is new is found again. */
const ATTEMPTS_MAX = 10;

interface Added {
  version: number;
  entries: Entry[];
}

function assertRoom(count: number): void {
  if (count <= CONCEPTS_MAX) return;
  const text = `A closure table has at most ${CONCEPTS_MAX} concepts`;
  throw new CerebraError('too-costly', text, { expression: ['concept'] });
}

/** What the table gets is found out before the transaction, which waits for nothing but itself; undefined: it has changed. */
async function attempt(db: Db, name: string, additions: readonly Addition[]): Promise<Added | undefined> {
  const [table] = await db.query<{ version: number }>(VERSION, [name]);
  if (table === undefined) throw noTable(name);
  const urls = [...new Set(additions.map(({ system }) => system.about.url))];
  const known = await db.query<Known>(CONCEPTS, [name, urls]);
  const [{ n } = { n: 0 }] = await db.query<{ n: number }>(COUNT, [name]);
  const fresh = distinct(additions, known);
  assertRoom(n + fresh.length);
  const entries = await newEntries(fresh, known);
  return db.tx(async (tx) => {
    if ((await lock(tx, name)) !== table.version) return undefined;
    const version = table.version + 1;
    await write(tx, name, version, fresh, entries);
    return { version, entries };
  });
}

async function add(db: Db, name: string, additions: readonly Addition[]): Promise<Added> {
  for (let i = 0; i < ATTEMPTS_MAX; i++) {
    const added = await attempt(db, name, additions);
    if (added) return added;
  }
  throw new CerebraError(
    'version-conflict',
    `Others add to the closure table '${shown(name)}' at this moment: try again`,
  );
}

async function begin(db: Db, name: string): Promise<void> {
  await db.tx(async (tx) => {
    await tx.query(BEGIN, [name]);
    for (const statement of FORGET) await tx.query(statement, [name]);
  });
}

async function since(db: Db, name: string, given: string): Promise<{ version: number; entries: Entry[] }> {
  return db.tx(async (tx) => {
    const version = await lock(tx, name);
    const from = /^\d{1,9}$/.test(given) ? Number(given) : Number.NaN;
    if (!(from <= version)) {
      const text = `'${shown(given)}' is no version of the closure table '${shown(name)}': it is at version ${version}`;
      throw new CerebraError('invalid-parameter', text, { expression: ['version'] });
    }
    return { version, entries: await tx.query<Entry>(SINCE, [name, from]) };
  });
}

/** R4 reads it from the target: the target subsumes the source, which is the narrower one. */
function mapOf(name: string, version: number, entries: readonly Entry[], nowMs: number): Resource {
  const groups = [...Map.groupBy(entries, ({ system }) => system)].map(([system, some]) => ({
    source: system,
    target: system,
    element: [...Map.groupBy(some, ({ code }) => code)].map(([code, each]) => ({
      code,
      target: each.map(({ target }) => ({ code: target, equivalence: 'subsumes' })),
    })),
  }));
  return {
    resourceType: 'ConceptMap',
    ...{ version: String(version), name, status: 'active', experimental: true },
    date: new Date(nowMs).toISOString(),
    ...(groups.length > 0 && { group: groups }),
  } as unknown as Resource;
}

export interface ClosureParts extends CodeSystemParts {
  db: Db;
  clock: Clock;
}

async function closure(parts: ClosureParts, request: OperationRequest): Promise<Resource> {
  const { db, clock } = parts;
  const name = one<string>(request.input, 'name')!;
  if (name.length > NAME_CHARACTERS_MAX) {
    throw new CerebraError('invalid-parameter', `A name has at most ${NAME_CHARACTERS_MAX} characters`, {
      expression: ['name'],
    });
  }
  if (request.scope.kind === 'nothing') throw new CerebraError('forbidden', 'Nothing may be written');
  const concepts = all<JsonObject>(request.input, 'concept');
  const version = one<string>(request.input, 'version');
  if (concepts.length > 0 && version !== undefined) {
    const text = "'version' asks for what was sent before, 'concept' adds: give one of them";
    throw new CerebraError('invalid-parameter', text, { expression: ['version'] });
  }
  if (concepts.length > ADDED_MAX) {
    throw new CerebraError('too-costly', `A request adds at most ${ADDED_MAX} concepts`, { expression: ['concept'] });
  }
  if (version !== undefined) {
    const found = await since(db, name, version);
    return mapOf(name, found.version, found.entries, clock.now());
  }
  if (concepts.length === 0) {
    await begin(db, name);
    return mapOf(name, 0, [], clock.now());
  }
  const additions: Addition[] = [];
  for (const coding of concepts) additions.push(await additionOf(parts, request, codingOf(coding)));
  const added = await add(db, name, additions);
  return mapOf(name, added.version, added.entries, clock.now());
}

export const closureOperation = (parts: ClosureParts): OperationSpec => ({
  name: 'closure',
  title: 'Closure table maintenance',
  description:
    'Keeps a table of what subsumes what among the codes that a client has met: the name alone begins it, concepts are added to it, a version asks again for what came since',
  url: 'http://hl7.org/fhir/OperationDefinition/ConceptMap-closure',
  type: ['ConceptMap'],
  ...{ system: true, typeLevel: false, instanceLevel: false, affectsState: true },
  parameters: [
    { name: 'name', use: 'in', min: 1, max: '1', type: 'string', documentation: 'Of the table' },
    input('concept', 'Coding', '*', 'Concepts to be added to the table'),
    input('version', 'string', '1', 'What came after this version is sent again'),
    { name: 'return', use: 'out', min: 1, max: '1', type: 'ConceptMap', documentation: 'New entries of the table' },
  ],
  run: (request) => answerTo(async () => ({ resource: await closure(parts, request) })),
});
