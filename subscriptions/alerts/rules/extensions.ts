// The extensions of rules, `urn:cerebra:alert:…`: https://hl7.org/fhir/R4/extensibility.html
import {
  compileFhirPath,
  convertDecimal,
  decimalText,
  type FhirPath,
  isNumber,
  type Json,
  type JsonObject,
  objectsOf,
  UCUM,
  ucumUnit,
} from '#fhir-model';
import { CerebraError } from '#platform';

export const extensionBase = 'urn:cerebra:alert:';

/** Refuses a rule: what is wrong, and where. */
export function refuse(path: string, text: string, code: 'invalid' | 'unsupported' | 'required' = 'invalid'): never {
  throw new CerebraError(code, `${path}: ${text}`, { expression: [path] });
}

export const textOf = (value: Json | undefined): string => (typeof value === 'string' ? value : '');

/** The extensions of one element, each asked for by its name; `rest()` refuses those that nobody asked for. */
export interface Extensions {
  /** The value of that type, `Quantity` of `valueQuantity`. */
  value(name: string, type: string): Json | undefined;
  text(name: string, type: 'code' | 'string'): string | undefined;
  /** At least 1. */
  count(name: string): number | undefined;
  number(name: string): number | undefined;
  durationMs(name: string): number | undefined;
  quantity(name: string): { value: number; unit: string } | undefined;
  path(name: string, variables: readonly string[]): FhirPath | undefined;
  nested(name: string): Extensions | undefined;
  all(name: string): { extension: JsonObject; path: string }[];
  /** Where it stands; the element where it does not. */
  pathOf(name: string): string;
  rest(): void;
}

export function readExtensions(element: JsonObject, path: string, prefix = extensionBase): Extensions {
  const list = objectsOf(element.extension).map((extension, index) => ({
    extension,
    path: `${path}.extension[${index}]`,
    name: textOf(extension.url),
  }));
  const asked = new Set<string>();
  const all = (name: string) => {
    asked.add(prefix + name);
    return list.filter((one) => one.name === prefix + name);
  };
  const find = (name: string) => {
    const [first, second] = all(name);
    if (second) refuse(second.path, `${prefix}${name} can be there once`);
    return first;
  };
  const read = <T>(name: string, type: string, how: (value: Json, at: string) => T): T | undefined => {
    const found = find(name);
    if (!found) return undefined;
    const value = found.extension[`value${type}`];
    if (value === undefined) refuse(found.path, `${prefix}${name} has a value${type}`);
    return how(value as Json, `${found.path}.value${type}`);
  };
  const aNumber = (value: Json, at: string): number => {
    const number = isNumber(value) ? Number(decimalText(value)) : Number.NaN;
    return Number.isFinite(number) ? number : refuse(at, 'must be a number');
  };
  const extensions: Extensions = {
    value: (name, type) => read(name, type, (value) => value),
    text: (name, type) =>
      read(name, type === 'code' ? 'Code' : 'String', (value, at) => textOf(value) || refuse(at, 'must be a text')),
    count: (name) =>
      read(name, 'Integer', (value, at) => {
        const count = aNumber(value, at);
        return Number.isInteger(count) && count >= 1 && count <= countMax
          ? count
          : refuse(at, `must be 1 to ${countMax}`);
      }),
    number: (name) => read(name, 'Decimal', aNumber),
    durationMs: (name) => read(name, 'Duration', durationMs),
    quantity: (name) => read(name, 'Quantity', quantity),
    path: (name, variables) => read(name, 'String', (value, at) => compileAt(textOf(value), variables, at)),
    nested(name) {
      const found = find(name);
      return found && readExtensions(found.extension, found.path, '');
    },
    all,
    pathOf: (name) => list.find((one) => one.name === prefix + name)?.path ?? path,
    rest() {
      const unknown = list.find(({ name }) => (prefix === '' || name.startsWith(prefix)) && !asked.has(name));
      if (unknown) refuse(unknown.path, `there is no '${unknown.name}' here`, 'unsupported');
    },
  };
  return extensions;
}

const countMax = 10_000;

const durationMsMax = 30 * 86_400_000;

function durationMs(value: Json, at: string): number {
  const { value: amount, unit } = quantity(value, at);
  const minutes = convertDecimal(String(amount), unit, 'min');
  const ms = Number(minutes) * 60_000;
  if (minutes === undefined || ms <= 0) refuse(at, "must be a time above 0 with a UCUM code as 's', 'min', 'h' or 'd'");
  return ms <= durationMsMax ? ms : refuse(at, 'is longer than 30 days');
}

function quantity(value: Json, at: string): { value: number; unit: string } {
  const { value: amount, code, unit: shown, system, comparator } = (value ?? {}) as JsonObject;
  if (!isNumber(amount)) return refuse(`${at}.value`, 'is missing');
  if (comparator !== undefined) refuse(`${at}.comparator`, 'a limit has none', 'unsupported');
  if (system !== undefined && system !== UCUM) refuse(`${at}.system`, 'must be UCUM', 'unsupported');
  // Scores and counts have no unit. One that is written for people alone is a unit nevertheless: without it nothing would ever be compared.
  const unit = code === undefined ? textOf(shown).trim() || '1' : textOf(code);
  if (!ucumUnit(unit)) {
    refuse(
      `${at}.code`,
      code === undefined ? `is missing, and the unit '${unit}' is no UCUM code` : 'must be a UCUM code',
    );
  }
  return { value: Number(decimalText(amount)), unit };
}

/** Compiles; refuses at that path. */
export function compileAt(expression: string, variables: readonly string[], at: string): FhirPath {
  if (expression === '') refuse(at, 'must be a FHIRPath expression');
  try {
    return compileFhirPath(expression, variables);
  } catch (cause) {
    if (cause instanceof CerebraError) refuse(at, cause.message);
    throw cause;
  }
}
