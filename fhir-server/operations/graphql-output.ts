// The answer to a query, put together from what was found: https://hl7.org/fhir/R4/graphql.html#flattening. An element that
// is not there is left out, as FHIR's JSON does.
import { type Json, stringify } from '#fhir-model';
import { fault } from './graphql-faults.ts';
import type { FieldPlan } from './graphql-plan.ts';
import type { Entry, Item } from './graphql-select.ts';

/** A name of the answer, with all that @flatten has brought together under it. */
interface Slot {
  plan: FieldPlan;
  type: string;
  form: 'list' | 'one' | 'singleton';
  values: Json[];
}

type Slots = Map<string, Slot>;

function slotOf(slots: Slots, key: string, { plan, type }: Entry, isList: boolean): Slot {
  const form = plan.directives.singleton ? 'singleton' : isList ? 'list' : 'one';
  const known = slots.get(key);
  if (!known) {
    const slot: Slot = { plan, type, form, values: [] };
    slots.set(key, slot);
    return slot;
  }
  if (known.type !== type) {
    const text = `'${key}' would be both a ${known.type} and a ${type}: @flatten needs one type under a name`;
    throw fault('invalid', text, plan.node, key);
  }
  if (known.form !== form) throw fault('invalid', `'${key}' would be both a list and a single value`, plan.node, key);
  return known;
}

function addValue(slot: Slot, key: string, value: Json): void {
  slot.values.push(value);
  if (slot.form === 'list' || slot.values.length === 1) return;
  const text =
    slot.form === 'singleton'
      ? `'${key}' has more than one value, which @singleton excludes`
      : `'${key}' has more than one value: flatten a list above it, or give the fields different names`;
  throw fault('invalid', text, slot.plan.node, key);
}

/** `inherited`: a list above was flattened, so that all below it become lists. */
function addEntry(slots: Slots, entry: Entry, inherited: boolean, suffix: string): void {
  const { plan, items } = entry;
  const { flatten, first } = plan.directives;
  const isList = inherited || (entry.list && !first);
  if (flatten) {
    for (const item of items) addEntries(slots, item.entries ?? [], isList, suffix + item.suffix);
    return;
  }
  // A search without matches is an empty list.
  if (items.length === 0 && isList) slotOf(slots, plan.key + suffix, entry, isList);
  for (const item of items) {
    const key = plan.key + suffix + item.suffix;
    if (inherited && item.scalar === null) continue;
    addValue(slotOf(slots, key, entry, isList), key, valueOfItem(item));
  }
}

const finished = new WeakMap<object, string>();

/** Stands for a value whose text there is already. */
function textMark(text: string): Json {
  const mark = {};
  finished.set(mark, text);
  return mark;
}

function valueOfItem({ scalar, entries, text }: Item): Json {
  if (text !== undefined) return textMark(text);
  return entries ? objectOf(entries) : (scalar ?? null);
}

function addEntries(slots: Slots, entries: readonly Entry[], inherited: boolean, suffix: string): void {
  for (const entry of entries) addEntry(slots, entry, inherited, suffix);
}

/** The object of these fields. Without a prototype: an alias may be `__proto__`. */
export function objectOf(entries: readonly Entry[]): Json {
  const slots: Slots = new Map();
  addEntries(slots, entries, false, '');
  const object = Object.create(null) as Record<string, Json>;
  for (const [key, { form, values }] of slots) {
    if (form === 'list') object[key] = values;
    else if (values.length > 0) object[key] = values[0]!;
  }
  return object;
}

const isObject = (value: Json | undefined): value is object & Json => typeof value === 'object' && value !== null;

/** The text of `data`. */
export function dataText(entries: readonly Entry[]): string {
  const fields = Object.entries(objectOf(entries) as Record<string, Json>).map(([key, value]) => {
    const text = isObject(value) ? finished.get(value) : undefined;
    return `${JSON.stringify(key)}:${text ?? stringify(value)}`;
  });
  return `{${fields.join(',')}}`;
}
