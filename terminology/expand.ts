// ValueSet/$expand: https://hl7.org/fhir/R4/valueset-operation-expand.html
import {
  all,
  type JsonObject,
  type OperationRequest,
  type OperationSpec,
  one,
  type Resource,
  wordsOf,
} from '#fhir-model';
import { CerebraError } from '#platform';
import { input } from './asking.ts';
import type { Concept, ConceptDetails } from './code-system.ts';
import { type Entry, type EntryOptions, entryElement, propertyDefinition } from './expand-contains.ts';
import { nest } from './expand-nest.ts';
import { pagesOf, type Segment, type SegmentPage, segmentsOf } from './expand-segments.ts';
import { type Expansion, expansionParameters, type Page } from './expand-told.ts';
import { answerTo, refuse } from './tx-issues.ts';
import { orElsewhere } from './value-set-elsewhere.ts';
import type { Composition } from './value-set-formula.ts';
import { askingOf, languagesFor, sharedInputs, type ValueSetParts, valueSetOf } from './value-set-input.ts';
import { listedIn } from './value-set-member.ts';
import { parentCodesOf, parentsOf, type Shown, show } from './value-set-select.ts';

/** Entries of one answer: some 2 MB. Who wants more goes page by page. */
const EXPANSION_CODES_MAX = 10_000;
const FILTER_CHARACTERS_MAX = 200;

const tooCostly = (name: string, found: string): CerebraError =>
  refuse('too-costly', {
    ...{ code: 'too-costly', type: 'too-costly', messageId: 'VALUESET_TOO_COSTLY' },
    text: `The value set '${name}' expansion has ${found} codes, more than the ${EXPANSION_CODES_MAX} of one answer: ask for it in parts with count and offset, or give a filter`,
  });

function pageOf({ input: given }: OperationRequest): Page {
  const [offset, count] = [one<number>(given, 'offset'), one<number>(given, 'count')];
  for (const [name, value] of Object.entries({ offset, count })) {
    if (value === undefined || value >= 0) continue;
    throw new CerebraError('invalid-parameter', `'${name}' is a number from 0`, { expression: [name] });
  }
  return {
    offset: offset ?? 0,
    count: Math.min(count ?? EXPANSION_CODES_MAX, EXPANSION_CODES_MAX),
    isPart: offset !== undefined || count !== undefined,
  };
}

function wordsFor({ input: given }: OperationRequest): string[] {
  const filter = one<string>(given, 'filter') ?? '';
  if (filter.length > FILTER_CHARACTERS_MAX) {
    throw new CerebraError('invalid-parameter', `The filter has more than ${FILTER_CHARACTERS_MAX} characters`, {
      expression: ['filter'],
    });
  }
  return [...new Set(wordsOf(filter))];
}

/** Whether a concept that the value set lists has the words: in its code, a display or a designation. */
const fitsWords =
  (composition: Composition, words: readonly string[]) =>
  async (segment: Segment, concept: Concept): Promise<boolean> => {
    if (words.length === 0) return true;
    const listed = listedIn(composition, segment.name.url, concept.code);
    const designations = concept.n === -1 ? [] : ((await segment.used?.system.designations(concept)) ?? []);
    const texts = [concept.code, concept.display, listed?.display, ...designations.map(({ value }) => value)];
    const own = wordsOf(texts.filter((text) => text !== undefined).join(' '));
    return words.every((start) => own.some((word) => word.startsWith(start)));
  };

const optionsOf = (request: OperationRequest, composition: Composition): EntryOptions => {
  const { input: given } = request;
  const designation = all<string>(given, 'designation');
  return {
    languages: languagesFor(request, composition),
    designations: one<boolean>(given, 'includeDesignations') ?? designation.length > 0,
    designation,
    properties: all<string>(given, 'property'),
  };
};

/** Counted before it is read: the whole of a large system is refused in 2 ms. */
async function assertSize(
  { db }: ValueSetParts,
  segments: readonly Segment[],
  words: readonly string[],
  name: string,
): Promise<void> {
  const large = segments.filter(({ used, listed }) => listed === undefined && used?.system.table !== undefined);
  const { total } = await pagesOf(db, large, { words, offset: 0, count: 0 }, async () => true);
  if (total !== undefined && total <= EXPANSION_CODES_MAX) return;
  throw tooCostly(name, total === undefined ? `over ${EXPANSION_CODES_MAX}` : String(total));
}

