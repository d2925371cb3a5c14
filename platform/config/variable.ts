// What a variable of the configuration is, and the common kinds of them.
import { z } from 'zod';

export interface Variable {
  schema: z.ZodType;
  /** As it would be written; undefined: none. */
  default: string | undefined;
  /** What may be given, for the error message and the manual. */
  allowed: string;
  description: string;
  /** It holds a password, which no message shows. */
  secret?: true;
}

export function integer(value: number, min: number, max: number, description: string) {
  const schema = z.string().regex(/^\d+$/).transform(Number).pipe(z.number().int().min(min).max(max));
  return { schema, default: String(value), allowed: `a whole number from ${min} to ${max}`, description };
}

export function oneOf<const T extends string>(value: T, values: readonly T[], description: string) {
  return { schema: z.enum(values as readonly [T, ...T[]]), default: value, allowed: values.join(', '), description };
}

export function text(value: string, description: string) {
  return { schema: z.string().min(1), default: value, allowed: 'any text', description };
}

export function url(protocols: string[], description: string) {
  const schema = z.string().refine((value) => protocols.includes(URL.parse(value)?.protocol ?? ''));
  const allowed = `a URL of ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`;
  return { schema: schema.optional(), default: undefined, allowed, description, secret: true as const };
}

/** First parts of paths that are not FHIR's. */
const OTHER_PATHS = new Set(['admin', 'alerts', 'healthz', 'hl7', 'metrics', 'readyz', 'ws']);

/** Links are this text with a path behind it, and requests are taken below its path: so it has one, and nothing after it. */
function isFhirBase(value: string): boolean {
  const { protocol = '', pathname = '', username, password } = URL.parse(value) ?? {};
  const path = pathname.replace(/\/+$/, '');
  const written = value.replace(/^\w+:\/\/[^/]*/, '').replace(/\/+$/, '');
  const isPlain = !/[?#\s]/.test(value) && !`${username}${password}` && written === path;
  return /^https?:$/.test(protocol) && isPlain && path !== '' && !OTHER_PATHS.has(path.split('/')[1]!);
}

export const fhirBase = (description: string) => ({
  schema: z.string().refine(isFhirBase).optional(),
  default: undefined,
  allowed:
    'a URL of http:// or https:// with a path, such as https://fhir.example.org/fhir/R4, without user, `?` and `#`',
  description,
  secret: true as const,
});

export const kib = 1024;
export const mib = 1024 * kib;

export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** `a, b` → a and b. */
export const listOf = (text: string | undefined): string[] =>
  (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
