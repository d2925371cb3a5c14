// Parts of a resource: _summary and _elements. https://hl7.org/fhir/R4/search.html#summary, #elements
import { jsonNames } from './choice-names.ts';
import type { Definitions, ElementDefinition, TypeDefinition } from './definitions.ts';
import { parseJson, stringify } from './json.ts';
import type { Json, JsonObject, Meta, Resource } from './types.ts';

/** Which part of a resource is asked for; `elements` are names at its root, of choices with or without the type. */
export type Subset = { summary: 'true' | 'text' | 'data' } | { elements: readonly string[] };

/** What of an object is kept: a member whole, a member by a plan of its own, or not at all. */
type Plan = (name: string) => Plan | 'whole' | undefined;

const quote = 0x22;
const backslash = 0x5c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const comma = 0x2c;

function afterSpace(text: string, start: number): number {
  let at = start;
  while (text.charCodeAt(at) <= 0x20) at++;
  return at;
}

function afterString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) return at + 1;
    if (code === backslash) at++;
  }
  return text.length;
}

function afterScalar(text: string, start: number): number {
  let at = start;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === comma || code === closeBrace || code === closeBracket || code <= 0x20) break;
  }
  return at;
}

/** The index after the value that begins at `start`. */
function afterValue(text: string, start: number): number {
  const first = text.charCodeAt(start);
  if (first === quote) return afterString(text, start);
  if (first !== openBrace && first !== openBracket) return afterScalar(text, start);
  let depth = 0;
  for (let at = start; at < text.length; ) {
    const code = text.charCodeAt(at);
    if (code === quote) {
      at = afterString(text, at);
      continue;
    }
    if (code === openBrace || code === openBracket) depth++;
    else if ((code === closeBrace || code === closeBracket) && --depth === 0) return at + 1;
    at++;
  }
  return text.length;
}

interface Member {
  name: string;
  /** With its quotes, as it stands. */
  nameText: string;
  start: number;
  end: number;
}

/** The members of the object that opens at `start`. */
function* members(text: string, start: number): Generator<Member> {
  let at = afterSpace(text, start + 1);
  while (text.charCodeAt(at) === quote) {
    const nameEnd = afterString(text, at);
    const nameText = text.slice(at, nameEnd);
    const valueStart = afterSpace(text, afterSpace(text, nameEnd) + 1);
    const end = afterValue(text, valueStart);
    const name = nameText.includes('\\') ? (JSON.parse(nameText) as string) : nameText.slice(1, -1);
    yield { name, nameText, start: valueStart, end };
    at = afterSpace(text, end);
    if (text.charCodeAt(at) === comma) at = afterSpace(text, at + 1);
  }
}

function copyArray(text: string, start: number, plan: Plan): string {
  const items: string[] = [];
  let at = afterSpace(text, start + 1);
  while (at < text.length && text.charCodeAt(at) !== closeBracket) {
    const end = afterValue(text, at);
    items.push(copyValue(text, at, end, plan));
    at = afterSpace(text, end);
    if (text.charCodeAt(at) === comma) at = afterSpace(text, at + 1);
  }
  return `[${items.join(',')}]`;
}

function copyValue(text: string, start: number, end: number, plan: Plan | 'whole'): string {
  const first = text.charCodeAt(start);
  if (plan === 'whole') return text.slice(start, end);
  if (first === openBrace) return `{${copyMembers(text, start, plan).join(',')}}`;
  if (first === openBracket) return copyArray(text, start, plan);
  return text.slice(start, end);
}

/** `_birthDate`, which holds the extensions of `birthDate`, goes where that goes. */
const elementName = (name: string): string => (name.startsWith('_') ? name.slice(1) : name);

function copyMembers(text: string, start: number, plan: Plan): string[] {
  const kept: string[] = [];
  for (const member of members(text, start)) {
    const how = plan(elementName(member.name));
    if (how !== undefined) kept.push(`${member.nameText}:${copyValue(text, member.start, member.end, how)}`);
  }
  return kept;
}

/** The names in JSON: `value[x]` has one a type. */
const namesOf = (element: ElementDefinition): string[] => jsonNames(element).map(([name]) => name);

const planOf =
  (kept: ReadonlyMap<string, Plan | 'whole'>): Plan =>
  (name) =>
    kept.get(name);

/** Plans of types, made when first needed. */
interface Plans {
  summary: Map<string, Plan | 'whole'>;
  roots: Map<string, Plan>;
}

const plansOf = new WeakMap<Definitions, Plans>();

function plansFor(definitions: Definitions): Plans {
  const known = plansOf.get(definitions);
  if (known) return known;
  const made: Plans = { summary: new Map(), roots: new Map() };
  plansOf.set(definitions, made);
  return made;
}

/** DomainResource.modifierExtension is not marked as summary, but what changes the meaning of the rest is never left out. */
const isKept = ({ summary, min, modifier }: ElementDefinition): boolean =>
  summary === true || modifier === true || min > 0;

/** Kept whole: what marks no element of its own as summary (primitives, Extension, whole resources). */
function marksNothing(type: TypeDefinition | undefined): boolean {
  if (!type || type.kind === 'primitive' || type.kind === 'resource' || type.name === 'Extension') return true;
  return !type.elements.some((element) => element.summary === true && !element.modifier);
}

