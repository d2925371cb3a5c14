// Names of search parameters with modifier and chain: https://hl7.org/fhir/R4/search.html#modifiers, #chaining

/** `code`, `code:modifier`, `code.chained…` or `code:Type.chained…`. */
const NAME = /^([A-Za-z_][A-Za-z0-9_-]*)(?::([A-Za-z-]+))?(?:\.(.+))?$/s;

export interface ParsedName {
  /** The whole name as the client wrote it, for errors. */
  name: string;
  code: string;
  modifier: string | undefined;
  chained: string | undefined;
}

/** Undefined when the text is no parameter name. `whole` is what errors name, when `text` is the end of a chain. */
export function parseName(text: string, whole = text): ParsedName | undefined {
  const match = NAME.exec(text);
  return match === null ? undefined : { name: whole, code: match[1] ?? '', modifier: match[2], chained: match[3] };
}
