// The codes of a ValueSet: https://hl7.org/fhir/R4/valueset.html#compositions
import type { JsonObject, Resource } from '#fhir-model';
import { CerebraError } from '#platform';
import { type CodeSystemIndex, type Concept, related } from './code-system.ts';

type Codes = Map<string, 'all' | Set<string>>;

/** Where other value sets and code systems come from. */
export interface Sources {
  valueSet(url: string): Promise<Codes>;
  codeSystem(url: string): Promise<CodeSystemIndex>;
  codesMax: number;
}

const asArray = (value: unknown): JsonObject[] =>
  Array.isArray(value) ? value.filter((each): each is JsonObject => typeof each === 'object' && each !== null) : [];
const asText = (value: unknown): string => (typeof value === 'string' ? value : '');

const unsupported = (what: string): CerebraError => new CerebraError('unsupported', what);

export function tooMany(codesMax: number): CerebraError {
  return new CerebraError('too-costly', `A search takes value sets of up to ${codesMax} codes; this one has more`);
}

interface Filter {
  property: string;
  op: string;
  value: string;
}

/** What one filter leaves: https://hl7.org/fhir/R4/valueset-filter-operator.html */
function filtered(system: CodeSystemIndex, { property, op, value }: Filter): (concept: Concept) => boolean {
  const values = (concept: Concept): string[] => {
    if (property === 'display') return concept.display === undefined ? [] : [concept.display];
    if (property === 'code' || property === 'concept') return [concept.code];
    if (property === 'parent') return [...(system.parents.get(concept.code) ?? [])];
    if (property === 'child') return [...(system.children.get(concept.code) ?? [])];
    return concept.properties.filter(({ code }) => code === property).map((each) => each.value);
  };
  const listed = () => new Set(value.split(',').map((each) => each.trim()));
  switch (op) {
    case 'is-a':
      return inSet(related(system, value, 'below'));
    case 'descendent-of': {
      const below = inSet(related(system, value, 'below'));
      return (concept) => concept.code !== value && below(concept);
    }
    case 'is-not-a': {
      const below = inSet(related(system, value, 'below'));
      return (concept) => !below(concept);
    }
    case 'generalizes':
      return inSet(related(system, value, 'above'));
    case '=':
      return (concept) => values(concept).includes(value);
    case 'in': {
      const wanted = listed();
      return (concept) => values(concept).some((each) => wanted.has(each));
    }
    case 'not-in': {
      const unwanted = listed();
      return (concept) => !values(concept).some((each) => unwanted.has(each));
    }
    case 'exists':
      return (concept) => values(concept).length > 0 === (value === 'true');
    default:
      throw unsupported(`The filter operator '${op.slice(0, 40)}' of value sets is not supported`);
  }
}

const inSet =
  (codes: ReadonlySet<string>) =>
  ({ code }: Concept): boolean =>
    codes.has(code);

/** A system with filters, or as a whole; without filters its codes need not be known here. */
async function systemCodes(include: JsonObject, sources: Sources): Promise<Codes> {
  const url = asText(include.system);
  const listed = asArray(include.concept).map((concept) => asText(concept.code));
  if (listed.length > 0) return new Map([[url, new Set(listed)]]);
  const filters = asArray(include.filter).map(({ property, op, value }) => ({
    ...{ property: asText(property), op: asText(op), value: asText(value) },
  }));
  if (filters.length === 0) return new Map([[url, 'all']]);
  const system = await sources.codeSystem(url);
  assertComplete(system);
  const tests = filters.map((filter) => filtered(system, filter));
  const codes = new Set<string>();
  for (const concept of system.concepts.values()) {
    if (tests.every((test) => test(concept))) codes.add(concept.code);
    if (codes.size > sources.codesMax) throw tooMany(sources.codesMax);
  }
  return new Map([[url, codes]]);
}

export function assertComplete(system: CodeSystemIndex): void {
  if (system.complete) return;
  throw new CerebraError(
    'invalid-parameter',
    `The code system '${system.url}' stored here has not all of its codes (content is not 'complete'): what depends on them can't be told`,
  );
}

function intersect(a: Codes, b: Codes): Codes {
  const both: Codes = new Map();
  for (const [system, codes] of a) {
    const others = b.get(system);
    if (others === undefined) continue;
    if (others === 'all') both.set(system, codes);
    else if (codes === 'all') both.set(system, others);
    else both.set(system, new Set([...codes].filter((code) => others.has(code))));
  }
  return both;
}

/** What system and value sets of one include or exclude have in common. */
async function conceptSet(include: JsonObject, sources: Sources): Promise<Codes> {
  const urls = Array.isArray(include.valueSet) ? include.valueSet.map(asText) : [];
  const sets: Codes[] = include.system === undefined ? [] : [await systemCodes(include, sources)];
  for (const url of urls) sets.push(await sources.valueSet(url));
  const [first, ...others] = sets;
  if (first === undefined) throw unsupported('A value set includes neither a system nor a value set');
  return others.reduce(intersect, first);
}

function unite(into: Codes, more: Codes): void {
  for (const [system, codes] of more) {
    const known = into.get(system);
    if (known === 'all') continue;
    if (codes === 'all' || known === undefined) into.set(system, codes === 'all' ? codes : new Set(codes));
    else for (const code of codes) known.add(code);
  }
}

async function subtract(from: Codes, less: Codes, sources: Sources): Promise<void> {
  for (const [url, codes] of less) {
    let known = from.get(url);
    if (known === undefined) continue;
    if (codes === 'all') from.delete(url);
    else {
      if (known === 'all') {
        const system = await sources.codeSystem(url);
        assertComplete(system);
        known = new Set(system.concepts.keys());
        from.set(url, known);
      }
      for (const code of codes) known.delete(code);
    }
  }
}

function assertSize(codes: Codes, codesMax: number): void {
  let size = 0;
  for (const some of codes.values()) size += some === 'all' ? 1 : some.size;
  if (size > codesMax) throw tooMany(codesMax);
}

/**
 * Nested entries are of the value set too; abstract ones, and such without a code, only group others. Undefined when this
 * is a page of the expansion, not all of it.
 */
function expanded(expansion: JsonObject, codesMax: number): Codes | undefined {
  const codes: Codes = new Map();
  const work = asArray(expansion.contains);
  let entries = 0;
  for (let next = work.pop(); next !== undefined; next = work.pop()) {
    for (const each of asArray(next.contains)) work.push(each);
    if (++entries > codesMax) throw tooMany(codesMax);
    const code = asText(next.code);
    if (code !== '' && next.abstract !== true) unite(codes, new Map([[asText(next.system), new Set([code])]]));
  }
  const { total = entries, offset = 0 } = expansion;
  return offset === 0 && Number(total) <= entries ? codes : undefined;
}

/** Its codes by its compose; by its expansion where it has no compose. */
export async function codesOf(resource: Resource, sources: Sources): Promise<Codes> {
  const compose = resource.compose as JsonObject | undefined;
  const expansion = resource.expansion as JsonObject | undefined;
  if (compose === undefined) {
    const whole = expansion && expanded(expansion, sources.codesMax);
    if (whole !== undefined) return whole;
    throw unsupported(`The value set '${asText(resource.url)}' has neither a compose nor a whole expansion`);
  }
  const codes: Codes = new Map();
  for (const include of asArray(compose.include)) unite(codes, await conceptSet(include, sources));
  for (const exclude of asArray(compose.exclude)) await subtract(codes, await conceptSet(exclude, sources), sources);
  assertSize(codes, sources.codesMax);
  return codes;
}
