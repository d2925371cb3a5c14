// One alternative of a search value, by parameter type: https://hl7.org/fhir/R4/search.html#ptypes
import { isId, parseReference, versionUrl } from '../references.ts';
import { parseDateRange } from './dates.ts';
import { decimalFault, numberRange, plainDecimal } from './decimals.ts';
import { splitPrefix, splitUnescaped } from './escapes.ts';
import { foldString } from './fold.ts';
import { parseComposite, parseNear, parseTyped, parseValueSet, parseWords } from './parse-special.ts';
import { orValuesMax, parameterCharactersMax, valueCharactersMax } from './search-limits.ts';
import type { Prefix, SearchValue } from './types.ts';
import { invalid, parameterError, quote, unescaped, type ValueContext } from './value-context.ts';
import { wordsOf } from './words.ts';

function parseToken(text: string, context: ValueContext): SearchValue {
  const parts = splitUnescaped(text, '|').map((part) => unescaped(part, context));
  const [first = '', second = ''] = parts;
  if (parts.length > 2) throw invalid(context, `${quote(text)} has more than one |; a token is code or system|code`);
  if (parts.length === 1) return { kind: 'token', text, code: first };
  if (context.param.code === '_id') throw invalid(context, `${quote(text)} is no id`);
  if (context.param.systemless && first !== '') {
    const { code } = context.param;
    throw invalid(
      context,
      `${quote(text)} has a system, and values of ${code} have none: R4 searches them by the value alone`,
    );
  }
  if (first === '' && second === '') throw invalid(context, `${quote(text)} has neither system nor code`);
  return second === '' ? { kind: 'token', text, system: first } : { kind: 'token', text, system: first, code: second };
}

/** `:[type]` says the type of a bare id, and must not contradict one that is written. */
function parseReferenceValue(text: string, context: ValueContext): SearchValue {
  const value = unescaped(text, context);
  const found = parseReference(value, context.baseUrl);
  const wanted = context.modifier === 'above' || context.modifier === 'below' ? undefined : context.modifier;
  if (found.kind === 'local') {
    if (!context.isResourceType(found.type)) throw invalid(context, `${quote(found.type)} is no resource type`);
    if (wanted !== undefined && wanted !== found.type) throw invalid(context, `${quote(text)} is no ${wanted}`);
    // What is above or below a resource is no matter of its versions.
    if (found.version !== undefined && wanted === context.modifier) {
      return { kind: 'reference', text, url: versionUrl(found.type, found.id, found.version) };
    }
    return { kind: 'reference', text, type: found.type, id: found.id };
  }
  if (found.kind === 'other' && isId(value)) {
    const { target } = context.param;
    const type = wanted ?? (target.length === 1 ? target[0] : undefined);
    return type === undefined ? { kind: 'reference', text, id: value } : { kind: 'reference', text, type, id: value };
  }
  if (found.kind === 'absolute' || found.kind === 'urn' || found.kind === 'canonical') {
    if (wanted !== undefined) throw invalid(context, `:${wanted} applies to ids of this server, not to ${quote(text)}`);
    return { kind: 'reference', text, url: value };
  }
  throw invalid(context, `${quote(text)} is no reference: expected an id, Type/id or a URL`);
}

function parseDate(text: string, context: ValueContext): SearchValue {
  const { prefix, rest } = splitPrefix(text);
  const range = parseDateRange(rest);
  if (range === undefined) {
    throw invalid(
      context,
      `${quote(text)} is no date: expected yyyy, yyyy-mm, yyyy-mm-dd or yyyy-mm-ddThh:mm[:ss[.sss]][Z|±hh:mm]`,
    );
  }
  return { kind: 'date', text, prefix, lo: range.lo, hi: range.hi };
}

function decimal(
  text: string,
  shown: string,
  context: ValueContext,
): { prefix: Prefix; value: string; lo: string; hi: string } {
  const { prefix, rest } = splitPrefix(text);
  const value = plainDecimal(rest);
  const range = numberRange(rest);
  if (value === undefined || range === undefined) throw invalid(context, `${quote(shown)} ${decimalFault(rest)}`);
  return { prefix, value, lo: range.lo, hi: range.hi };
}

const parseNumber = (text: string, context: ValueContext): SearchValue => ({
  kind: 'number',
  text,
  ...decimal(text, text, context),
});

/** `5.4||mg` asks for the unit in any system: https://hl7.org/fhir/R4/search.html#quantity */
function parseQuantity(text: string, context: ValueContext): SearchValue {
  const parts = splitUnescaped(text, '|').map((part) => unescaped(part, context));
  const [number = '', system = '', code = ''] = parts;
  if (parts.length !== 1 && parts.length !== 3) {
    throw invalid(context, `${quote(text)} is no quantity: expected number or number|system|code`);
  }
  const value = { kind: 'quantity' as const, text, ...decimal(number, text, context) };
  if (code === '') {
    if (system === '') return value;
    throw parameterError('unsupported', context.name, `${quote(text)}: a unit system without a code is not supported`);
  }
  return system === '' ? { ...value, code } : { ...value, system, code };
}