async function readPages(parts: ValueSetParts, request: OperationRequest): Promise<Expansion> {
  const { input: given } = request;
  const asking = askingOf(request);
  const composition = await valueSetOf(parts, request, asking);
  const [page, words] = [pageOf(request), wordsFor(request)];
  const segments = await segmentsOf(parts.valueSets, composition, asking, {
    activeOnly: one<boolean>(given, 'activeOnly') ?? false,
    selectableOnly: one<boolean>(given, 'excludeNotForUI') ?? false,
    excludedSystems: all<string>(given, 'exclude-system'),
  });
  const { definition } = composition;
  if (segments.length === 0 && definition.include.length === 0) throw nothingToExpand(definition.name);
  if (!page.isPart) await assertSize(parts, segments, words, definition.name);
  // One more than fits tells that it does not fit.
  const count = page.isPart ? page.count : EXPANSION_CODES_MAX + 1;
  const pages = await pagesOf(parts.db, segments, { words, offset: page.offset, count }, fitsWords(composition, words));
  const found = pages.pages.reduce((sum, { concepts }) => sum + concepts.length, 0);
  if (!page.isPart && found > EXPANSION_CODES_MAX) throw tooCostly(definition.name, String(pages.total ?? found));
  return { composition, segments, pages, page, options: optionsOf(request, composition), request };
}

const nothingToExpand = (name: string): CerebraError =>
  refuse('invalid', {
    ...{ code: 'invalid', type: 'vs-invalid', messageId: 'VALUESET_NO_CONTENT' },
    text: `The value set '${name}' has neither a compose nor a whole expansion: there is nothing to expand`,
    expression: 'ValueSet.compose',
  });

/** Whether two segments are of one system in different versions: their entries tell which. */
const isAmbiguous = (segments: readonly Segment[], url: string): boolean =>
  segments.filter(({ name }) => name.url === url).length > 1;

interface Known {
  shown: Shown;
  parents?: readonly string[];
}

const NOTHING: Known = { shown: { designations: [], properties: [], extension: [] } };

type Wanting = Pick<EntryOptions, 'designations' | 'languages' | 'properties'>;

const wantedOf = ({ designations, languages, properties }: Wanting) => ({
  designations: designations || languages.length > 0,
  properties: properties.length > 0,
});

/** What is to be shown of the concepts that the system lists, by number. */
async function knownOf(
  { db }: ValueSetParts,
  { designations, languages, properties }: EntryOptions,
  { used }: Segment,
  concepts: readonly Concept[],
): Promise<Map<number, Known>> {
  const held = used ? concepts.filter(({ n }) => n !== -1) : [];
  if (!used || held.length === 0) return new Map();
  const shown = await show(db, used.system, held, wantedOf({ designations, languages, properties }));
  const parents = properties.includes('parent') ? await parentCodesOf(db, used.system, held) : undefined;
  return new Map(held.map(({ n }, i) => [n, { shown: shown[i]!, ...(parents && { parents: parents[i]! }) }]));
}

/** What supplements in the tables say of each concept; those in memory are asked where it is shown. */
async function addedTo(
  { used }: Segment,
  options: EntryOptions,
  concepts: readonly Concept[],
): Promise<ConceptDetails[][]> {
  const large = used?.supplements.filter(({ table }) => table !== undefined) ?? [];
  const wanted = wantedOf(options);
  if (large.length === 0 || !(wanted.designations || wanted.properties)) return [];
  return Promise.all(
    concepts.map(async ({ code }) => {
      const found = await Promise.all(large.map((supplement) => supplement.described(code)));
      return found.flatMap((each) => each?.details ?? []);
    }),
  );
}

async function entriesOf(
  parts: ValueSetParts,
  { options, composition, segments }: Expansion,
  { segment, concepts }: SegmentPage,
): Promise<Entry[]> {
  const { used, name, listed } = segment;
  const [known, added] = await Promise.all([
    knownOf(parts, options, segment, concepts),
    addedTo(segment, options, concepts),
  ]);
  const version = isAmbiguous(segments, name.url) ? (used?.system.about.version ?? name.version) : undefined;
  return concepts.map((concept, i): Entry => {
    const own = listed ? listedIn(composition, name.url, concept.code) : undefined;
    return {
      ...{ concept, url: name.url, ...(known.get(concept.n) ?? NOTHING) },
      ...(used && { used }),
      ...(version !== undefined && { version }),
      ...(own && { listed: own }),
      ...(added[i] && { added: added[i] }),
    };
  });
}

/** Nested where the whole is there, as its system has it; a list of codes stays a list. */
async function containsOf(parts: ValueSetParts, expansion: Expansion, page: SegmentPage, nested: boolean) {
  const entries = await entriesOf(parts, expansion, page);
  const made = entries.map((entry) => entryElement(entry, expansion.options));
  const properties = made.flatMap((each) => each.properties);
  const { used, listed } = page.segment;
  if (!nested || listed || !used) return { contains: made.map(({ element }) => element), properties };
  const parents = await parentsOf(parts.db, used.system, page.concepts);
  const nestable = made.map(({ element }, i) => ({ n: page.concepts[i]!.n, parents: parents[i]!, element }));
  return { contains: nest(nestable), properties };
}

