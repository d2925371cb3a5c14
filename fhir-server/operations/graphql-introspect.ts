// Answers what a query asks about the schema, as text: https://spec.graphql.org/October2021/#sec-Introspection. All that
// tools ask for is 16 million characters, 750 ms of the processor; other requests get their turns meanwhile.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { CerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { fault } from './graphql-faults.ts';
import type { FieldPlan } from './graphql-plan.ts';
import { type Schema, schemaOf } from './graphql-schema.ts';
import type { TypeModel } from './graphql-schema-model.ts';

/** All that tools ask for is 300,000. */
const OBJECTS_MAX = 2_000_000;
/** UTF-16 units; all that tools ask for, twice. */
const CHARACTERS_MAX = 36_000_000;
/** Lists within each other, each of which may lead to the whole again: tools ask for one. */
const LISTS_MAX = 2;
/** Milliseconds after which others get their turn. */
const TURN_MS = 20;

/** What has these is no type or argument that many fields share. */
const LEAVES = new Set(['args', 'enumValues']);

const LISTS = new Set(['fields', 'interfaces', 'possibleTypes', 'inputFields']);

/** A field that is asked for, ready to be written. */
interface Column {
  /** `"name":` */
  key: string;
  name: string;
  /** Of `__typename`. */
  typename?: string;
  below: Shape | undefined;
}

interface Shape {
  columns: Column[];
  /** By type, or argument, its text, where the shape has no lists: many fields have the same. */
  known: Map<unknown, string> | undefined;
}

interface Writing {
  objects: number;
  characters: number;
}

function columnOf(plan: FieldPlan, lists: number): Column {
  const { key, name, what, defs, fields, node } = plan;
  const depth = lists + (LISTS.has(name) ? 1 : 0);
  if (depth > LISTS_MAX) {
    throw fault('too-costly', `Questions about the schema may have ${LISTS_MAX} lists within each other`, node, name);
  }
  const typename = what === 'typename' ? { typename: [...defs.keys()][0]! } : {};
  return {
    key: `${JSON.stringify(key)}:`,
    name,
    ...typename,
    below: fields.length > 0 ? shapeOf(fields, depth) : undefined,
  };
}

const hasLists = ({ columns }: Shape): boolean =>
  columns.some(({ name, below }) => LISTS.has(name) || LEAVES.has(name) || (below && hasLists(below)));

function shapeOf(fields: readonly FieldPlan[], lists: number): Shape {
  const shape: Shape = { columns: fields.map((plan) => columnOf(plan, lists)), known: undefined };
  if (!hasLists(shape)) shape.known = new Map();
  return shape;
}

function spend(writing: Writing, characters: number): void {
  writing.objects += 1;
  writing.characters += characters;
  if (writing.objects <= OBJECTS_MAX && writing.characters <= CHARACTERS_MAX) return;
  const limit = `${OBJECTS_MAX} objects and ${CHARACTERS_MAX} characters`;
  throw new CerebraError('too-costly', `Answers about the schema may have ${limit}: ask for less of it`, {
    expression: ['query'],
  });
}

type Properties = Readonly<Record<string, unknown>>;

