// Which modifiers a parameter may have: https://hl7.org/fhir/R4/search.html#modifiers
import { identifierParam } from './derived.ts';
import type { ParsedName } from './parse-name.ts';
import type { SearchParam } from './types.ts';
import { parameterError } from './value-context.ts';

const CODE_MODIFIERS = ['not', 'text', 'code-text', 'in', 'not-in', 'above', 'below'];
const IDENTIFIER_MODIFIERS = ['not', 'text', 'of-type'];

/** Beside `missing`, and the type of a reference. */
function modifiersOf(param: SearchParam): readonly string[] {
  switch (param.type) {
    case 'string':
      return ['exact', 'contains'];
    case 'token':
      if (param.code === '_id') return ['not'];
      if (param.coded) return CODE_MODIFIERS;
      return param.caseSensitive ? IDENTIFIER_MODIFIERS : ['not', 'text'];
    case 'reference':
      return ['identifier', 'text', 'above', 'below'];
    case 'uri':
      return ['below', 'above'];
    default:
      return [];
  }
}

function checkTypeModifier(parsed: ParsedName, param: SearchParam, type: string): string {
  if (param.target.length > 0 && !param.target.includes(type)) {
    const targets = param.target.join(', ');
    throw parameterError('invalid-parameter', parsed.name, `${parsed.code} refers to ${targets}, not to ${type}`);
  }
  return type;
}

/** The modifier's name in R4's value set of them, and on its page. */
const spelled = (modifier: string): string => (modifier === 'ofType' ? 'of-type' : modifier);

/**
 * The parameter and modifier that are searched; a resource type is a modifier of references. Throws `invalid-parameter`
 * for a modifier that this parameter can't have.
 */
export function withModifier(
  parsed: ParsedName,
  param: SearchParam,
  isResourceType: (type: string) => boolean,
): { param: SearchParam; modifier: string | undefined } {
  if (parsed.modifier === undefined) return { param, modifier: undefined };
  const modifier = spelled(parsed.modifier);
  if (modifier === 'missing' && param.special !== 'content') return { param, modifier };
  if (param.type === 'reference' && isResourceType(modifier)) {
    return { param, modifier: checkTypeModifier(parsed, param, modifier) };
  }
  const possible = modifiersOf(param);
  if (modifier === 'identifier' && possible.includes(modifier))
    return { param: identifierParam(param), modifier: undefined };
  if (possible.includes(modifier)) return { param, modifier };
  const others = [...possible, ...(param.special === 'content' ? [] : ['missing'])].map((name) => `:${name}`);
  throw parameterError(
    'invalid-parameter',
    parsed.name,
    `:${modifier.slice(0, 40)} is no modifier of ${param.code}, a ${kindOf(param)} parameter; ${others.length > 0 ? `${others.join(', ')} are` : 'it has none'}`,
  );
}

function kindOf(param: SearchParam): string {
  if (param.type !== 'token') return param.type;
  return param.coded ? 'token (code)' : param.caseSensitive ? 'token (identifier)' : 'token';
}
