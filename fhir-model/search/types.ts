// What search parameters are, what they extract, and what a search asks: https://hl7.org/fhir/R4/search.html

import type { TextQuery } from './text-query.ts';

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
  /** The date of a type, `date`, if a resource has one at most: references can be had in its order. */
  readonly dates?: true;
  /** A reference of a type that has such a date. */
  readonly dated?: true;
  /** Tokens: all values are Identifiers or ids, which are compared with case; see tokenCode. */
  readonly caseSensitive?: boolean;
  /** Tokens: all values are codes of code systems, not identifiers, telephone numbers or strings. */
  readonly coded?: boolean;
  /** token: of ContactPoints, booleans or URIs alone, which have no system. */
  readonly systemless?: boolean;
  /** Tokens: all values are MIME types, of which `text/xml` is above `text/xml; charset=UTF-8`. */
  readonly mimeType?: boolean;
  /** Numbers: set where the element may be a Range; its values are then of kind `quantity`, without a unit. */
  readonly ranged?: boolean;
  /** Strings: all values are HumanNames, or family names, whose parts are looked at independently. */
  readonly familyNames?: true;
  /** What a parameter of type special searches; unset on special parameters that have no values of their own. */
  readonly special?: 'near' | 'text' | 'content';
  readonly composite?: Composite;
  /** Not one of R4's: a server has been given it, and resources that it had before may not be indexed by it yet. */
  readonly custom?: true;
  /** The expression is for fhirpath, though its words are those of the compiled subset. */
  readonly fhirpath?: true;
  /** Its values are those of resources that the indexed one contains; see contained.ts. */
  readonly contained?: true;
  /** The parameters that together have the same values; an index can do with theirs. Never chained. */
  readonly sameAs?: readonly SameAs[];
}

/**
 * A composite parameter: https://hl7.org/fhir/R4/search.html#composite. Its values are on one element: on the resource
 * itself (`root`), where parameters of the parts have them already, or on elements below it (`within`), or on either.
 */
export interface Composite {
  /** How each part's value is read. */
  readonly parts: readonly SearchParam[];
  /** For each part the parameter that has its value at the root of the resource. */
  readonly root?: readonly SearchParam[];
  /** `expression` yields the elements; a part undefined here is one of the whole resource: the value of `parts[i]`. */
  readonly within?: { readonly expression: string; readonly parts: readonly (string | undefined)[] };
  /** Another composite parameter that finds the same on the same elements: its values serve for both. */
  readonly withinAs?: SearchParam;
  /** R4 says two things about the order of the code and the reference: values are read in either. */
  readonly eitherOrder?: true;
}

export interface SameAs {
  readonly param: SearchParam;
  /** Only references to this type count. */
  readonly targetType?: string;
}

/**
 * One indexed value of a resource.
 * token: `system` undefined or '' when the value has none; `code` undefined when it has only a system.
 * reference: a relative or this-server reference has `type` and `id`, and `version` when it names one; any other has `url`.
 * date: milliseconds since 1970 UTC, `lo` inclusive, `hi` inclusive last millisecond of the value's precision;
 *   an open Period end is -Infinity/Infinity.
 * number: decimal text as written.
 * quantity: decimal texts `low` and `high`, both inclusive and equal unless a Range, a comparator or SampledData sets them
 *   apart; an open end is undefined.
 * string: as written; consumers fold it (foldString). `family`: a family name, which is also found by its parts (familyParts).
 * text: what `:text` searches beside the display of a token: CodeableConcept.text, Identifier.type.text, Reference.display.
 * typed: for `:of-type`: an Identifier's value with one coding of its type.
 * present: an element that has no value of another kind: a concept of text alone, a reference to a contained resource.
 * position: degrees. narrative: the text of the resource's narrative, without tags.
 * composite: the values of each part on one element; undefined for a part that is not on it (Composite.within).
 */
