// Values that are more than one of a simple type: places, texts, composites, value sets, typed identifiers.
// https://hl7.org/fhir/R4/search.html#composite, #content, #modifiers, https://hl7.org/fhir/R4/location.html#search
import { parseReference } from '../references.ts';
import { plainDecimal } from './decimals.ts';
import { splitUnescaped } from './escapes.ts';
import { parseTextQuery } from './text-query.ts';
import type { SearchValue } from './types.ts';
import { convertDecimal } from './units.ts';
import { invalid, parameterError, quote, unescaped, type ValueContext } from './value-context.ts';

/** When a search names no distance, which R4 leaves to the server. */
const nearDistanceDefaultKm = 50;

/** Not UCUM, but meant by whoever writes them. */
const LENGTHS: Record<string, string> = { mi: '[mi_i]', miles: '[mi_i]', ft: '[ft_i]', nmi: '[nmi_i]' };

function degrees(text: string | undefined, max: number, what: string, context: ValueContext): number {
  const value = Number(plainDecimal(text ?? '') ?? Number.NaN);
  if (!(Math.abs(value) <= max)) {
    throw invalid(context, `${quote(text ?? '')} is no ${what}: expected degrees from -${max} to ${max}`);
  }
  return value;
}

/** `latitude|longitude|distance|units`; kilometres without units. */
export function parseNear(text: string, context: ValueContext): SearchValue {
  const parts = splitUnescaped(text, '|').map((part) => unescaped(part, context));
  if (parts.length < 2 || parts.length > 4) {
    throw invalid(context, `${quote(text)} is no place: expected latitude|longitude|distance|units`);
  }
  const [latitude, longitude, distance = '', units = ''] = parts;
  const given = plainDecimal(distance === '' ? String(nearDistanceDefaultKm) : distance);
  if (given === undefined || given.startsWith('-')) throw invalid(context, `${quote(distance)} is no distance`);
  const unit = units === '' || distance === '' ? 'km' : (LENGTHS[units] ?? units);
  const metres = convertDecimal(given, unit, 'm');
  if (metres === undefined) throw invalid(context, `${quote(units)} is no unit of length in UCUM: km, m or [mi_i] are`);
  return {
    ...{ kind: 'near', text, distanceM: Number(metres) },
    ...{
      latitude: degrees(latitude, 90, 'latitude', context),
      longitude: degrees(longitude, 180, 'longitude', context),
    },
  };
}

export function parseWords(text: string, context: ValueContext): SearchValue {
  const query = parseTextQuery(unescaped(text, context));
  if ('fault' in query) throw invalid(context, `${quote(text)} can't be searched for: ${query.fault}`);
  return { kind: 'words', text, query };
}

/** `:of-type=system|code|value` */
export function parseTyped(text: string, context: ValueContext): SearchValue {
  const parts = splitUnescaped(text, '|').map((part) => unescaped(part, context));
  const [system = '', code = '', value = ''] = parts;
  if (parts.length !== 3 || code === '' || value === '') {
    throw invalid(
      context,
      `${quote(text)} is no typed identifier: expected system|code|value, the type's system and code`,
    );
  }
  return { kind: 'typed', text, system, code, value };
}

/** `:in`: a canonical URL, or `ValueSet/id` of one that is stored here. */
export function parseValueSet(text: string, context: ValueContext): SearchValue {
  const value = unescaped(text, context);
  const found = parseReference(value, context.baseUrl);
  if (found.kind === 'local' && found.type === 'ValueSet')
    return { kind: 'valueSet', text, url: `ValueSet/${found.id}` };
  if (!/^[A-Za-z][A-Za-z0-9+.-]*:./.test(value)) {
    throw invalid(context, `${quote(text)} is no value set: expected its canonical URL or ValueSet/id`);
  }
  return { kind: 'valueSet', text, url: value };
}

/** What only a reference looks like: `Type/id` or a URI without the bar behind the system of a code. */
const isReference = (text: string): boolean => /^(?:[A-Z][A-Za-z]*\/|[a-z]+:)/.test(text) && !text.includes('|');

/** The code first; of an id alone and a code alone it can't be told which is which. */
function codeFirst(parts: readonly string[]): readonly string[] {
  const [first = '', second = ''] = parts;
  return isReference(first) || second.includes('|') ? [second, first] : parts;
}

/** `part$part` */
export function parseComposite(
  text: string,
  context: ValueContext,
  parse: (text: string, context: ValueContext) => SearchValue,
): SearchValue {
  const { param, name } = context;
  const { composite } = param;
  if (composite === undefined) {
    throw parameterError('unsupported', name, `${param.code}: the parts of this composite parameter can't be searched`);
  }
  const given = splitUnescaped(text, '$');
  if (given.length !== composite.parts.length) {
    const form = composite.parts.map((part) => part.code).join('$');
    throw invalid(context, `${quote(text)} has ${given.length} parts: expected ${form}`);
  }
  const parts = composite.eitherOrder ? codeFirst(given) : given;
  return {
    ...{ kind: 'composite', text },
    parts: composite.parts.map((part, i) => {
      if (parts[i] === '') throw invalid(context, `${quote(text)} has an empty part`);
      return parse(parts[i] ?? '', { ...context, param: part, modifier: undefined });
    }),
  };
}