/** Only ASCII: one other character among 20 million would double what all of them take. */
const scalarText = (value: unknown): string =>
  JSON.stringify(value).replaceAll(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** Adds the pieces of the text: put together one by one, they would all be copied at each level. */
function addColumn(writing: Writing, out: string[], column: Column, object: Properties): void {
  const { key, name, typename, below } = column;
  const value = object[name] ?? null;
  out.push(key);
  if (below === undefined) {
    const text = typename === undefined ? scalarText(value) : `"${typename}"`;
    writing.characters += key.length + text.length;
    out.push(text);
  } else addValue(writing, out, below, value);
}

function addObject(writing: Writing, out: string[], { columns }: Shape, object: Properties): void {
  let mark = '{';
  for (const column of columns) {
    out.push(mark);
    addColumn(writing, out, column, object);
    mark = ',';
  }
  out.push('}');
}

function knownText(writing: Writing, shape: Shape, known: Map<unknown, string>, value: Properties): string {
  const found = known.get(value);
  if (found !== undefined) return found;
  const out: string[] = [];
  const { characters } = writing;
  addObject(writing, out, shape, value);
  // The whole of it counts where it stands.
  writing.characters = characters;
  const text = out.join('');
  known.set(value, text);
  return text;
}

function addValue(writing: Writing, out: string[], shape: Shape, value: unknown): void {
  if (value === null) out.push('null');
  else if (Array.isArray(value)) {
    let mark = '[';
    for (const one of value) {
      out.push(mark);
      addValue(writing, out, shape, one);
      mark = ',';
    }
    out.push(value.length === 0 ? '[]' : ']');
  } else if (shape.known === undefined) {
    spend(writing, 0);
    addObject(writing, out, shape, value as Properties);
  } else {
    const text = knownText(writing, shape, shape.known, value as Properties);
    spend(writing, text.length);
    out.push(text);
  }
}

function valueText(writing: Writing, shape: Shape, value: unknown): string {
  const out: string[] = [];
  addValue(writing, out, shape, value);
  return out.join('');
}

/** One after the other, with turns for others in between. */
async function typesText(writing: Writing, shape: Shape, types: readonly TypeModel[]): Promise<string> {
  const texts: string[] = [];
  let started = performance.now();
  for (const type of types) {
    texts.push(valueText(writing, shape, type));
    if (performance.now() - started < TURN_MS) continue;
    await nextTurn();
    started = performance.now();
  }
  return `[${texts.join(',')}]`;
}

async function schemaText(writing: Writing, { columns }: Shape, model: Schema['model']): Promise<string> {
  const texts: string[] = [];
  for (const column of columns) {
    if (column.name === 'types' && column.below) {
      texts.push(column.key + (await typesText(writing, column.below, model.types)));
      continue;
    }
    const out: string[] = [];
    addColumn(writing, out, column, model as unknown as Properties);
    texts.push(out.join(''));
  }
  return `{${texts.join(',')}}`;
}

/** What is asked, whatever the text of the query looks like. */
const askedOf = ({ key, name, what, id = '', fields }: FieldPlan): string =>
  `${what === 'typename' ? '__typename' : name} ${key} ${id}{${fields.map(askedOf).join()}}`;

/** The longest answer of late, since tools ask for all there is again and again: 20 MB at most as a rule. */
let kept: { core: Core; revision: bigint; asked: string; text: string } | undefined;

/** Shorter ones are put together in no time. */
const KEPT_CHARACTERS_MIN = 1_000_000;

/** One at a time: each takes some 200 MB while it is put together. */
let last: Promise<unknown> = Promise.resolve();

function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const turn = last.then(work);
  last = turn.catch(() => undefined);
  return turn;
}

/** Of a query on a resource of that type, or on `QUERY`: answers one such field after the other, within limits for all. */
export function createIntrospection(core: Core, type: string, only?: string): (plan: FieldPlan) => Promise<string> {
  const writing: Writing = { objects: 0, characters: 0 };
  const put = (plan: FieldPlan): Promise<string> | string => {
    const schema = schemaOf(core, type, only);
    const shape = shapeOf(plan.fields, 0);
    if (plan.name === '__schema') return schemaText(writing, shape, schema.model);
    return valueText(writing, shape, schema.find(plan.id ?? '') ?? null);
  };
  return (plan) =>
    inTurn(async () => {
      const { revision = 0n } = core.parameters;
      const asked = `${type} ${only ?? ''} ${askedOf(plan)}`;
      if (kept?.core === core && kept.revision === revision && kept.asked === asked) {
        spend(writing, kept.text.length);
        return kept.text;
      }
      const text = await put(plan);
      if (text.length >= KEPT_CHARACTERS_MIN) kept = { core, revision, asked, text };
      return text;
    });
}
