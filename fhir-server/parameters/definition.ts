// What a stored SearchParameter asks for, and whether it can be had: https://hl7.org/fhir/R4/searchparameter.html
import { isDeepStrictEqual } from 'node:util';
import {
  appliesTo,
  type CustomParameter,
  checkExpression,
  compositeFits,
  customKeys,
  type Definitions,
  type Issue,
  narrowExpression,
  parseCanonical,
  type RawComponent,
  type Resource,
  type SearchParameters,
  type SearchParamType,
  withExtensionValues,
} from '#fhir-model';
import type { Owned } from './published.ts';

/** What a definition stands beside. */
export interface Beside {
  definitions: Definitions;
  /** R4's. */
  base: SearchParameters;
  /** R4's and the custom ones that come before. */
  all: SearchParameters;
  /** What is defined of that code on the type, and the id of the SearchParameter that does, if one does. */
  ownerOf(type: string, code: string): Owned | undefined;
  /** The parameter, as `Type.code`, whose index rows have that number. */
  holderOf(key: number): string | undefined;
  /** SearchParameters that define something, and what they define: a parameter of a type each. */
  owners: number;
  definitionsCount: number;
}

/** Either what the SearchParameter defines, perhaps nothing, or what is wrong with it. */
export interface Ruling {
  parameters: Owned[];
  issues: Issue[];
}

/** Active ones; each costs every write of its types. */
const CUSTOM_PARAMETERS_MAX = 500;
/** One for each type that a parameter is about: one of Resource makes 146. */
const DEFINITIONS_MAX = 4000;
const ISSUES_MAX = 10;

const TYPES = new Set<string>(
  'number date string token reference composite quantity uri'.split(' ') satisfies string[],
);
const ABSTRACT = new Set(['Resource', 'DomainResource']);
const CODE = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

