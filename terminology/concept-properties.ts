// Properties that mean something to everybody: https://hl7.org/fhir/R4/codesystem-concept-properties.html
import { decimalText, isNumber, type JsonObject, rawJson } from '#fhir-model';
import { type About, asObject, asText, defined, type Property, type PropertyType } from './code-system.ts';

const COMMON = 'http://hl7.org/fhir/concept-properties#';

export type Role = 'parent' | 'child' | 'inactive' | 'status' | 'notSelectable' | 'deprecated';

const roles: Record<string, Role> = {
  parent: 'parent',
  // Of HL7's v2 and v3 systems in R4.
  subsumedBy: 'parent',
  child: 'child',
  inactive: 'inactive',
  status: 'status',
  notSelectable: 'notSelectable',
  deprecated: 'deprecated',
  abstract: 'notSelectable',
};

/** By its URI, where the system gives it one, else by its name. */
export function roleOf(about: Pick<About, 'properties'>, code: string): Role | undefined {
  const uri = about.properties.get(code)?.uri;
  if (uri?.startsWith(COMMON)) return roles[uri.slice(COMMON.length)];
  return Object.hasOwn(roles, code) ? roles[code] : undefined;
}

const types: Record<string, PropertyType> = {
  valueCode: 'code',
  valueCoding: 'Coding',
  valueString: 'string',
  valueInteger: 'integer',
  valueBoolean: 'boolean',
  valueDateTime: 'dateTime',
  valueDecimal: 'decimal',
};

/** Undefined for what is not of the type: resources that come with a request are not validated. */
function valueText(type: PropertyType, value: unknown): string | undefined {
  if (type === 'integer' || type === 'decimal') return isNumber(value) ? decimalText(value) : undefined;
  if (type === 'boolean') return typeof value === 'boolean' ? String(value) : undefined;
  return asText(value);
}

/** CodeSystem.concept.property; undefined when it has no code or no value. */
export function readProperty(element: JsonObject): Property | undefined {
  const code = asText(element.code);
  const key = Object.keys(element).find((name) => Object.hasOwn(types, name));
  if (code === undefined || key === undefined) return undefined;
  const type = types[key]!;
  const coding = asObject(element[key]);
  if (type !== 'Coding') {
    const text = valueText(type, element[key]);
    return text === undefined ? undefined : { code, type, value: text };
  }
  if (coding === undefined) return undefined;
  const value = asText(coding.code) ?? '';
  return defined<Property>({ code, type, value, system: asText(coding.system), display: asText(coding.display) });
}

const INACTIVE = new Set(['retired', 'inactive', 'withdrawn']);

/** What the properties say of the concept itself. */
export function flagsOf(about: About, properties: readonly Property[]) {
  const flags: { abstract: boolean; inactive: boolean; status?: string } = { abstract: false, inactive: false };
  for (const { code, value } of properties) {
    const role = roleOf(about, code);
    if (role === 'notSelectable') flags.abstract = value === 'true';
    else if (role === 'inactive') flags.inactive ||= value === 'true';
    else if (role === 'status') {
      flags.status = value;
      flags.inactive ||= INACTIVE.has(value);
    }
  }
  return flags;
}

const INTEGER = /^-?\d{1,15}$/;
const DECIMAL = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const NAMES: Partial<Record<PropertyType, string>> = { code: 'valueCode', dateTime: 'valueDateTime' };

/** `valueCode`, … with its value; decimals keep their digits. What a loader took for a number and is none is a string. */
export function valueElement({ type, value, system, display }: Property): JsonObject {
  if (type === 'Coding') {
    return {
      valueCoding: { ...(system !== undefined && { system }), code: value, ...(display !== undefined && { display }) },
    };
  }
  if (type === 'boolean') return { valueBoolean: value === 'true' };
  if (type === 'integer' && INTEGER.test(value)) return { valueInteger: Number(value) };
  if (type === 'decimal' && DECIMAL.test(value)) return { valueDecimal: rawJson(value) as unknown as number };
  return { [NAMES[type] ?? 'valueString']: value };
}
