// What a variable of the configuration is, and the common kinds of them. By hand: a library of schemas takes 18 MB, which a
// command that only stores does without.
export interface Variable {
  /** Its value; undefined: this text is not allowed. */
  read(text: string): string | number | undefined;
  /** As it would be written; undefined: none. */
  default: string | undefined;
  /** What may be given, for the error message and the manual. */
  allowed: string;
  description: string;
}

/** Any text. */
export const asIs = (text: string): string => text;

export const when =
  (isAllowed: (text: string) => boolean) =>
  (text: string): string | undefined =>
    isAllowed(text) ? text : undefined;

export const matching = (pattern: RegExp) => when((text) => pattern.test(text));

export function integer(value: number, min: number, max: number, description: string) {
  const read = (text: string): number | undefined =>
    /^\d+$/.test(text) && Number(text) >= min && Number(text) <= max ? Number(text) : undefined;
  return { read, default: String(value), allowed: `a whole number from ${min} to ${max}`, description };
}

export function oneOf<const T extends string>(value: T, values: readonly T[], description: string) {
  const read = (text: string): T | undefined => values.find((one) => one === text);
  return { read, default: value, allowed: values.join(', '), description };
}

export function text(value: string, description: string) {
  return { read: asIs, default: value, allowed: 'any text', description };
}

export function url(protocols: string[], description: string) {
  const read = when((value) => protocols.includes(URL.parse(value)?.protocol ?? ''));
  const allowed = `a URL of ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`;
  return { read, default: undefined, allowed, description };
}

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