class Wrong extends Error {
  readonly issue: Issue;
  constructor(element: string, code: string, diagnostics: string) {
    super(diagnostics);
    this.issue = { severity: 'error', code, diagnostics, expression: [`SearchParameter${element}`] } as Issue;
  }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
/** Of a canonical: guides name versions too (`…/individual-birthdate|4.0.1`), and of each parameter one is in force. */
const urlOf = (canonical: unknown): string => parseCanonical(textOf(canonical)).url;
const textsOf = (value: unknown): string[] => (Array.isArray(value) ? value.map(textOf) : []);

const shown = (text: string): string => `'${text.slice(0, 80)}'`;

function codeOf({ code }: Resource): string {
  const text = textOf(code);
  if (CODE.test(text)) return text;
  throw new Wrong(
    '.code',
    'value',
    `${shown(text)} can't be the code of a search parameter here: a letter, then letters, digits, '-' and '_', 64 at most`,
  );
}

function typeOf({ type }: Resource): SearchParamType {
  const text = textOf(type);
  if (TYPES.has(text)) return text as SearchParamType;
  throw new Wrong('.type', 'not-supported', `Search parameters of type ${shown(text)} can't be added`);
}

/** The resource types that it is about. */
function basesOf({ base }: Resource, { definitions }: Beside): string[] {
  const given = textsOf(base);
  given.forEach((name, i) => {
    if (ABSTRACT.has(name) || definitions.isResourceType(name)) return;
    throw new Wrong(`.base[${i}]`, 'value', `${shown(name)} is not a resource type of FHIR R4`);
  });
  if (given.length === 0) throw new Wrong('.base', 'required', 'A search parameter needs the types that it is about');
  return definitions.resourceTypes.filter((type) => appliesTo(given, type));
}

function targetsOf({ target }: Resource, { definitions }: Beside): string[] {
  const given = textsOf(target);
  given.forEach((name, i) => {
    if (ABSTRACT.has(name) || definitions.isResourceType(name)) return;
    throw new Wrong(`.target[${i}]`, 'value', `${shown(name)} is not a resource type of FHIR R4`);
  });
  return given.some((name) => ABSTRACT.has(name)) ? [] : given;
}

/** R4's own, stored as it is, is in force anyway. Throws for one that says something else under R4's name. */
function isOwn(resource: Resource, { definitions }: Beside): boolean {
  const own = definitions.searchParameters.find(({ url }) => url === resource.url);
  if (own === undefined) return false;
  const same = own.code === resource.code && own.type === resource.type && own.expression === resource.expression;
  if (same && textsOf(resource.base).every((name) => own.base.includes(name))) return true;
  throw new Wrong(
    '.url',
    'business-rule',
    `${shown(own.url)} is one of R4's search parameters, which can't be replaced`,
  );
}

function assertFree(code: string, type: string, resource: Resource, beside: Beside): void {
  const { id } = resource;
  if (beside.base.get(type, code) !== undefined) {
    const text = `${type} has ${shown(code)} among R4's search parameters, which can't be replaced: choose another code`;
    throw new Wrong('.code', 'duplicate', text);
  }
  const owner = beside.ownerOf(type, code);
  if (owner === undefined || owner.parameter === id || isAnother(owner, resource, beside)) return;
  const text = `${type} has ${shown(code)} already, defined by SearchParameter/${owner.parameter}`;
  throw new Wrong('.code', 'duplicate', text);
}

/** Another version of the SearchParameter, or one that says the same in whatever words: versions of a guide stand side by side. */
function isAnother(owner: Owned, resource: Resource, beside: Beside): boolean {
  if (owner.url !== '' && owner.url === resource.url) return true;
  const { resourceType, type, expression, components } = owner;
  if (type !== resource.type || expression !== extractionOf(resource, resourceType, type, beside).expression)
    return false;
  // Most composites of a type name the type itself: their parts tell what they say.
  return type !== 'composite' || isDeepStrictEqual(components, componentsOf(resource, resourceType, beside));
}

/**
 * R4's own serves for one that is derived from it, as those of guides are that say what a server has to support of it; those of
 * a guide that are there already serve for themselves.
 */
function isServed(resource: Resource, type: string, { base }: Beside): boolean {
  const own = base.get(type, textOf(resource.code));
  if (own === undefined || own.url === '') return false;
  return own.url === resource.url || (own.url === urlOf(resource.derivedFrom) && own.type === resource.type);
}

const COMPONENTS_MIN = 2;
/** R4's own have three at most. */
const COMPONENTS_MAX = 10;

/** Each with the type of what it names, since its values depend on that. */
function componentsOf({ component }: Resource, type: string, { all }: Beside): RawComponent[] {
  const given = Array.isArray(component) ? (component as Record<string, unknown>[]) : [];
  if (given.length < COMPONENTS_MIN) {
    throw new Wrong('.component', 'required', `A composite parameter has ${COMPONENTS_MIN} components at least`);
  }
  if (given.length > COMPONENTS_MAX) {
    throw new Wrong('.component', 'too-costly', `A composite parameter may have ${COMPONENTS_MAX} components`);
  }
  return given.map(({ definition, expression }, i) => {
    const part = all.list(type).find(({ url }) => url !== '' && url === urlOf(definition));
    if (part === undefined || part.type === 'composite' || part.type === 'special') {
      const text = `${shown(textOf(definition))} is no search parameter of ${type} that can be a component`;
      throw new Wrong(`.component[${i}].definition`, 'value', text);
    }
    return { definition: part.url, expression, type: part.type };
  });
}

/** `valueDateTime`, the name in JSON, is `value` in FHIRPath; published search parameters have it (US Core 6.1.0's asserted-date). */
const withChoices = (expression: string, { definitions }: Beside): string =>
  expression.replaceAll(/\.value([A-Z][A-Za-z0-9]*)\b(?!\s*\()/g, (name, type: string) => {
    const primitive = type.charAt(0).toLowerCase() + type.slice(1);
    const known = [primitive, type].find((one) => definitions.type(one) !== undefined);
    return known === undefined ? name : `.value.ofType(${known})`;
  });

type Extraction = Pick<CustomParameter, 'expression' | 'fhirpath'>;

function extractionOf(resource: Resource, type: string, paramType: SearchParamType, beside: Beside): Extraction {
  const given = textOf(resource.expression);
  if (given === '') throw new Wrong('.expression', 'required', 'A search parameter needs an expression');
  const narrowed = withChoices(narrowExpression(given, type), beside);
  const own = paramType === 'composite' ? narrowed : withExtensionValues(narrowed);
  if (own === '') throw new Wrong('.expression', 'value', `The expression has no path that begins at ${type}`);
  const checked = checkExpression(beside.definitions, type, paramType, own);
  if ('fault' in checked) {
    throw new Wrong('.expression', 'value', `The expression can't be used on ${type}: ${checked.fault}`);
  }
  if (paramType !== 'composite') return checked;
  if (!checked.fhirpath) return { expression: own };
  throw new Wrong('.expression', 'not-supported', 'The expression of a composite names elements, without functions');
}

/** What is wrong with the parts' own paths: each is to lead on from one of the elements at least. */
function assertParts(type: string, expression: string, components: RawComponent[], { definitions }: Beside): void {
  const bases = expression.split('|').map((base) => base.trim());
  components.forEach((component, i) => {
    const given = textOf(component.expression);
    const whole = given.startsWith('%resource.') ? [type] : bases;
    const paths = given.replace(/^%resource\./, '').split('|');
    const checked = whole.flatMap((base) =>
      paths.map((path) => checkExpression(definitions, type, component.type!, `${base}.${path.trim()}`)),
    );
    if (checked.some((one) => 'expression' in one && !one.fhirpath)) return;
    const [first] = checked;
    const fault = first && 'fault' in first ? first.fault : 'it needs functions';
    throw new Wrong(`.component[${i}].expression`, 'value', `${shown(given)} can't be used here: ${fault}`);
  });
}

/** undefined: what is there already serves. */
function parameterFor(resource: Resource, type: string, id: string | undefined, beside: Beside): Owned | undefined {
  if (isServed(resource, type, beside)) return undefined;
  const [code, paramType] = [codeOf(resource), typeOf(resource)];
  assertFree(code, type, resource, beside);
  const extraction = extractionOf(resource, type, paramType, beside);
  const components = paramType === 'composite' ? componentsOf(resource, type, beside) : [];
  const parameter: CustomParameter = {
    ...{ resourceType: type, code, type: paramType, ...extraction, components },
    url: textOf(resource.url),
    target: paramType === 'reference' ? targetsOf(resource, beside) : [],
    description: textOf(resource.description),
  };
  if (paramType === 'composite') {
    assertParts(type, extraction.expression, components, beside);
    if (!compositeFits(parameter, beside.all, beside.definitions)) {
      const text = `Of ${type} these parts can't be kept together: beside codes there may be one value of another type`;
      throw new Wrong('.component', 'not-supported', text);
    }
  }
  const holder = customKeys(parameter)
    .map(beside.holderOf)
    .find((name) => name !== undefined);
  if (holder !== undefined && holder !== `${type}.${code}`) {
    throw new Wrong('.code', 'business-rule', `${type}.${code} has the index number of ${holder}: choose another code`);
  }
  const owner = beside.ownerOf(type, code);
  return owner === undefined || owner.parameter === id ? { ...parameter, parameter: id ?? '' } : undefined;
}

function assertRoom(id: string | undefined, bases: readonly string[], code: string, beside: Beside): void {
  if (id !== undefined && bases.some((type) => beside.ownerOf(type, code)?.parameter === id)) return;
  if (beside.definitionsCount + bases.length > DEFINITIONS_MAX) {
    const text = `There may be ${DEFINITIONS_MAX} custom search parameters over all types: name the types that need this one`;
    throw new Wrong('.base', 'too-costly', text);
  }
  if (beside.owners < CUSTOM_PARAMETERS_MAX) return;
  const text = `There are ${CUSTOM_PARAMETERS_MAX} active search parameters, the most there may be`;
  throw new Wrong('.status', 'too-costly', text);
}

/**
 * What the SearchParameter defines for each of its types. Nothing unless it is active, or if it is R4's own; and nothing
 * at all if one type can't have it. Never throws; elements that structure validation refuses count as absent.
 */
export function readDefinition(resource: Resource, beside: Beside): Ruling {
  const ruling: Ruling = { parameters: [], issues: [] };
  if (resource.status !== 'active') return ruling;
  const id = typeof resource.id === 'string' ? resource.id : undefined;
  const attempt = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof Wrong)) throw error;
      const isTold = ruling.issues.some(({ expression }) => expression?.[0] === error.issue.expression?.[0]);
      if (!isTold && ruling.issues.length < ISSUES_MAX) ruling.issues.push(error.issue);
      return undefined;
    }
  };
  const own = attempt(() => isOwn(resource, beside));
  if (own !== false) return ruling;
  const bases = attempt(() => basesOf(resource, beside)) ?? [];
  attempt(() => assertRoom(id, bases, textOf(resource.code), beside));
  for (const type of bases) {
    const parameter = attempt(() => parameterFor(resource, type, id, beside));
    if (parameter) ruling.parameters.push(parameter);
  }
  if (ruling.issues.length > 0) ruling.parameters = [];
  return ruling;
}
