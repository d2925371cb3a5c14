// Terminology from what is stored here: ValueSets, CodeSystems, and the value sets of R4's own required bindings.
// https://hl7.org/fhir/R4/terminology-service.html
import {
  type CodeSet,
  type Definitions,
  parseJson,
  type Resource,
  type SearchParameters,
  type Terminology,
  type TerminologyContext,
} from '#fhir-model';
import { CerebraError } from '#platform';
import { scopeSql } from '../access/scope.ts';
import { indexedAs } from '../store/index-rows.ts';
import { currentTable } from '../store/layout.ts';
import { named } from '../store/sql.ts';
import { token } from '../store/tokens.ts';
import { type CodeSystemIndex, indexCodeSystem, related } from './code-system.ts';
import { codesOf, type Sources, tooMany } from './value-set.ts';

type Canonical = 'ValueSet' | 'CodeSystem';

const IMPORTS_MAX = 20;
/** Parsed code systems; one of 10,000 concepts has some 5 MB. */
const SYSTEMS_MAX = 8;

interface Candidate {
  rid: bigint;
  version: number;
}

const unknown = (what: string, url: string): CerebraError =>
  new CerebraError('invalid-parameter', `The ${what} '${url.slice(0, 200)}' is not known here`);

/** The resources that may have that url, latest first: hashes find, the body decides. */
async function candidates(parameters: SearchParameters, type: Canonical, url: string, context: TerminologyContext) {
  const param = parameters.get(type, 'url');
  if (param === undefined) return [];
  const access = scopeSql(context.scope);
  const statement = named(
    `canonical_${type}${access.name}`,
    () => `select r.rid, r.version from ${currentTable(type)} r
      where r.tokens && $1::bigint[] and ${access.condition('r', 2)} order by r.seq desc limit 100`,
  );
  // CodeSystem.url is indexed as `system`, which is the same.
  const hashes = indexedAs(param).map((source) => token.url(source, url));
  return context.db.query<Candidate>(statement, [`{${hashes.join(',')}}`, ...access.values]);
}

async function readBody(type: Canonical, rid: bigint, { db }: TerminologyContext): Promise<Resource | undefined> {
  const statement = named(`body_${type}`, () => `select body from ${currentTable(type)} where rid = $1`);
  const [row] = await db.query<{ body: string }>(statement, [rid]);
  return row && (parseJson(row.body).value as Resource);
}

async function readById(id: string, context: TerminologyContext): Promise<Resource> {
  const access = scopeSql(context.scope);
  const statement = named(
    `value_set_by_id${access.name}`,
    () => `select r.body from ${currentTable('ValueSet')} r where r.id = $1 and ${access.condition('r', 2)}`,
  );
  const [row] = await context.db.query<{ body: string }>(statement, [id, ...access.values]);
  if (row === undefined) throw unknown('value set', `ValueSet/${id}`);
  return parseJson(row.body).value as Resource;
}

/** `http://…/vs|1.0` */
function splitVersion(canonical: string): { url: string; version: string | undefined } {
  const at = canonical.indexOf('|');
  return at === -1
    ? { url: canonical, version: undefined }
    : { url: canonical.slice(0, at), version: canonical.slice(at + 1) };
}

export function createStoredTerminology(parameters: SearchParameters, definitions: Definitions): Terminology {
  const systems = new Map<string, CodeSystemIndex>();

  function indexed(name: string, resource: Resource): CodeSystemIndex {
    const index = indexCodeSystem(resource);
    const [oldest] = systems.keys();
    if (systems.size >= SYSTEMS_MAX && oldest !== undefined) systems.delete(oldest);
    systems.set(name, index);
    return index;
  }

  async function codeSystem(canonical: string, context: TerminologyContext): Promise<CodeSystemIndex> {
    const { url, version } = splitVersion(canonical);
    for (const { rid, version: stored } of await candidates(parameters, 'CodeSystem', url, context)) {
      const name = `${rid}/${stored}/${version ?? ''}`;
      const known = systems.get(name);
      if (known?.url === url) return known;
      const resource = await readBody('CodeSystem', rid, context);
      if (resource?.url === url && (version === undefined || resource.version === version))
        return indexed(name, resource);
    }
    throw unknown('code system', canonical);
  }

  async function stored(canonical: string, context: TerminologyContext): Promise<Resource | undefined> {
    const { url, version } = splitVersion(canonical);
    for (const { rid } of await candidates(parameters, 'ValueSet', url, context)) {
      const resource = await readBody('ValueSet', rid, context);
      if (resource?.url === url && (version === undefined || resource.version === version)) return resource;
    }
    return undefined;
  }

  /** `system?fhir_vs` and `system?fhir_vs=isa/code`: https://hl7.org/fhir/R4/snomedct.html#implicit */
  async function implicit(url: string, context: TerminologyContext): Promise<Codes | undefined> {
    const match = /^(.+)\?fhir_vs(?:=isa\/(.+))?$/.exec(url);
    if (match === null) return undefined;
    const [, system = '', code] = match;
    if (code === undefined) return new Map([[system, 'all']]);
    return new Map([[system, await subsumption(system, code, 'below', context)]]);
  }

  /** Those of the definitions, which R4 requires somewhere: `http://hl7.org/fhir/ValueSet/administrative-gender`. */
  function defined(canonical: string): Codes | undefined {
    const systems = definitions.valueSet(splitVersion(canonical).url);
    return systems && new Map(systems.map(({ system, codes }) => [system, new Set(codes)]));
  }

  async function codes(canonical: string, context: TerminologyContext, imports: readonly string[]): Promise<Codes> {
    if (imports.includes(canonical) || imports.length >= IMPORTS_MAX) {
      throw new CerebraError(
        'unsupported',
        `The value set '${canonical.slice(0, 200)}' includes itself, or others too deeply`,
      );
    }
    const sources: Sources = {
      valueSet: (url) => codes(url, context, [...imports, canonical]),
      codeSystem: (url) => codeSystem(url, context),
      codesMax: context.codesMax,
    };
    const id = /^ValueSet\/(.+)$/.exec(canonical)?.[1];
    const resource = id === undefined ? await stored(canonical, context) : await readById(id, context);
    if (resource !== undefined) return codesOf(resource, sources);
    const other = (await implicit(canonical, context)) ?? defined(canonical);
    if (other === undefined) throw unknown('value set', canonical);
    return other;
  }

  async function subsumption(
    system: string,
    code: string,
    direction: 'above' | 'below',
    context: TerminologyContext,
  ): Promise<Set<string>> {
    const found = related(await codeSystem(system, context), code, direction);
    if (found.size > context.codesMax) throw tooMany(context.codesMax);
    return found;
  }

  return { valueSet: (url, context): Promise<CodeSet> => codes(url, context, []), subsumption };
}

type Codes = Map<string, 'all' | Set<string>>;
