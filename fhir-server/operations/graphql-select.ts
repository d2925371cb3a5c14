// What the data have of what a query asks for, in the order of the query: objects are walked here, resources that have to be
// read first are left open (`Open`) for graphql-load.ts. https://hl7.org/fhir/R4/graphql.html#fields
import { decimalText, isNumber, isObject, type Json, type JsonObject, stringify } from '#fhir-model';
import { CerebraError, isCerebraError } from '#platform';
import type { BundleEntry } from './graphql-entries.ts';
import { type AnswerPath, atPath, fault, placedAt } from './graphql-faults.ts';
import { assertFew, compilePath, loadFhirPath, type PathTest } from './graphql-fhirpath.ts';
import type { Choice, FieldPlan } from './graphql-plan.ts';
import { type Field, typeName } from './graphql-types.ts';

/** Values, and objects, of an answer. */
export const VALUES_MAX = 200_000;
/** UTF-16 units of the texts of an answer. */
export const CHARACTERS_MAX = 32 * 1024 * 1024;
/** FHIRPath expressions evaluated, some 50 µs each; larger elements and longer expressions count as several. */
export const PATHS_MAX = 20_000;
const PATH_CHARACTERS = 4096;
const PATH_NODES = 25;
/** Pairs of values: `|` compares each with each, some 100 µs for so many. */
const PATH_PAIRS = 1000;
/** Parts of expressions evaluated, some 1 µs each: those in `where(…)` and its like are for each item that they are asked about. */
const PARTS_MAX = 2_000_000;
/** Fields looked for in objects and elements tested by filters, some 20 ns each. */
export const STEPS_MAX = 5_000_000;

/** An object that fields are taken from. */
export interface Subject {
  type: string;
  value: JsonObject;
  /** The resource that `#id` in it is about; undefined at the root of a query and in connections. */
  root: JsonObject | undefined;
  /** Of what stands within a Bundle. */
  entry?: BundleEntry;
  /** Where it stands in the answer; undefined at the root. */
  place?: Place;
}

interface Place {
  above: Subject;
  plan: FieldPlan;
  /** Of what is one of a list. */
  index?: number;
}

/** One element of a field: a primitive, or what the query asks for of an object. */
export interface Item {
  /** What @slice adds to names, its dot included. */
  suffix: string;
  scalar?: Json;
  entries?: Entry[];
  /** Finished, of what is no data. */
  text?: string;
}

/** A field that is there. */
export interface Entry {
  plan: FieldPlan;
  type: string;
  list: boolean;
  items: Item[];
}

/** An entry whose items have to be read from the store. */
export interface Open {
  entry: Entry;
  subject: Subject;
}

/** One run of a query. */
export interface Run {
  paths: ReadonlyMap<string, PathTest>;
  open: Open[];
  /** Elements as FHIRPath takes them. */
  plain: WeakMap<object, Plain>;
  spent: { values: number; characters: number; paths: number; parts: number; steps: number };
}

interface Plain {
  json: Json;
  characters: number;
  /** At most. */
  values: number;
}

/** All FHIRPath expressions of a plan, with a field that has it. */
function pathsOf(fields: readonly FieldPlan[], found = new Map<string, FieldPlan>()): Map<string, FieldPlan> {
  for (const plan of fields) {
    const { choice, directives, search } = plan;
    for (const path of [choice?.path, directives.slice, search?.path]) if (path !== undefined) found.set(path, plan);
    pathsOf(plan.fields, found);
  }
  return found;
}

/** Ready to run: its FHIRPath expressions compiled. Throws with the place of one that is wrong. */
export async function createRun(fields: readonly FieldPlan[]): Promise<Run> {
  const found = pathsOf(fields);
  assertFew(found.keys());
  const paths = new Map<string, PathTest>();
  const spent = { values: 0, characters: 0, paths: 0, parts: 0, steps: 0 };
  const spendParts = (count: number): void => {
    spent.parts += count;
    if (spent.parts > PARTS_MAX) throw tooMuch(`${PARTS_MAX} parts of FHIRPaths to evaluate`);
  };
  const engine = found.size > 0 ? await loadFhirPath() : undefined;
  for (const [path, { node }] of found) {
    try {
      paths.set(path, compilePath(engine!, path, spendParts));
    } catch (error) {
      throw placedAt(error, node);
    }
  }
  return { paths, open: [], plain: new WeakMap(), spent };
}

/** The path to a field of the answer; undefined where @flatten or @slice brings together what stands in several places. */
export function answerPath(subject: Subject, plan: FieldPlan): AnswerPath | undefined {
  const path: (string | number)[] = [];
  const isMoved = ({ directives: { flatten, slice } }: FieldPlan): boolean => flatten || slice !== undefined;
  if (isMoved(plan)) return undefined;
  for (let at = subject.place; at; at = at.above.place) {
    if (isMoved(at.plan)) return undefined;
    if (at.index !== undefined) path.unshift(at.index);
    path.unshift(at.plan.key);
  }
  return [...path, plan.key];
}

