// FHIRPath Patch: https://hl7.org/fhir/R4/fhirpatch.html
import { choiceName, type Definitions, isNumber, isObject, type Json, type JsonObject, stringify } from '#fhir-model';
import { CerebraError } from '#platform';
import {
  assertNames,
  choiceIn,
  contentOf,
  elementOf,
  readList,
  removeElement,
  type Site,
  type Slot,
  type Step,
  sitesOf,
  writeList,
  writeSlot,
} from './elements.ts';
import { type Locator, parsingOf } from './locate.ts';
import { COPIES_MAX, copyTree } from './tree.ts';
import { type PatchValue, type Placed, place, setSlot, valueIn } from './values.ts';

export const OPERATIONS_MAX = 1000;

/**
 * Characters of the resource, with what the operations before have put into it, times Locator.weigh, of all operations: up
 * to 20 ns each. A resource of 10 kB takes 300 operations with a usual where(), one of 1 MB takes 3 of them or 300 plain paths.
 */
const WORK_MAX = 60_000_000;

/** Of all paths, as parsingOf has it: a thousand usual ones with two indexes each come to 150,000. */
const PARSING_MAX = 200_000;

const TYPES = ['add', 'insert', 'delete', 'replace', 'move'] as const;

export interface FhirPathOperation {
  type: (typeof TYPES)[number];
  path: string;
  /** Of add. */
  name: string;
  /** Of add, insert and replace. */
  value: PatchValue | undefined;
  /** Of insert. */
  index: number;
  /** Of move. */
  source: number;
  destination: number;
}

const at = (index: number): string => `Parameters.parameter[${index}]`;

const malformed = (index: number, text: string): CerebraError =>
  new CerebraError('invalid', text, { expression: [at(index)] });

const PARTS = new Set(['type', 'path', 'name', 'value', 'index', 'source', 'destination']);

function partsOf(parameter: JsonObject, index: number): Map<string, JsonObject> {
  if (parameter.name !== 'operation' || !Array.isArray(parameter.part)) {
    throw malformed(index, "Each parameter of a FHIRPath Patch is named 'operation' and has parts");
  }
  const parts = new Map<string, JsonObject>();
  for (const part of parameter.part as JsonObject[]) {
    const name = String(part.name);
    if (!PARTS.has(name)) throw malformed(index, `An operation has no part '${name.slice(0, 80)}'`);
    if (parts.has(name)) throw malformed(index, `The part '${name}' stands twice`);
    parts.set(name, part);
  }
  return parts;
}

function textOf(parts: Map<string, JsonObject>, name: string, index: number): string {
  const part = parts.get(name);
  const value = part?.valueString ?? part?.valueCode;
  if (typeof value === 'string') return value;
  const how = name === 'type' ? 'valueCode' : 'valueString';
  throw malformed(index, `The operation needs a part '${name}' with a ${how}`);
}

function numberOf(parts: Map<string, JsonObject>, name: string, index: number): number {
  const part = parts.get(name);
  const value = part?.valueInteger ?? part?.valueUnsignedInt ?? part?.valuePositiveInt;
  if (isNumber(value) && Number(value) >= 0) return Number(value);
  throw malformed(index, `The operation needs a part '${name}' with a valueInteger of 0 or more`);
}

function operationOf(definitions: Definitions, parameter: JsonObject, index: number): FhirPathOperation {
  const parts = partsOf(parameter, index);
  const text = textOf(parts, 'type', index);
  const type = TYPES.find((one) => one === text);
  if (!type) throw malformed(index, `The operation's type must be one of ${TYPES.join(', ')}`);
  const valued = type === 'add' || type === 'insert' || type === 'replace';
  const part = parts.get('value');
  const value = part && valueIn(definitions, part);
  if (valued && !value) throw malformed(index, `'${type}' needs a part 'value'`);
  return {
    type,
    path: textOf(parts, 'path', index),
    name: type === 'add' ? textOf(parts, 'name', index).replace(/\[x\]$/, '') : '',
    value: valued ? value : undefined,
    index: type === 'insert' ? numberOf(parts, 'index', index) : 0,
    source: type === 'move' ? numberOf(parts, 'source', index) : 0,
    destination: type === 'move' ? numberOf(parts, 'destination', index) : 0,
  };
}

/** `parameters` is a valid Parameters resource. Throws `invalid` with the operation's place, `too-costly` beyond 1,000. */
export function parseFhirPathPatch(definitions: Definitions, parameters: JsonObject): FhirPathOperation[] {
  const list = (parameters.parameter ?? []) as JsonObject[];
  if (list.length > OPERATIONS_MAX) {
    throw new CerebraError('too-costly', `A patch may have ${OPERATIONS_MAX} operations: split it`);
  }
  return list.map((parameter, index) => operationOf(definitions, parameter, index));
}

