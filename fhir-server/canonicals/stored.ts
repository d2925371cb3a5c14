// Stored resources by canonical URL, and whether any of them has changed: what canonicals.ts asks the database.
import { type AccessScope, parseJson, type Resource, type SearchParameters } from '#fhir-model';
import type { Queryable, Statement } from '#platform';
import { scopeSql } from '../access/scope.ts';
import { indexedAs } from '../store/index-rows.ts';
import { currentTable } from '../store/layout.ts';
import { named } from '../store/sql.ts';
import { token } from '../store/tokens.ts';

/** R4's types with a canonical URL that something refers to by it. */
export const canonicalTypes: ReadonlySet<string> = new Set([
  ...['ActivityDefinition', 'CapabilityStatement', 'ChargeItemDefinition', 'CodeSystem', 'CompartmentDefinition'],
  ...['ConceptMap', 'EffectEvidenceSynthesis', 'EventDefinition', 'Evidence', 'EvidenceVariable', 'ExampleScenario'],
  ...['GraphDefinition', 'ImplementationGuide', 'Library', 'Measure', 'MessageDefinition', 'OperationDefinition'],
  ...['PlanDefinition', 'Questionnaire', 'ResearchDefinition', 'ResearchElementDefinition', 'RiskEvidenceSynthesis'],
  ...['SearchParameter'],
  ...['StructureDefinition', 'StructureMap', 'TerminologyCapabilities', 'TestScript', 'ValueSet'],
]);

/** What of them is stored: another when any of them is written or deleted. */
const standing: Statement = {
  name: 'canonicals_standing',
  text: `select ${[...canonicalTypes]
    .map((type) => `(select count(*) || '/' || coalesce(sum(seq), 0) from ${currentTable(type)})`)
    .join(" || ' ' || ")} as standing`,
};

export async function readStanding(db: Queryable): Promise<string> {
  const [row] = await db.query<{ standing: string }>(standing);
  return row!.standing;
}

/** One version of a canonical, as it is stored. */
export interface StoredCanonical {
  rid: bigint;
  /** '' where the resource has none. */
  version: string;
  resource: Resource;
  /** Of its JSON text, in UTF-16 units. */
  characters: number;
}

interface Row {
  rid: bigint;
  body: string | null;
}

const CANDIDATES_MAX = 200;
/** Larger bodies come one by one. */
const TOGETHER_BYTES_MAX = 1024 * 1024;

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

export async function readBody(db: Queryable, type: string, rid: bigint): Promise<string | undefined> {
  const statement = named(`canonical_body_${type}`, () => `select body from ${currentTable(type)} where rid = $1`);
  const [row] = await db.query<{ body: string }>(statement, [rid]);
  return row?.body;
}

function parsed(rid: bigint, body: string): StoredCanonical {
  const resource = parseJson(body).value as Resource;
  return { rid, version: textOf(resource.version), resource, characters: body.length };
}

/** Those with that url, latest written first: hashes find, the body decides. */
export async function readByUrl(
  db: Queryable,
  parameters: SearchParameters,
  type: string,
  url: string,
  scope: AccessScope,
): Promise<StoredCanonical[]> {
  const param = parameters.get(type, 'url');
  if (param === undefined) return [];
  const access = scopeSql(scope);
  const statement = named(
    `canonicals_${type}${access.name}`,
    () => `select r.rid, case when octet_length(r.body) <= ${TOGETHER_BYTES_MAX} then r.body end as body
      from ${currentTable(type)} r
      where r.tokens && $1::bigint[] and ${access.condition('r', 2)} order by r.seq desc limit ${CANDIDATES_MAX}`,
  );
  // CodeSystem.url is indexed as `system`, which is the same.
  const hashes = indexedAs(param).map((source) => token.url(source, url));
  const rows = await db.query<Row>(statement, [`{${hashes.join(',')}}`, ...access.values]);
  const found: StoredCanonical[] = [];
  for (const { rid, body } of rows) {
    const text = body ?? (await readBody(db, type, rid));
    if (text === undefined) continue;
    const one = parsed(rid, text);
    if (one.resource.url === url) found.push(one);
  }
  return found;
}