/** What the field's `fhirpath` leaves; where it can't be evaluated, the error tells the field. */
export function filtered<T>(subject: Subject, plan: FieldPlan, filter: () => T): T {
  try {
    return filter();
  } catch (error) {
    if (!isCerebraError(error) || error.code === 'too-costly') throw error;
    throw atPath(error, answerPath(subject, plan), plan.node);
  }
}

const tooMuch = (what: string): CerebraError =>
  new CerebraError('too-costly', `The answer has more than ${what}: ask for less, or page through a connection`, {
    expression: ['query'],
  });

function spendValue({ spent }: Run, characters: number): void {
  spent.values += 1;
  spent.characters += characters;
  if (spent.values > VALUES_MAX) throw tooMuch(`${VALUES_MAX} values`);
  if (spent.characters > CHARACTERS_MAX) throw tooMuch(`${CHARACTERS_MAX} characters`);
}

function spendSteps({ spent }: Run, count: number): void {
  spent.steps += count;
  if (spent.steps > STEPS_MAX) throw tooMuch(`${STEPS_MAX} places to look at`);
}

function plainOf({ plain }: Run, element: JsonObject): Plain {
  const known = plain.get(element);
  if (known) return known;
  const text = stringify(element);
  const found = { json: JSON.parse(text) as Json, characters: text.length, values: text.split(',').length };
  plain.set(element, found);
  return found;
}

/** In evaluations. A list of codes is made anew each time, each code compared with those before: 20 take 0.4 ms. */
function weightOf({ characters, values }: Plain, { size: { nodes, unions, listed } }: PathTest): number {
  const visits = (1 + Math.floor(characters / PATH_CHARACTERS)) * Math.ceil((nodes + 2 * listed ** 2) / PATH_NODES);
  return visits + Math.floor((unions * values * values) / PATH_PAIRS);
}

/** Evaluates one of the expressions on an element. */
function evaluate<T>(run: Run, path: string, element: JsonObject, ask: (test: PathTest, plain: Json) => T): T {
  const plain = plainOf(run, element);
  const test = run.paths.get(path)!;
  run.spent.paths += weightOf(plain, test);
  if (run.spent.paths > PATHS_MAX) throw tooMuch(`${PATHS_MAX} elements to evaluate a FHIRPath on`);
  return ask(test, plain.json);
}

const primitiveText = (value: Json): string => (isNumber(value) ? decimalText(value) : String(value));

/** Whether the child, or one of them, is one of these texts. */
function hasChild(element: JsonObject, name: string, texts: readonly string[]): boolean {
  const child = element[name];
  const children = Array.isArray(child) ? child : [child];
  return children.some((one) => one !== undefined && one !== null && texts.includes(primitiveText(one)));
}

function isChosen(run: Run, choice: Choice, type: string, element: Json, index: number): boolean {
  if (!isObject(element)) return false;
  if (!choice.equal.every(({ name, texts }) => hasChild(element, name, texts))) return false;
  const { path } = choice;
  return path === undefined || evaluate(run, path, element, (test, plain) => test.holds(type, plain, index));
}

/** "The offset and count apply to the filtered list": https://hl7.org/fhir/R4/graphql.html#list */
function chosen(run: Run, choice: Choice, type: string, values: Json[]): Json[] {
  const { equal, path, offset, count } = choice;
  spendSteps(run, values.length);
  const kept =
    equal.length > 0 || path !== undefined
      ? values.filter((value, i) => isChosen(run, choice, type, value, i))
      : values;
  return kept.slice(offset, count === undefined ? undefined : offset + count);
}

function suffixOf(run: Run, plan: FieldPlan, subject: Subject, index: number): string {
  const { slice } = plan.directives;
  if (slice === undefined) return '';
  const { type, value } = subject;
  return `.${filtered(subject, plan, () => evaluate(run, slice, value, (test, plain) => test.text(type, plain, index)))}`;
}

/** The type of an object: that of its element, or of the resource that it is. */
const actualType = (type: string, value: JsonObject): string =>
  type === 'Resource' && typeof value.resourceType === 'string' ? value.resourceType : type;

/** A resource in another's element is one of its own, but for those that are contained. */
function rootBelow({ root }: Subject, plan: FieldPlan, value: JsonObject): JsonObject | undefined {
  return isResourceBelow(plan, value) ? value : root;
}

/** What the query asks for of one object that a field has. */
export function itemOf(run: Run, plan: FieldPlan, subject: Subject, index: number): Item {
  spendValue(run, 0);
  return { suffix: suffixOf(run, plan, subject, index), entries: select(run, plan.fields, subject) };
}

const isResourceBelow = (plan: FieldPlan, value: JsonObject): boolean =>
  typeof value.resourceType === 'string' && plan.name !== 'contained';