/** The summary of a type: its elements that are marked so or mandatory, and of these again the summary. */
function summaryPlan(definitions: Definitions, name: string): Plan | 'whole' {
  const { summary } = plansFor(definitions);
  const known = summary.get(name);
  if (known) return known;
  const type = definitions.type(name);
  if (marksNothing(type)) {
    summary.set(name, 'whole');
    return 'whole';
  }
  const kept = new Map<string, Plan | 'whole'>();
  const plan = planOf(kept);
  // Before its elements: types refer to themselves.
  summary.set(name, plan);
  for (const element of type!.elements.filter(isKept)) {
    namesOf(element).forEach((each, i) => {
      kept.set(each, summaryPlan(definitions, element.types[element.choice ? i : 0] ?? ''));
    });
  }
  return plan;
}

const whole = (names: Iterable<string>): Plan => planOf(new Map([...names].map((name) => [name, 'whole'])));

/** What every subset has. */
const ALWAYS = ['resourceType', 'id', 'meta'];

function summaryRoot(definitions: Definitions, type: TypeDefinition): Plan {
  const kept = new Map<string, Plan | 'whole'>(ALWAYS.map((name) => [name, 'whole']));
  for (const element of type.elements.filter(isKept)) {
    namesOf(element).forEach((each, i) => {
      if (!kept.has(each)) kept.set(each, summaryPlan(definitions, element.types[element.choice ? i : 0] ?? ''));
    });
  }
  return planOf(kept);
}

const mandatory = (type: TypeDefinition): string[] =>
  type.elements.filter((element) => element.min > 0).flatMap(namesOf);

/** Mandatory elements and those that change the meaning of others come along, asked for or not. */
function elementsRoot(type: TypeDefinition, elements: readonly string[]): Plan {
  const asked = new Set(elements);
  const kept = type.elements.filter(
    (element) => element.min > 0 || element.modifier || asked.has(element.name) || asked.has(`${element.name}[x]`),
  );
  return whole([...ALWAYS, ...kept.flatMap(namesOf), ...elements]);
}

function rootPlan(definitions: Definitions, type: TypeDefinition, subset: Subset): Plan {
  if ('elements' in subset) return elementsRoot(type, subset.elements);
  const { roots } = plansFor(definitions);
  const name = `${type.name} ${subset.summary}`;
  const known = roots.get(name);
  if (known) return known;
  const made =
    subset.summary === 'true'
      ? summaryRoot(definitions, type)
      : subset.summary === 'text'
        ? whole([...ALWAYS, 'text', 'modifierExtension', 'implicitRules', ...mandatory(type)])
        : (member: string) => (member === 'text' ? undefined : 'whole');
  roots.set(name, made as Plan);
  return made as Plan;
}

/** https://hl7.org/fhir/R4/v3/ObservationValue/cs.html: not to be taken for the whole, nor stored over it. */
const SUBSETTED = { system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code: 'SUBSETTED' };

const isMark = ({ system, code }: JsonObject): boolean => system === SUBSETTED.system && code === SUBSETTED.code;

/** Whether the resource says of itself that it is a part of another: what `_elements` and `_summary` yield. */
export function isSubset({ meta }: Resource): boolean {
  const tags = (meta as JsonObject | undefined)?.tag;
  return Array.isArray(tags) && (tags as JsonObject[]).some(isMark);
}

function withTag(metaText: string | undefined): string {
  const meta = (metaText === undefined ? {} : parseJson(metaText).exact) as Meta;
  const tags = (meta.tag ?? []) as JsonObject[];
  if (tags.some(isMark)) return stringify(meta);
  return stringify({ ...meta, tag: [...tags, SUBSETTED] as Json[] });
}

/** Whether `name` may stand in `elements` for this type: an element of its root, a choice also without its type. */
export function isElement(type: TypeDefinition, name: string): boolean {
  if (name === 'resourceType') return true;
  return type.elements.some((element) => element.name === name || namesOf(element).includes(name));
}

/**
 * The part of a resource that is asked for, from its JSON text to the JSON text of the part, `meta.tag` SUBSETTED added;
 * numbers keep their digits. `text` is what the store holds: a JSON object with a known resourceType. 5 µs for 1.3 kB.
 */
export function subsetText(text: string, subset: Subset, definitions: Definitions): string {
  const start = afterSpace(text, 0);
  const typeName = /"resourceType"\s*:\s*"(\w+)"/.exec(text)?.[1] ?? '';
  const type = definitions.type(typeName);
  if (!type) return text;
  const plan = rootPlan(definitions, type, subset);
  const kept: string[] = [];
  let meta: string | undefined;
  let at = 0;
  for (const member of members(text, start)) {
    const how = plan(elementName(member.name));
    if (how === undefined) continue;
    if (member.name === 'meta') meta = text.slice(member.start, member.end);
    else kept.push(`${member.nameText}:${copyValue(text, member.start, member.end, how)}`);
    if (member.name === 'resourceType' || member.name === 'id') at = kept.length;
  }
  kept.splice(at, 0, `"meta":${withTag(meta)}`);
  return `{${kept.join(',')}}`;
}
