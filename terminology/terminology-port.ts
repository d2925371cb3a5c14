// What searches and bindings ask: the codes of value sets, what is above and below a code, whether codes are valid.
// https://hl7.org/fhir/R4/search.html#modifiers, https://hl7.org/fhir/R4/terminologies.html#binding
import {
  type CodeSet,
  parseJson,
  type Resource,
  type ResourceReader,
  type Terminology,
  type TerminologyContext,
} from '#fhir-model';
import { CerebraError, isCerebraError, type Queryable } from '#platform';
import { splitSystem } from './asking.ts';
import type { CodeSystem } from './code-system.ts';
import { createCodeJudge } from './judge-codes.ts';
import { shown } from './refusals.ts';
import type { Remote } from './remote-system.ts';
import type { CodeSystems } from './systems.ts';
import {
  type Composition,
  type Formula,
  formulaOf,
  type SystemName,
  systemsOf,
  takenAsActive,
} from './value-set-formula.ts';
import { enumerated, select, test } from './value-set-select.ts';
import { type Asking, NO_RULES, type ValueSets } from './value-sets.ts';

export interface PortParts {
  systems: CodeSystems;
  valueSets: ValueSets;
  reader: Pick<ResourceReader, 'read'>;
  remote?: Remote | undefined;
}

const unknown = (what: string, url: string): CerebraError =>
  new CerebraError('invalid-parameter', `The ${what} '${shown(url)}' is not known here`);

export const tooMany = (codesMax: number): CerebraError =>
  new CerebraError('too-costly', `A search takes value sets of up to ${codesMax} codes; this one has more`);

function assertComplete({ about }: CodeSystem): void {
  if (about.content === 'complete') return;
  throw new CerebraError(
    'invalid-parameter',
    `The code system '${shown(about.url)}' stored here has not all of its codes (content is not 'complete'): what depends on them can't be told`,
  );
}

/** Of a system that is stored in part: what the value set lists, but for codes that the part says are not active. */
async function stillListed(
  db: Queryable,
  system: CodeSystem,
  where: Formula,
  codes: ReadonlySet<string>,
): Promise<Set<string>> {
  const isOne = async (code: string): Promise<boolean> => {
    const concept = await system.concept(code);
    return concept === undefined || (await test(db, system, where, [concept]))[0] === true;
  };
  const listed = [...codes];
  const stands = await Promise.all(listed.map(isOne));
  return new Set(listed.filter((_, i) => stands[i]));
}

type Codes = Map<string, 'all' | Set<string>>;

function unite(into: Codes, url: string, codes: 'all' | Set<string>): void {
  const known = into.get(url);
  if (known === 'all' || (codes !== 'all' && codes.size === 0)) return;
  into.set(url, codes === 'all' || known === undefined ? codes : known.union(codes));
}

/** What is wrong with a value set is wrong with the parameter that names it. */
async function asParameter<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!isCerebraError(error, 'not-found') && !isCerebraError(error, 'invalid')) throw error;
    throw new CerebraError('invalid-parameter', error.message, { cause: error });
  }
}

const askingOf = ({ scope }: TerminologyContext): Asking => ({ asker: { scope }, versions: NO_RULES, supplements: [] });

export function createTerminologyPort({ systems, valueSets, reader, remote }: PortParts): Terminology {
  async function byId(id: string, context: TerminologyContext): Promise<Composition> {
    const stored = await reader.read('ValueSet', id, context.scope);
    if (stored === undefined || stored.deleted) throw unknown('value set', `ValueSet/${id}`);
    return valueSets.composeResource(parseJson(stored.body).value as Resource, askingOf(context));
  }

  async function byUrl(url: string, context: TerminologyContext): Promise<Composition> {
    if (!(await valueSets.has(url, askingOf(context)))) throw unknown('value set', url);
    return valueSets.compose(url, askingOf(context));
  }

  async function selected(name: SystemName, where: Formula, context: TerminologyContext): Promise<Set<string>> {
    const { url, version } = name;
    const system = await systems.find(url, version, { scope: context.scope });
    const listed = system?.about.content === 'complete' ? undefined : enumerated(takenAsActive(where));
    if (listed) return system ? stillListed(context.db, system, where, listed) : listed;
    if (system === undefined) throw unknown('code system', version === undefined ? url : `${url}|${version}`);
    assertComplete(system);
    const count = context.codesMax + 1;
    const { concepts } = await select(context.db, system, { where, words: [], offset: 0, count });
    if (concepts.length > context.codesMax) throw tooMany(context.codesMax);
    return new Set(concepts.map(({ code }) => code));
  }

  async function codesOf(composition: Composition, context: TerminologyContext): Promise<Codes> {
    const { definition } = composition;
    if (definition.resource.compose === undefined && !definition.fromExpansion) {
      throw new CerebraError(
        'unsupported',
        `The value set '${shown(definition.name)}' has neither a compose nor a whole expansion`,
      );
    }
    const codes: Codes = new Map();
    for (const name of systemsOf(composition)) {
      const where = formulaOf(composition, name);
      if (where.kind === 'all') unite(codes, name.url, 'all');
      else unite(codes, name.url, enumerated(where) ?? (await selected(name, where, context)));
    }
    let size = 0;
    for (const some of codes.values()) size += some === 'all' ? 1 : some.size;
    if (size > context.codesMax) throw tooMany(context.codesMax);
    return codes;
  }

  async function valueSet(url: string, context: TerminologyContext): Promise<CodeSet> {
    return asParameter(async () => {
      const id = /^ValueSet\/(.+)$/.exec(url)?.[1];
      return codesOf(await (id === undefined ? byUrl(url, context) : byId(id, context)), context);
    });
  }

  async function subsumption(
    system: string,
    code: string,
    direction: 'above' | 'below',
    context: TerminologyContext,
  ): Promise<ReadonlySet<string>> {
    const { url, version } = splitSystem(system, undefined);
    const found = await systems.find(url, version, { scope: context.scope });
    if (found === undefined) throw unknown('code system', system);
    assertComplete(found);
    const concept = await found.concept(code);
    if (concept) return found.relatives(concept, direction, context.codesMax);
    throw new CerebraError(
      'invalid-parameter',
      `The code system '${shown(url)}' stored here has no code '${code.slice(0, 80)}'`,
    );
  }

  return { valueSet, subsumption, validateCodes: createCodeJudge({ systems, valueSets, remote }) };
}
