// Code systems that are rules rather than lists: https://hl7.org/fhir/R4/terminologies-systems.html
import { type Resource, ucumUnit } from '#fhir-model';
import { CerebraError } from '#platform';
import {
  aboutOf,
  type CodeSystem,
  type Concept,
  type ConceptDetails,
  type Grammar,
  type Relation,
} from './code-system.ts';
import { languageName } from './language-tags.ts';
import { shown } from './refusals.ts';

export const UCUM = 'http://unitsofmeasure.org';
const LANGUAGES = 'urn:ietf:bcp:47';
const MIME_TYPES = 'urn:ietf:bcp:13';

interface Rules {
  title: string;
  version?: string;
  caseSensitive: boolean;
  description: string;
  grammar: Grammar;
}

const conceptOf = (code: string, display: string | undefined): Concept => ({
  ...{ n: -1, code, abstract: false, inactive: false },
  ...(display !== undefined && { display }),
});

/** The property of each of UCUM's base units: https://ucum.org/ucum#section-Base-Units */
const baseUnits: ReadonlyMap<string, string> = new Map([
  ...([
    ['length', 'm'],
    ['time', 's'],
    ['mass', 'g'],
    ['plane angle', 'rad'],
  ] as const),
  ...([
    ['temperature', 'K'],
    ['electric charge', 'C'],
    ['luminous intensity', 'cd'],
  ] as const),
]);

/** Whether a sum could be made of both. `unit` is what the filter names. */
function comparable(code: string, unit: string): boolean {
  const wanted = ucumUnit(unit);
  if (wanted) return ucumUnit(code)?.dimension === wanted.dimension;
  const text = `A filter asks for units that are comparable with '${shown(unit)}', which is not a unit of UCUM`;
  throw new CerebraError('invalid-parameter', text);
}

function ofBaseUnit(code: string, property: string): boolean {
  const unit = baseUnits.get(property);
  if (unit !== undefined) return comparable(code, unit);
  const known = [...baseUnits.keys()].join(', ');
  const text = `The property '${shown(property)}' is none of UCUM's base units, which are ${known}: the filter canonical takes any unit`;
  throw new CerebraError('invalid-parameter', text);
}

const ucum: Grammar = {
  read(code) {
    const unit = ucumUnit(code);
    if (unit === undefined) return { fault: `'${shown(code)}' is not a unit of UCUM: https://ucum.org/ucum` };
    return { concept: conceptOf(code, unit.name ?? code) };
  },
  same: (a, b) => a === b,
  // https://hl7.org/fhir/R4/ucum.html#filters
  properties: new Map([
    ['property', ofBaseUnit],
    ['canonical', comparable],
  ]),
};

const languages: Grammar = {
  read(code) {
    const display = languageName(code);
    if (display === undefined) return { fault: `'${shown(code)}' is not a language tag of BCP 47, as 'de-CH' is` };
    return { concept: conceptOf(code, display) };
  },
  same: (a, b) => a.toLowerCase() === b.toLowerCase(),
};

/** https://www.rfc-editor.org/rfc/rfc6838#section-4.2, with parameters as https://www.rfc-editor.org/rfc/rfc2045#section-5.1 has them. */
const NAME = '[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}';
const PARAMETER = String.raw`[ \t]*;[ \t]*[A-Za-z0-9!#$%&'*+.^_\x60|~-]+=(?:[A-Za-z0-9!#$%&'*+.^_\x60|~-]+|"(?:[^"\\\r\n]|\\[^\r\n])*")`;
const MIME_TYPE = new RegExp(`^${NAME}/${NAME}(?:${PARAMETER})*$`);
const MIME_CHARACTERS_MAX = 500;

const mimeTypes: Grammar = {
  read(code) {
    if (code.length > MIME_CHARACTERS_MAX || !MIME_TYPE.test(code)) {
      return { fault: `'${shown(code)}' is not a media type, as 'image/png' is` };
    }
    return { concept: conceptOf(code, code) };
  },
  same: (a, b) => a.toLowerCase() === b.toLowerCase(),
};

const rules: Record<string, Rules> = {
  [UCUM]: {
    title: 'Unified Code for Units of Measure (UCUM)',
    version: '2.1',
    caseSensitive: true,
    description: 'Units by the grammar of UCUM, case sensitive',
    grammar: ucum,
  },
  [LANGUAGES]: {
    title: 'Tags for Identifying Languages (BCP 47)',
    caseSensitive: false,
    description: 'Well-formed language tags whose subtags are of the forms that BCP 47 gives them',
    grammar: languages,
  },
  [MIME_TYPES]: {
    title: 'Media Types (BCP 13)',
    caseSensitive: false,
    description: 'Well-formed media types, registered or not',
    grammar: mimeTypes,
  },
};

const NO_DETAILS: ConceptDetails = { designations: [], properties: [], parents: [], children: [] };

function relation({ same }: Grammar, a: Concept, b: Concept): Relation {
  return same(a.code, b.code) ? 'equivalent' : 'not-subsumed';
}

function systemOf(url: string, { title, version, caseSensitive, description, grammar }: Rules): CodeSystem {
  const resource = {
    ...{ resourceType: 'CodeSystem', url, ...(version !== undefined && { version }) },
    ...{ name: title, title, status: 'active', description, caseSensitive, content: 'not-present' },
  } as unknown as Resource;
  return {
    about: { ...aboutOf(resource), content: 'complete' },
    grammar,
    async concept(code) {
      const found = grammar.read(code);
      return 'concept' in found ? found.concept : undefined;
    },
    async described(code) {
      const found = grammar.read(code);
      return 'concept' in found ? { concept: found.concept, details: NO_DETAILS } : undefined;
    },
    details: async () => NO_DETAILS,
    designations: async () => [],
    relation: async (a, b) => relation(grammar, a, b),
    relatives: async ({ code }) => new Set([code]),
  };
}

const systems = new Map(Object.entries(rules).map(([url, some]) => [url, systemOf(url, some)]));

export const grammarUrls: readonly string[] = Object.keys(rules);

export const grammarOf = (url: string): CodeSystem | undefined => systems.get(url);