/** Elements of one tree, found on `plain`, which has the same elements as JavaScript has them. */
interface Finder {
  definitions: Definitions;
  locator: Locator;
  plain: JsonObject;
}

/** The one element at the path; undefined when there is none. No steps: the resource itself. */
function findOne({ locator, plain }: Finder, path: string): Step[] | undefined {
  const found = locator.locate(plain, path);
  if (found.length <= 1) return found[0];
  throw new CerebraError('patch-failed', `'${path}' leads to ${found.length} elements: make it lead to one`);
}

function needOne(finder: Finder, path: string): Step[] {
  const steps = findOne(finder, path);
  if (steps) return steps;
  throw new CerebraError('patch-failed', `'${path}' leads to no element of the resource`);
}

/** The steps to a list, without an index at the end. */
function findList(finder: Finder, path: string): Step[] {
  const found = finder.locator.locate(finder.plain, path);
  const [first] = found;
  const last = first?.at(-1);
  if (first && last) {
    const lists = new Set(found.map((steps) => JSON.stringify([...steps.slice(0, -1), steps.at(-1)?.name])));
    if (lists.size > 1)
      throw new CerebraError('patch-failed', `'${path}' leads into several lists: make it lead to one`);
    return [...first.slice(0, -1), { name: last.name, index: undefined }];
  }
  const ends = finder.locator.split(path);
  if (!ends) throw new CerebraError('patch-failed', `'${path}' leads to no list of the resource`);
  const parent = ends.parent === '' ? [] : needOne(finder, ends.parent);
  return [...parent, { name: ends.name, index: undefined }];
}

type Copy = (value: Json) => Json;

const exactCopy: Copy = (value) => copyTree(value, { left: COPIES_MAX });
const plainCopy: Copy = (value) => JSON.parse(stringify(value)) as Json;

/** What an operation does to a tree; run on the exact one and on the plain one. */
type Edit = (root: JsonObject, copy: Copy) => void;

const lastOf = (definitions: Definitions, root: JsonObject, steps: readonly Step[]): Site => {
  const site = sitesOf(definitions, root, steps).at(-1);
  if (site) return site;
  throw new CerebraError(
    'patch-failed',
    'The path leads to the resource itself: this operation needs an element of it',
  );
};

const copySlot = ({ value, extra }: Slot, copy: Copy): Slot => ({
  value: value === null ? null : copy(value),
  extra: extra === null ? null : copy(extra),
});

const copyPlaced = ({ name, slot }: Placed, copy: Copy): Placed => ({ name, slot: copySlot(slot, copy) });

function addEdit({ definitions }: Finder, steps: Step[], { name, value }: FhirPathOperation): Edit {
  return (root, copy) => {
    const parent = steps.length > 0 ? lastOf(definitions, root, steps) : undefined;
    const { holder, type } = parent
      ? contentOf(definitions, parent)
      : { holder: root, type: String(root.resourceType) };
    const found = elementOf(definitions, type, name);
    if (!found) throw new CerebraError('patch-failed', `${type} has no element '${name.slice(0, 80)}'`);
    const { element } = found;
    const put = copyPlaced(place(definitions, element, found.choice, value!), copy);
    if (element.array) {
      writeList(holder, put.name, [...readList(holder, put.name), put.slot]);
      return;
    }
    const there = element.choice ? choiceIn(holder, element) : undefined;
    const taken = there === undefined ? element.name : choiceName(element.name, there);
    if (there !== undefined || holder[taken] !== undefined || holder[`_${taken}`] !== undefined) {
      throw new CerebraError(
        'patch-failed',
        `${type}.${element.name} has a value already and doesn't repeat: replace it`,
      );
    }
    setSlot(holder, put);
  };
}

function insertEdit({ definitions }: Finder, steps: Step[], { index, value }: FhirPathOperation): Edit {
  return (root, copy) => {
    const { holder, name, element } = lastOf(definitions, root, steps);
    if (!element.array) throw new CerebraError('patch-failed', `${element.name} doesn't repeat: add or replace it`);
    const slots = readList(holder, name);
    if (index > slots.length) {
      throw new CerebraError('patch-failed', `The index ${index} is beyond the ${slots.length} elements of ${name}`);
    }
    slots.splice(index, 0, copySlot(place(definitions, element, undefined, value!).slot, copy));
    writeList(holder, name, slots);
  };
}

