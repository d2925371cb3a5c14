// The lexical rules of primitive types: https://hl7.org/fhir/R4/datatypes.html#primitive
import { type Definitions, decimalText, isNumber, isRawJson } from '#fhir-model';
import { isNarrative } from './narrative.ts';

export interface PrimitiveRule {
  readonly name: string;
  /** The JSON type that carries it. */
  readonly json: 'string' | 'number' | 'boolean';
  /** Whether a value of that JSON type is a valid one; a number may be RawJson. */
  readonly check: (value: unknown) => boolean;
  /** Completes "must be …". */
  readonly expected: string;
}

/** https://hl7.org/fhir/R4/datatypes.html#string: at most 1 MB (1024 * 1024 characters). */
const stringLengthMax = 1024 * 1024;
/** Dates, times, ids and OIDs are far shorter; keeps the patterns below from long work. */
const patternedLengthMax = 1024;
const integerMax = 2_147_483_647;
const integerMin = -2_147_483_648;

const controlCharacter = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/;
const xmlWhitespace = /[ \t\r\n]/;
const misplacedWhitespace = /^[ \t\r\n]|[ \t\r\n]{2}|[ \t\r\n]$/;
const notBase64 = /[^0-9a-zA-Z+/= \t\r\n]/;

// The specification's patterns for string, markdown, code, uri and base64Binary are not used as they are: their \s is XML
// Schema's (JavaScript's also takes no-break spaces, which are legal in names), the one of base64Binary backtracks
// exponentially over white space, and any repeated group overflows the regular-expression stack at some megabytes. These
// look for what is forbidden: linear, no stack.
function isBounded(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= stringLengthMax;
}

function isText(value: unknown): value is string {
  return isBounded(value) && !controlCharacter.test(value);
}

function isUri(value: unknown): boolean {
  return isText(value) && !xmlWhitespace.test(value);
}

function isCode(value: unknown): boolean {
  return isText(value) && !misplacedWhitespace.test(value);
}

function countOf(text: string, characters: RegExp): number {
  return characters.test(text) ? text.replace(new RegExp(characters.source, 'g'), '').length : text.length;
}

function isBase64(value: unknown): boolean {
  if (typeof value !== 'string' || value === '' || notBase64.test(value)) return false;
  const digits = countOf(value, xmlWhitespace);
  return digits > 0 && digits % 4 === 0;
}

const monthDays = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** "Dates SHALL be valid dates"; the text has passed the pattern. */
function isOnCalendar(text: string): boolean {
  if (text.length < 10) return true;
  const [year, month, day] = [Number(text.slice(0, 4)), Number(text.slice(5, 7)), Number(text.slice(8, 10))];
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return day <= (monthDays[month - 1] ?? 0) && (month !== 2 || day < 29 || leap);
}

function isInteger(pattern: RegExp): (value: unknown) => boolean {
  return (value) => {
    if (!isNumber(value) || !pattern.test(decimalText(value))) return false;
    const number = Number(decimalText(value));
    return number >= integerMin && number <= integerMax;
  };
}

const texts: [string, (value: unknown) => boolean, string][] = [
  ['string', isText, 'non-empty text of at most 1 MB without control characters'],
  ['markdown', isText, 'non-empty text of at most 1 MB without control characters'],
  ['code', isCode, 'a code: no leading, trailing or repeated white space'],
  ['uri', isUri, 'a URI without white space or control characters'],
  ['url', isUri, 'a URL without white space or control characters'],
  ['canonical', isUri, 'a canonical URL without white space or control characters'],
  ['base64Binary', isBase64, 'base64 text'],
  ['xhtml', isNarrative, 'a non-empty XHTML div of basic formatting, without active content, of at most 8 MB'],
];

/** The primitives whose patterns are used as the specification gives them. */
const patterned: [string, string][] = [
  ['id', '1 to 64 of A-Z, a-z, 0-9, - and .'],
  ['oid', 'urn:oid: and an OID'],
  ['uuid', 'urn:uuid: and a UUID in lower case'],
  ['time', 'hh:mm:ss, with fraction if need be'],
];

const dated: [string, string][] = [
  ['date', 'a date: YYYY, YYYY-MM or YYYY-MM-DD'],
  ['dateTime', 'a date or time: YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with time zone'],
  ['instant', 'an instant: YYYY-MM-DDThh:mm:ss with time zone'],
];

const integers: [string, string][] = [
  ['integer', 'a whole number of 32 bits'],
  ['unsignedInt', 'a whole number from 0 to 2147483647'],
  ['positiveInt', 'a whole number from 1 to 2147483647'],
];

/** Enough for a narrative whose own rules are checked besides: they tell what is wrong in it. */
const isMarkup = (value: unknown): boolean => typeof value === 'string' && !controlCharacter.test(value);

/** The rules of all primitive types by name. With `narratives` false those of xhtml are left to rules/narrative.ts. */
export function primitiveRules(definitions: Definitions, narratives = true): ReadonlyMap<string, PrimitiveRule> {
  const pattern = (name: string) => new RegExp(`^(?:${definitions.regex(name)})$`);
  const matches = (name: string) => {
    const regex = pattern(name);
    return (value: unknown) => typeof value === 'string' && value.length <= patternedLengthMax && regex.test(value);
  };
  const rules: PrimitiveRule[] = [
    { name: 'boolean', json: 'boolean', check: (value) => typeof value === 'boolean', expected: 'true or false' },
    { name: 'decimal', json: 'number', check: isNumber, expected: 'a number' },
  ];
  for (const [name, own, expected] of texts) {
    const check = name === 'xhtml' && !narratives ? isMarkup : own;
    rules.push({ name, json: 'string', check, expected });
  }
  for (const [name, expected] of patterned) rules.push({ name, json: 'string', check: matches(name), expected });
  for (const [name, expected] of dated) {
    const isMatch = matches(name);
    rules.push({ name, json: 'string', check: (value) => isMatch(value) && isOnCalendar(String(value)), expected });
  }
  for (const [name, expected] of integers)
    rules.push({ name, json: 'number', check: isInteger(pattern(name)), expected });
  return new Map(rules.map((rule) => [rule.name, rule]));
}

/** `a string`, `an object`: the JSON type of a value, for messages. */
export function jsonTypeName(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (isRawJson(value)) return 'a number';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/**
 * What should be a name, cut off, for messages. Nothing of what is sent may go to String(): it throws for an object with a
 * `toString` of its own.
 */
export const sentName = (value: unknown): string =>
  typeof value === 'string' ? value.slice(0, 80) : jsonTypeName(value);

/** `a Patient`, `an object instead of a type` */
export const sentType = (resourceType: unknown): string =>
  typeof resourceType === 'string' ? `a ${sentName(resourceType)}` : `${jsonTypeName(resourceType)} instead of a type`;