function isNested({ page, request, pages }: Expansion): boolean {
  const { input: given } = request;
  if (one<boolean>(given, 'excludeNested') === true || one<string>(given, 'filter') !== undefined) return false;
  const found = pages.pages.reduce((sum, { concepts }) => sum + concepts.length, 0);
  return !page.isPart || (page.offset === 0 && pages.total === found);
}

const UNCLOSED = 'http://hl7.org/fhir/StructureDefinition/valueset-unclosed';

function unclosed(segments: readonly Segment[]): JsonObject[] {
  const open = segments.filter(({ used }) => used?.system.about.content === 'fragment').map(({ name }) => name.url);
  if (open.length === 0) return [];
  const reason = `This extension is based on a fragment of the code system ${open.join(', ')}`;
  return [
    { url: UNCLOSED, valueBoolean: true },
    { url: `${UNCLOSED}-reason`, valueString: reason },
  ];
}

/** Not part of what an expansion is of: its narrative, and where it is stored. */
const LEFT_OUT = new Set(['text', 'meta', 'expansion', 'implicitRules']);
/** The definition itself: only where it is asked for. */
const DEFINITION = new Set(['compose', 'contained', 'extension']);

function frameOf({ composition, request }: Expansion): JsonObject {
  const whole = one<boolean>(request.input, 'includeDefinition') ?? false;
  const kept = Object.entries(composition.definition.resource).filter(
    ([name]) => !LEFT_OUT.has(name) && (whole || !DEFINITION.has(name)),
  );
  return Object.fromEntries(kept);
}

async function expand(parts: ValueSetParts, request: OperationRequest): Promise<Resource> {
  const expansion = await readPages(parts, request);
  const { segments, pages, page } = expansion;
  const nested = isNested(expansion);
  const contains: JsonObject[] = [];
  const properties = new Set<string>();
  for (const each of pages.pages) {
    const made = await containsOf(parts, expansion, each, nested);
    contains.push(...made.contains);
    for (const code of made.properties) properties.add(code);
  }
  const systems = segments.flatMap(({ used }) => (used ? [used.system, ...used.supplements] : []));
  const extension = [...unclosed(segments), ...[...properties].map((code) => propertyDefinition(code, systems))];
  return {
    ...frameOf(expansion),
    resourceType: 'ValueSet',
    expansion: {
      ...(extension.length > 0 && { extension }),
      identifier: `urn:uuid:${parts.newId()}`,
      timestamp: new Date(parts.now()).toISOString(),
      ...(pages.total !== undefined && { total: pages.total }),
      ...(page.isPart && page.count > 0 && { offset: page.offset }),
      parameter: expansionParameters(expansion),
      ...(contains.length > 0 && { contains }),
    },
  };
}

export const expandOperation = (parts: ValueSetParts): OperationSpec => ({
  name: 'expand',
  title: 'Value set expansion',
  description: 'The codes of a value set, page by page if wanted',
  url: 'http://hl7.org/fhir/OperationDefinition/ValueSet-expand',
  type: ['ValueSet'],
  ...{ system: false, typeLevel: true, instanceLevel: true, affectsState: false },
  parameters: [
    ...sharedInputs,
    input('contextDirection', 'code', '1', 'Taken and told again: incoming or outgoing'),
    input('filter', 'string', '1', 'Words, or beginnings of words, of code, display or a designation'),
    input('offset', 'integer', '1', 'How many codes to pass over'),
    input('count', 'integer', '1', 'How many codes there are to be; 0: only how many there are'),
    input('includeDesignations', 'boolean', '1', 'With the designations of codes'),
    input('designation', 'string', '*', 'Only designations of this use or language: `urn:ietf:bcp:47|de`'),
    input('includeDefinition', 'boolean', '1', "With the value set's definition"),
    input('excludeNested', 'boolean', '1', 'A flat list'),
    input('excludeNotForUI', 'boolean', '1', 'Without abstract codes'),
    input('excludePostCoordinated', 'boolean', '1', 'Expansions here hold no post-coordinated codes'),
    input('exclude-system', 'canonical', '*', 'Without codes of this system: `system` or `system|version`'),
    input('property', 'string', '*', 'With these properties of codes'),
    {
      name: 'return',
      use: 'out',
      min: 1,
      max: '1',
      type: 'ValueSet',
      documentation: 'The value set with its expansion',
    },
  ],
  run: (request) =>
    answerTo(() => orElsewhere(parts, request, '$expand', async () => ({ resource: await expand(parts, request) }))),
});
