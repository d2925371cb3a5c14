// The types that a building table's row may name.
import { isNumber, type Json } from '#fhir-model';
import type { RepetitionValue } from '../../message/build.ts';
import { type Building, isObject, text } from '../building.ts';
import { cwe, tableCode, tableCodeOrNone } from './coded.ts';
import { cx, ei } from './identifier.ts';
import { digitsOf } from './number.ts';
import { xad, xpn, xtn } from './person.ts';
import { ndl, pl, xcn, xon } from './reference.ts';
import { dt, dtm } from './time.ts';

/** One repetition of the field, undefined where the value has no place in it. */
export type ValueType = (building: Building, value: Json) => RepetitionValue | undefined;

/** A number with its digits, a text, or true as Y. */
function plain(value: Json): string | undefined {
  if (typeof value === 'boolean') return value ? 'Y' : 'N';
  return isNumber(value) ? digitsOf(value) : text(value);
}

/** CQ: a Quantity with its unit as subcomponents. */
export function cq(building: Building, value: Json | undefined): RepetitionValue | undefined {
  if (!isObject(value) || value.value === undefined) return undefined;
  return [plain(value.value), unitOf(building, value)?.map((part) => (typeof part === 'string' ? part : undefined))];
}

/** CWE of a Quantity's unit. */
export function unitOf(building: Building, quantity: Json | undefined): ReturnType<typeof cwe> {
  if (!isObject(quantity)) return undefined;
  const { code, unit, system } = quantity;
  if (text(code) === undefined) return text(unit) === undefined ? undefined : [text(unit)];
  return cwe(building, { code: code!, display: text(unit) ?? code!, ...(system === undefined ? {} : { system }) });
}

const types: Readonly<Record<string, (args: readonly string[]) => ValueType>> = {
  ST: () => (_building, value) => plain(value),
  DTM: () => (_building, value) => dtm(value),
  DT: () => (_building, value) => dt(value),
  CQ: () => cq,
  CX: () => cx,
  EI: () => ei,
  NDL: () => ndl,
  PL: () => pl,
  XAD: () => xad,
  XCN: () => xcn,
  XON: () => xon,
  XPN: () => xpn,
  XTN: () => xtn,
  /** `code AdministrativeSex`: a code, or the first of a concept that the map has. */
  code: ([name = '']) => {
    tableCode(name, '');
    return (_building, value) => tableCodeOrNone(value, name);
  },
  /** `CWE MaritalStatus`: the concept, by the map's code where it has it. */
  CWE: ([name]) => {
    if (name !== undefined) tableCode(name, '');
    return (building, value) => cwe(building, value, name);
  },
};

/** Throws SyntaxError for a type, or a concept map, that there is not. */
export function valueType(name: string, args: readonly string[]): ValueType {
  const make = Object.hasOwn(types, name) ? types[name] : undefined;
  if (make === undefined) throw new SyntaxError(`no type "${name}" to build`);
  return make(args);
}
