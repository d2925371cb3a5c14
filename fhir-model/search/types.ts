// What search parameters are, what they extract, and what a search asks: https://hl7.org/fhir/R4/search.html

export type SearchParamType =
  | 'number'
  | 'date'
  | 'string'
  | 'token'
  | 'reference'
  | 'composite'
  | 'quantity'
  | 'uri'
  | 'special';

/** A SearchParameter as it applies to one resource type. */
export interface SearchParam {
  /** Stable 32-bit signed number of `resourceType.code`; what index rows carry. */
  readonly key: number;
  readonly url: string;
  readonly code: string;
  readonly resourceType: string;
  readonly type: SearchParamType;
  readonly expression: string;
  /** Target types of a reference parameter; empty means any. */
  readonly target: readonly string[];
  readonly description: string;
  /** Token on `code` elements: the one system their required binding implies; unset when there is none or several. */
  readonly codeSystem?: string;
  /** Dates: set where a resource has one value at most, so that two criteria on it speak of the same one. */
  readonly single?: boolean;
  /** The parameters that together have the same values; an index can do with theirs. Never chained. */
  readonly sameAs?: readonly SameAs[];
}

export interface SameAs {
  readonly param: SearchParam;
  /** Only references to this type count. */
  readonly targetType?: string;
}

/**
 * One indexed value of a resource.
 * token: `system` undefined or '' when the value has none; `code` undefined when it has only a system.
 * reference: a relative or this-server reference has `type` and `id`; any other has `url`.
 * date: milliseconds since 1970 UTC, `lo` inclusive, `hi` inclusive last millisecond of the value's precision;
 *   an open Period end is -Infinity/Infinity.
 * number: decimal text as written.
 * quantity: decimal texts `low` and `high`, both inclusive and equal unless a Range, a comparator or SampledData sets them
 *   apart; an open end is undefined.
 * string: as written; consumers fold it (foldString).
 */
export type IndexValue =
  | { kind: 'token'; param: SearchParam; system?: string; code?: string }
  | { kind: 'reference'; param: SearchParam; type?: string; id?: string; url?: string }
  | { kind: 'date'; param: SearchParam; lo: number; hi: number }
  | { kind: 'number'; param: SearchParam; value: string }
  | { kind: 'quantity'; param: SearchParam; low?: string; high?: string; system?: string; code?: string; unit?: string }
  | { kind: 'string'; param: SearchParam; value: string }
  | { kind: 'uri'; param: SearchParam; value: string };

export type Prefix = 'eq' | 'ne' | 'gt' | 'lt' | 'ge' | 'le' | 'sa' | 'eb' | 'ap';

/** One parsed alternative (comma = OR). `text` is the value as written. */
export type SearchValue =
  | {
      kind: 'token';
      text: string /** undefined: any system; '': none */;
      system?: string /** undefined: any code */;
      code?: string;
    }
  | { kind: 'reference'; text: string; type?: string; id?: string; url?: string }
  | { kind: 'date'; text: string; prefix: Prefix; lo: number; hi: number }
  | { kind: 'number'; text: string; prefix: Prefix; value: string; lo: string; hi: string }
  | {
      kind: 'quantity';
      text: string;
      prefix: Prefix;
      value: string;
      lo: string;
      hi: string;
      /** undefined: any; '': none */ system?: string;
      code?: string;
    }
  | { kind: 'string'; text: string; value: string }
  | { kind: 'uri'; text: string; value: string }
  | { kind: 'missing'; text: string; missing: boolean };

/** One `name=value` of a search (repeats = AND). */
export interface Criterion {
  /** The name as the client wrote it, modifier and chain included. */
  name: string;
  param: SearchParam;
  /** Not the `:[type]` of a reference: that has become the `type` of the values. */
  modifier?: string;
  /** Empty when `chain` is set. */
  values: SearchValue[];
  /** One-level chain `param:type.criterion`: one alternative per target type that knows the chained parameter. */
  chain?: { type: string; criterion: Criterion }[];
}

export interface Include {
  /** `_include` follows references out of matches; `_revinclude` finds what refers to them. */
  reverse: boolean;
  /** Type whose reference is followed. */
  source: string;
  /** undefined stands for `*`. */
  param?: SearchParam;
  target?: string;
}

export interface SearchQuery {
  type: string;
  criteria: Criterion[];
  sort: { param: SearchParam; descending: boolean }[];
  /** Page size, 0 … countMax. */
  count: number;
  total: 'none' | 'estimate' | 'accurate';
  summary?: 'true' | 'text' | 'data' | 'count' | 'false';
  elements?: string[];
  includes: Include[];
  cursor?: string;
  /** Names the server does not know and, when lenient, ignored: left out of the self link. */
  ignored: string[];
  /** The `name=value` pairs that were used, decoded, in order, result parameters included, `_cursor` not: for links. */
  used: [string, string][];
}