export type IndexValue =
  | { kind: 'token'; param: SearchParam; system?: string; code?: string; display?: string }
  | { kind: 'text'; param: SearchParam; value: string }
  | { kind: 'typed'; param: SearchParam; system?: string; code: string; value: string }
  | { kind: 'present'; param: SearchParam }
  | { kind: 'position'; param: SearchParam; latitude: number; longitude: number }
  | { kind: 'narrative'; param: SearchParam; value: string }
  | { kind: 'composite'; param: SearchParam; parts: (IndexValue[] | undefined)[] }
  | { kind: 'reference'; param: SearchParam; type?: string; id?: string; version?: string; url?: string }
  | { kind: 'date'; param: SearchParam; lo: number; hi: number }
  | { kind: 'number'; param: SearchParam; value: string }
  | { kind: 'quantity'; param: SearchParam; low?: string; high?: string; system?: string; code?: string; unit?: string }
  | { kind: 'string'; param: SearchParam; value: string; family?: true }
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
  /** `url`: of a resource elsewhere, or of a version of one here (versionUrl). */
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
      /** What `ap` covers, both inclusive. */
      around?: { lo: string; hi: string };
      /** undefined: any; '': none */ system?: string;
      code?: string;
    }
  | { kind: 'string'; text: string; value: string }
  | { kind: 'uri'; text: string; value: string }
  | { kind: 'missing'; text: string; missing: boolean }
  /** `:of-type`; `system` undefined: any, '': none. */
  | { kind: 'typed'; text: string; system?: string; code: string; value: string }
  /** `:in` and `:not-in`: the canonical URL of a ValueSet, or `ValueSet/id`. */
  | { kind: 'valueSet'; text: string; url: string }
  | { kind: 'near'; text: string; latitude: number; longitude: number; distanceM: number }
  | { kind: 'words'; text: string; query: TextQuery }
  | {
      kind: 'composite';
      text: string;
      parts: SearchValue[];
      /** Made by a store: what each coded part stands for. */
      codes?: ({ system: string; code: string }[] | undefined)[];
      /** Made by a store: the tokens of these codes, of which the resource has one. */
      codeTokens?: (string[] | undefined)[];
      /** Made by a store: the parts as they are tested on the resource itself. */
      onResource?: SearchValue[];
      /** Made by a store: what each quantity is in the units that are in use, the one that was asked for among them. */
      inUnits?: (SearchValue[] | undefined)[];
    }
  /** Made by a store of `:text` on references: words, and SQL/JSON paths to the displays they are looked for in. */
  | { kind: 'display'; text: string; paths: readonly string[]; query: TextQuery }
  /** Made by a store of values that need a look-up first: index tokens or facts, one of which is to be there. */
  | { kind: 'hashes'; text: string; hashes: readonly string[]; facts?: readonly string[] };

/** One `name=value` of a search (repeats = AND). */
export interface Criterion {
  /** The name as the client wrote it, modifier and chain included. */
  name: string;
  param: SearchParam;
  /** Not the `:[type]` of a reference: that has become the `type` of the values. */
  modifier?: string;
  /** Empty when one of `chain`, `has`, `logic` and `compartment` is set. */
  values: SearchValue[];
  /** `param:type.criterion`, of any depth: one alternative per target type that knows the chained parameter. */
  chain?: ChainLink[];
  /** `_has:type:param:criterion`, of any depth, and `_list`: a resource of the type that meets it refers here. */
  has?: { type: string; param: SearchParam; criterion: Criterion };
  /** Of `_filter`. `not` has one criterion. */
  logic?: { op: 'and' | 'or' | 'not'; criteria: Criterion[] };
  /** Of `_filter`: the tests that no modifier or prefix stands for. */
  filter?: FilterTest;
  /** Of a compartment search: those that refer to the resource by one of the parameters, and with `self` that resource. */
  compartment?: { type: string; id: string; params: readonly SearchParam[]; self: boolean };
}

/**
 * Strings, folded: the same, another, with that end, after, before … in the order of code points. Dates: `co` the value's
 * period includes that of the test, `po` they overlap. Numbers: `co` the value, with its precision, includes that of the test.
 */
export type FilterTest = 'eq' | 'ne' | 'ew' | 'gt' | 'lt' | 'ge' | 'le' | 'co' | 'po';

export interface ChainLink {
  type: string;
  criterion: Criterion;
}

export interface Include {
  /** `_include` follows references out of matches; `_revinclude` finds what refers to them. */
  reverse: boolean;
  /** `:iterate`: also of what was included, again and again. */
  iterate: boolean;
  /** Type whose reference is followed; `*` any. */
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
  /** Names at the resource's root, of choices with or without the type. */
  elements?: string[];
  /** `_contained`: contained resources are found instead of others, or beside them. */
  contained?: 'true' | 'both';
  /** `_containedType=contained`: the contained resource itself is returned, not its container. */
  containedAlone?: boolean;
  includes: Include[];
  cursor?: string;
  /** How many of the parameters are criteria. */
  given?: number;
  /** Names the server does not know and, when lenient, ignored: left out of the self link. */
  ignored: string[];
  /** Set where unknown parameters were errors: then what can't be answered in full is one too. */
  strict?: true;
  /** The `name=value` pairs that were used, decoded, in order, result parameters included, `_cursor` not: for links. */
  used: [string, string][];
}