function replaceEdit({ definitions }: Finder, steps: Step[], { value }: FhirPathOperation): Edit {
  return (root, copy) => {
    const site = lastOf(definitions, root, steps);
    const put = copyPlaced(place(definitions, site.element, undefined, value!), copy);
    if (put.name === site.name) {
      writeSlot(site, put.slot);
      return;
    }
    writeSlot(site, { value: null, extra: null });
    setSlot(site.holder, put);
  };
}

function moveEdit({ definitions }: Finder, steps: Step[], { source, destination }: FhirPathOperation): Edit {
  return (root) => {
    const { holder, name, element } = lastOf(definitions, root, steps);
    if (!element.array)
      throw new CerebraError('patch-failed', `${element.name} doesn't repeat: nothing can be moved in it`);
    const slots = readList(holder, name);
    const length = slots.length;
    if (source >= length || destination >= length) {
      throw new CerebraError(
        'patch-failed',
        `${name} has ${length} elements: source and destination must be below that`,
      );
    }
    slots.splice(destination, 0, ...slots.splice(source, 1));
    writeList(holder, name, slots);
  };
}

function deleteEdit({ definitions }: Finder, steps: Step[]): Edit {
  return (root) => {
    lastOf(definitions, root, steps);
    removeElement(sitesOf(definitions, root, steps));
  };
}

/** Undefined: there is nothing to do. */
function editOf(finder: Finder, operation: FhirPathOperation): Edit | undefined {
  const { type, path } = operation;
  switch (type) {
    case 'add':
      return addEdit(finder, needOne(finder, path), operation);
    case 'replace':
      return replaceEdit(finder, needOne(finder, path), operation);
    case 'insert':
      return insertEdit(finder, findList(finder, path), operation);
    case 'move':
      return moveEdit(finder, findList(finder, path), operation);
    case 'delete': {
      const steps = findOne(finder, path);
      if (steps) return deleteEdit(finder, steps);
      // A name that is misspelt would be answered as if something had been deleted.
      const names = finder.locator.names(path);
      if (names.length > 0) assertNames(finder.definitions, String(finder.plain.resourceType), names);
      return undefined;
    }
  }
}

function assertParsing(operations: readonly FhirPathOperation[]): void {
  let parsing = 0;
  operations.forEach(({ path }, index) => {
    parsing += parsingOf(path);
    if (parsing <= PARSING_MAX) return;
    const text = 'The paths of this patch take too long to read: send fewer operations at once, or shorter paths';
    throw new CerebraError('too-costly', text, { expression: [at(index)] });
  });
}

/** At most so many come into the resource. */
const charactersOf = (value: PatchValue | undefined): number => (value === undefined ? 0 : stringify(value).length);

type AssertWork = (operation: FhirPathOperation, index: number) => void;

/**
 * To be asked before each operation is done. What was put in may have taken the place of other values: where that matters, the
 * resource is measured again, which takes no longer than to put them in.
 */
function workAsserter({ locator, plain }: Finder, length: number): AssertWork {
  let work = 0;
  let measured = length;
  let characters = length;
  return ({ path, value }, index) => {
    if (characters > 2 * measured) {
      measured = stringify(plain).length;
      characters = measured;
    }
    work += locator.weigh(path) * characters;
    characters += charactersOf(value);
    if (work <= WORK_MAX) return;
    const text = `These paths take too long on a resource of ${measured} characters and more: send fewer operations at once, or paths without functions`;
    throw new CerebraError('too-costly', text, { expression: [at(index)] });
  };
}

/** Errors get the operation's place. */
function placed<T>(index: number, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof CerebraError) for (const issue of error.issues) issue.expression = [at(index)];
    throw error;
  }
}

/**
 * The resource with the operations done, in order; `root` is changed. Throws with the operation's place: `invalid` for
 * what is no path, `patch-failed` when an operation can't be done.
 */
export function applyFhirPathPatch(
  definitions: Definitions,
  locator: Locator,
  root: Json,
  operations: readonly FhirPathOperation[],
): Json {
  if (!isObject(root)) return root;
  const text = stringify(root);
  assertParsing(operations);
  const finder: Finder = { definitions, locator, plain: JSON.parse(text) as JsonObject };
  const assertWork = workAsserter(finder, text.length);
  operations.forEach((operation, index) => {
    placed(index, () => {
      assertWork(operation, index);
      const edit = editOf(finder, operation);
      edit?.(root, exactCopy);
      edit?.(finder.plain, plainCopy);
    });
  });
  return root;
}
