// Code systems as rows: migrations/0013_terminology.sql. https://hl7.org/fhir/R4/codesystem.html
import type { Resource } from '#fhir-model';
import { parseJson } from '#fhir-model';
import type { Queryable, Statement } from '#platform';

/** Each has a partition for every code system. */
export const conceptTables = [
  'concept',
  'concept_lineage',
  'concept_child',
  'concept_closure',
  'concept_designation',
  'concept_property',
] as const;

export type ConceptTable = (typeof conceptTables)[number];

/** `concept_12`: statements name a system's own tables, which spares the planner all others. */
export const tableOf = (table: ConceptTable, cs: number): string => `${table}_${cs}`;

/** A code system in the tables, complete and indexed. */
export interface TableSystem {
  cs: number;
  url: string;
  /** Empty when it has none. */
  version: string;
  /** The stored CodeSystem that it was made from, as `id`; undefined for a loaded release. */
  resource?: string;
  /** meta.versionId of that. */
  resourceVersion?: number;
  caseSensitive: boolean;
  /** The CodeSystem without its concepts. */
  about: Resource;
  concepts: number;
  /** How many concept_designation has: without any there is none to search. */
  designations: number;
}

interface SystemRow {
  cs: number;
  url: string;
  version: string;
  resource: string | null;
  resource_version: number | null;
  case_sensitive: boolean;
  about: string;
  concepts: number;
  designations: number;
}

function systemOf(row: SystemRow): TableSystem {
  return {
    cs: row.cs,
    url: row.url,
    version: row.version,
    ...(row.resource !== null && { resource: row.resource }),
    ...(row.resource_version !== null && { resourceVersion: row.resource_version }),
    caseSensitive: row.case_sensitive,
    about: parseJson(row.about).value as Resource,
    concepts: row.concepts,
    designations: row.designations,
  };
}

const ACTIVE: Statement = {
  name: 'code_system_active',
  text: `select cs, url, version, resource, resource_version, case_sensitive, about, concepts, designations
    from code_system where state = 'active' order by cs`,
};

/** All that are active: a few dozen. */
export async function activeSystems(db: Queryable): Promise<TableSystem[]> {
  return (await db.query<SystemRow>(ACTIVE)).map(systemOf);
}

const EPOCH: Statement = { name: 'code_system_epoch', text: 'select n from code_system_epoch' };

/** Another number once another set of systems is active. */
export async function systemsEpoch(db: Queryable): Promise<bigint> {
  const [row] = await db.query<{ n: bigint }>(EPOCH);
  return row!.n;
}

const statements = new Map<string, Statement>();
/** Texts of statements that are kept; one system has some twenty shapes of them. */
const STATEMENTS_MAX = 5_000;

/**
 * The prepared statement `name` of one system, its text made on first use. One name belongs to one text: what varies in
 * the text stands in the name.
 */
export function systemStatement(cs: number, name: string, text: () => string): Statement {
  const full = `cs${cs}_${name}`;
  let statement = statements.get(full);
  if (!statement) {
    if (statements.size >= STATEMENTS_MAX) statements.clear();
    statement = { name: full, text: text() };
    statements.set(full, statement);
  }
  return statement;
}
