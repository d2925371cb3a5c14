// Named context queries of rules, as FHIR Query with embedded FHIRPath: https://hl7.org/fhir/uv/sdc/expressions.html#x-fhir-query-enhancements
import {
  type AccessScope,
  type FhirPath,
  type JsonObject,
  parseJson,
  type Resource,
  type ResourceReader,
} from '#fhir-model';
import { isCerebraError } from '#platform';
import { type CriteriaRules, parseCriteria } from '../../match/criteria.ts';
import { compileAt, refuse, textOf } from './extensions.ts';
import { isMerged, patientIdOf } from './gone.ts';
import type { ContextQuery, Rule } from './rule.ts';

const queriesMax = 5;
/** Resources that one query may bring. */
const resourcesMax = 50;

/** Extensions with a valueExpression: name, language `application/x-fhir-query`, expression `Type?name={{%resource…}}`. */
export function readQueries(found: { extension: JsonObject; path: string }[], rules: CriteriaRules): ContextQuery[] {
  if (found.length > queriesMax) refuse(found[queriesMax]!.path, `there are ${queriesMax} at most`);
  const names = new Set(['resource', 'previous', 'context', 'ucum', 'sct', 'loinc', 'patient']);
  return found.map(({ extension, path }) => {
    const { name, language, expression } = (extension.valueExpression ?? {}) as JsonObject;
    const at = `${path}.valueExpression`;
    if (language !== 'application/x-fhir-query')
      refuse(`${at}.language`, 'must be application/x-fhir-query', 'unsupported');
    if (!/^[A-Za-z][A-Za-z0-9_]{0,40}$/.test(textOf(name)) || names.has(textOf(name))) {
      refuse(`${at}.name`, 'must be a name that is not taken');
    }
    names.add(textOf(name));
    return { name: textOf(name), ...readSearch(textOf(expression), `${at}.expression`, rules) };
  });
}

function readSearch(expression: string, at: string, rules: CriteriaRules): Pick<ContextQuery, 'type' | 'parts'> {
  const [, type = '', search = ''] =
    /^\/?([A-Za-z]+)\?(.+)$/s.exec(expression) ?? refuse(at, 'must be Type?name=value');
  if (!rules.resourceTypes.includes(type)) refuse(at, `'${type.slice(0, 60)}' is no resource type`);
  const parts = search.split(/\{\{(.+?)\}\}/s).map((part, i) => {
    return i % 2 === 0 ? part : compileAt(part.trim(), ['resource', 'previous'], at);
  });
  // A query about nobody in particular would read everybody's.
  if (parts.length === 1) refuse(at, 'must have {{%resource…}}: whose resources are meant');
  checkNames(type, parts.map((part) => (typeof part === 'string' ? part : '1')).join(''), at, rules);
  return { type, parts };
}

/** Values are known only when the query is asked; a name that is wrong would set aside every change then. */
function checkNames(type: string, search: string, at: string, rules: CriteriaRules): void {
  for (const pair of search.split('&').filter((one) => !/^_(?:count|total|sort|include|revinclude)/.test(one))) {
    try {
      parseCriteria(`${type}?${pair}`, rules);
    } catch (error) {
      if (isCerebraError(error, 'unknown-parameter')) refuse(at, error.message);
      if (!isCerebraError(error)) throw error;
    }
  }
}

/** What rules ask of the store, each question once; in the scope that they were created with. */
export interface Lookups {
  /** The resources of that page. */
  search(type: string, query: string): Promise<JsonObject[]>;
  /** Undefined where there is none. */
  read(type: string, id: string): Promise<Resource | undefined>;
  /** A patient whose record was deleted, or merged into another one: `Patient/1`. False for one that was never here. */
  isGone(subject: string): Promise<boolean>;
}

/** Questions whose answers are kept: with 50 resources each they are 10,000, which may be documents of megabytes. */
const answersMax = 200;
const charactersMax = 8 * 1024 * 1024;

/** For the changes that are judged together: what they ask of the store is asked once for all of them. */
export function createLookups(reader: ResourceReader, scope: AccessScope): Lookups {
  const answers = new Map<string, Promise<unknown>>();
  const sizes = new Map<string, number>();
  let characters = 0;
  const forget = (question: string) => {
    answers.delete(question);
    characters -= sizes.get(question) ?? 0;
    sizes.delete(question);
  };
  /** The latest answer is kept whatever its size. */
  const weigh = (question: string, size: number) => {
    if (!answers.has(question) || sizes.has(question)) return;
    sizes.set(question, size);
    characters += size;
    for (const one of sizes.keys()) if (characters > charactersMax && one !== question) forget(one);
  };
  const once = <T>(question: string, ask: () => Promise<T>): Promise<T> => {
    const known = answers.get(question);
    if (known) return known as Promise<T>;
    if (answers.size >= answersMax) forget(answers.keys().next().value!);
    const answer = ask();
    answers.set(question, answer);
    return answer;
  };
  const stands = (type: string, id: string): Promise<Resource | 'deleted' | undefined> =>
    once(`${type}/${id}`, async () => {
      const stored = await reader.read(type, id, scope);
      return stored?.deleted ? 'deleted' : stored && (parseJson(stored.body).exact as Resource);
    });
  return {
    search: (type, query) =>
      once(`${type}?${query}`, async () => {
        const { resources } = await reader.search(type, query, scope);
        const size = resources.reduce((sum, { body }) => sum + body.length, 0);
        weigh(`${type}?${query}`, size);
        return resources.map(({ body }) => parseJson(body).exact as JsonObject);
      }),
    read: async (type, id) => {
      const stored = await stands(type, id);
      return stored === 'deleted' ? undefined : stored;
    },
    async isGone(subject) {
      const id = patientIdOf(subject);
      const stored = id === undefined ? undefined : await stands('Patient', id);
      return stored === 'deleted' || (stored !== undefined && isMerged(stored));
    },
  };
}

/**
 * What the rule's conditions may see beside the resource: by name the resources that the store has at this moment. A
 * query of which a part yields nothing has no result. Throws CerebraError as the reader does.
 */
export async function runQueries(
  { queries }: Pick<Rule, 'queries'>,
  variables: Readonly<Record<string, JsonObject | undefined>>,
  lookups: Pick<Lookups, 'search'>,
): Promise<Record<string, JsonObject[]>> {
  const found = queries.map(async ({ name, type, parts }): Promise<[string, JsonObject[]]> => {
    const texts = parts.map((part) => (typeof part === 'string' ? part : yielded(part, variables)));
    if (texts.includes(undefined)) return [name, []];
    return [name, await lookups.search(type, boundedSearch(texts.join('')))];
  });
  return Object.fromEntries(await Promise.all(found));
}

function yielded(path: FhirPath, variables: Readonly<Record<string, JsonObject | undefined>>): string | undefined {
  const [first] = path.values(variables.resource, variables);
  return first === undefined || typeof first === 'object' ? undefined : encodeURIComponent(String(first));
}

const boundedSearch = (search: string): string => {
  const given = new URLSearchParams(search);
  const count = Math.min(resourcesMax, Number(given.get('_count') ?? resourcesMax) || resourcesMax);
  return `${search.replace(/(^|&)_(count|total)=[^&]*/g, '')}&_count=${count}&_total=none`.replace(/^&/, '');
};