/** Bundle.entry and Parameters.parameter hold resources that are not in the store by that. */
const HOLDERS = new Set(['Bundle.entry', 'Parameters.parameter']);

function entryBelow({ type, value: holder, root, entry }: Subject, plan: FieldPlan, value: JsonObject) {
  if (!isResourceBelow(plan, value) || !root || !HOLDERS.has(type)) return entry;
  return { bundle: root, ...(typeof holder.fullUrl === 'string' ? { fullUrl: holder.fullUrl } : {}) };
}

const placeOf = (above: Subject, plan: FieldPlan, list: boolean, index: number): Place =>
  list && !plan.directives.first ? { above, plan, index } : { above, plan };

function elementItem(run: Run, plan: FieldPlan, def: Field, subject: Subject, value: Json, index: number): Item {
  if (!def.primitive && isObject(value)) {
    const type = actualType(def.type, value);
    const entry = entryBelow(subject, plan, value);
    const place = placeOf(subject, plan, def.list, index);
    return itemOf(
      run,
      plan,
      { type, value, root: rootBelow(subject, plan, value), place, ...(entry ? { entry } : {}) },
      index,
    );
  }
  spendValue(run, typeof value === 'string' ? value.length : 0);
  // Null stands for one that has only extensions; anything but a primitive can't be here.
  return { suffix: '', scalar: isObject(value) || Array.isArray(value) ? stringify(value) : value };
}

function elementEntry(run: Run, plan: FieldPlan, def: Field, subject: Subject): Entry | undefined {
  const found = subject.value[plan.name];
  if (found === undefined || found === null) return undefined;
  const all = Array.isArray(found) ? found : [found];
  const { choice } = plan;
  const values = choice ? filtered(subject, plan, () => chosen(run, choice, def.type, all)) : all;
  const kept = plan.directives.first ? values.slice(0, 1) : values;
  // FHIR has no empty arrays: one is a connection without edges.
  if (kept.length === 0 && !(Array.isArray(found) && found.length === 0)) return undefined;
  const items = kept.map((value, i) => elementItem(run, plan, def, subject, value, i));
  return { plan, type: def.type, list: def.list, items };
}

function typenameEntry(plan: FieldPlan, { type }: Subject): Entry {
  return { plan, type: 'string', list: false, items: [{ suffix: '', scalar: typeName(type) }] };
}

/** The fields that the object has, in the order of the query. */
export function select(run: Run, fields: readonly FieldPlan[], subject: Subject): Entry[] {
  const entries: Entry[] = [];
  spendSteps(run, fields.length);
  for (const plan of fields) {
    const def = plan.defs.get(subject.type);
    if (!def) continue;
    if (plan.what === 'typename') entries.push(typenameEntry(plan, subject));
    else if (plan.what === 'element') {
      const entry = elementEntry(run, plan, def, subject);
      if (entry) entries.push(entry);
    } else {
      const entry: Entry = { plan, type: def.type, list: def.list, items: [] };
      run.open.push({ entry, subject });
      entries.push(entry);
    }
  }
  return entries;
}

/** Resources of a field that have been read, those that its `fhirpath` leaves. */
export function resourcesPassing(run: Run, { entry: { plan }, subject }: Open, resources: JsonObject[]): JsonObject[] {
  const path = plan.search?.path;
  if (path === undefined) return resources;
  const holds = (one: JsonObject, i: number): boolean =>
    evaluate(run, path, one, (test, plain) => test.holds(String(one.resourceType), plain, i));
  return filtered(subject, plan, () => resources.filter(holds));
}

/** Where resources stand that are not in the store by themselves. */
export interface Around {
  /** The resource that contains them. */
  container?: JsonObject | undefined;
  entry?: BundleEntry | undefined;
}

/** Fills an open entry with these resources. */
export function fill(run: Run, { entry, subject }: Open, resources: readonly JsonObject[], around: Around = {}): void {
  const within = around.entry ? { entry: around.entry } : {};
  const { plan } = entry;
  const kept = plan.directives.first ? resources.slice(0, 1) : resources;
  entry.items = kept.map((value, i) => {
    const root = around.container ?? value;
    const place = placeOf(subject, plan, entry.list, i);
    return itemOf(run, plan, { type: actualType('Resource', value), value, root, place, ...within }, i);
  });
}

/** Fills an open entry with one object that is no resource. */
export function fillWith(run: Run, { entry, subject }: Open, value: JsonObject): void {
  const place = placeOf(subject, entry.plan, false, 0);
  entry.items = [itemOf(run, entry.plan, { type: entry.type, value, root: undefined, place }, 0)];
}

/** An open field that can't be filled. */
export function cannot(
  { entry: { plan }, subject }: Open,
  code: 'not-found' | 'too-costly',
  text: string,
): CerebraError {
  const error = fault(code, text, plan.node, plan.name);
  atPath(error, answerPath(subject, plan), plan.node);
  return error;
}