function parseString(text: string, context: ValueContext): SearchValue {
  const value = unescaped(text, context);
  if (context.modifier !== 'exact' && foldString(value) === '') {
    throw invalid(context, `${quote(text)} has nothing to search for: punctuation and spaces are ignored`);
  }
  return { kind: 'string', text, value };
}

function parseUri(text: string, context: ValueContext): SearchValue {
  const value = unescaped(text, context);
  if (context.modifier !== undefined && /^urn:/i.test(value)) {
    throw invalid(context, `:${context.modifier} applies to URLs, not to ${quote(text)}`);
  }
  return { kind: 'uri', text, value };
}

/** What a modifier makes of the value. */
const BY_MODIFIER: Record<string, (text: string, context: ValueContext) => SearchValue> = {
  text: parseString,
  'code-text': parseString,
  in: parseValueSet,
  'not-in': parseValueSet,
  'of-type': parseTyped,
};

function parseSpecial(text: string, context: ValueContext): SearchValue {
  const { special, code } = context.param;
  if (special === 'near') return parseNear(text, context);
  if (special !== undefined) return parseWords(text, context);
  throw parameterError('unsupported', context.name, `the special parameter ${code} is not supported`);
}

/** Subsumption is told within one code system; of MIME types by the part before their parameters. */
function parseHierarchical(text: string, context: ValueContext): SearchValue {
  if (context.param.mimeType && context.modifier === 'below') {
    const value = unescaped(text, context);
    if (/^[^\s/;|]+\/[^\s/;|]+$/.test(value)) return { kind: 'string', text, value };
    throw invalid(context, `${quote(text)} is no MIME type: expected one without parameters, as text/xml`);
  }
  const value = parseToken(text, context) as SearchValue & { kind: 'token' };
  const system = value.system ?? context.param.codeSystem ?? '';
  if (system !== '' && value.code !== undefined) return { ...value, system };
  throw invalid(context, `${quote(text)} needs system and code: :${context.modifier} is answered by the code system`);
}

/** The display of a reference is searched word by word. */
function checkWords(value: SearchValue, context: ValueContext): SearchValue {
  if (context.param.type !== 'reference' || value.kind !== 'string' || wordsOf(value.value).length > 0) return value;
  throw invalid(context, `${quote(value.text)} has nothing to search for: words are letters and digits`);
}

function parseOne(text: string, context: ValueContext): SearchValue {
  const { modifier = '', param } = context;
  const byModifier = Object.hasOwn(BY_MODIFIER, modifier) ? BY_MODIFIER[modifier] : undefined;
  if (byModifier) return checkWords(byModifier(text, context), context);
  switch (param.type) {
    case 'token':
      return modifier === 'above' || modifier === 'below'
        ? parseHierarchical(text, context)
        : parseToken(text, context);
    case 'reference':
      return parseReferenceValue(text, context);
    case 'date':
      return parseDate(text, context);
    case 'number':
      return parseNumber(text, context);
    case 'quantity':
      return parseQuantity(text, context);
    case 'string':
      return parseString(text, context);
    case 'uri':
      return parseUri(text, context);
    case 'composite':
      return parseComposite(text, context, parseOne);
    case 'special':
      return parseSpecial(text, context);
  }
}

function parseMissing(text: string, context: ValueContext): SearchValue[] {
  if (text !== 'true' && text !== 'false') throw invalid(context, `:missing takes true or false, not ${quote(text)}`);
  return [{ kind: 'missing', text, missing: text === 'true' }];
}

/** All alternatives of a value. Throws CerebraError `invalid-parameter`, `unsupported` or `too-costly`. */
export function parseValues(text: string, context: ValueContext): SearchValue[] {
  if (context.modifier === 'missing') return parseMissing(text, context);
  if (text.length > parameterCharactersMax) {
    throw parameterError('too-costly', context.name, `a value may have ${parameterCharactersMax} characters`);
  }
  const alternatives = splitUnescaped(text, ',');
  if (alternatives.length > orValuesMax) {
    throw parameterError(
      'too-costly',
      context.name,
      `a value may have ${orValuesMax} alternatives, not ${alternatives.length}`,
    );
  }
  return alternatives.map((alternative) => {
    if (alternative === '') throw invalid(context, `${quote(text)} has an empty alternative`);
    if (alternative.length > valueCharactersMax) {
      throw parameterError('too-costly', context.name, `an alternative may have ${valueCharactersMax} characters`);
    }
    return parseOne(alternative, context);
  });
}
