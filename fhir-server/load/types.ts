// What travels between the process that loads and the threads that prepare. https://hl7.org/fhir/R4/nd-json.html
import type { CodeToValidate, CodeVerdict, Issue, Resource } from '#fhir-model';
import type { Snapshot } from '../parameters/published.ts';
import type { PolicyOptions } from '../validation/policy.ts';

/** Part of a file of lines, or a whole JSON file. */
export interface Source {
  /** load_file.file */
  file: number;
  kind: 'lines' | 'json';
  bytes: Uint8Array<ArrayBuffer>;
  /** Where `bytes` begin and end in the file, as it is after gunzip. */
  from: number;
  to: number;
  /** Number of the first line, from 1. */
  line: number;
  /** The one line of it has more bytes than allowed and is not in `bytes`. */
  tooLong: boolean;
  /** What is committed of a Bundle's entries: [from, to). */
  done: readonly (readonly [number, number])[];
  /** References that match nothing yet may do so when the other files are loaded. */
  postponable: boolean;
}

/** Where something stands, for messages. */
export interface Place {
  file: number;
  line?: number;
  /** Index in Bundle.entry. */
  entry?: number;
}

/** What was not loaded, and why. `resources`: how many. */
export interface Fault extends Place {
  issues: Issue[];
  resources: number;
}

/** A piece of a file that is dealt with when its part is committed. */
export interface Mark {
  file: number;
  /** Bytes of a file of lines, entries of a Bundle. */
  from: number;
  to: number;
  lines: number;
  /** Conditional creates that found their resource. */
  found: number;
}

export interface PreparedResource {
  type: string;
  id: string;
  /** 64-bit hash of `Type/id`. */
  key: string;
  /** The id came with the resource: it may be taken. */
  given: boolean;
  place: Place;
}

/** Rows in COPY's text format, those of resource i ending at `ends[i]`. */
export interface TableRows {
  /** They are not of one resource and are written whatever becomes of it: index-sql.ts. */
  whole: boolean;
  /** `index_date (rid, param, lo, hi)` */
  into: string;
  bytes: Uint8Array<ArrayBuffer>;
  ends: Uint32Array<ArrayBuffer>;
}

/** What is written in one transaction. */
export interface Part {
  marks: Mark[];
  faults: Fault[];
  /** A transaction: nothing is written unless all is. */
  atomic: boolean;
  resources: PreparedResource[];
  tables: TableRows[];
  /** Of the search parameters that the rows were made by: Prepared.epoch. */
  epoch: number;
  /** The bodies, when existing resources are to be updated. */
  texts: string[] | undefined;
  /** Criteria of conditional creates that matched nothing: `Type?query`. */
  absent: string[];
}

export interface PreparedJob {
  parts: Part[];
  /** Files whose conditional references match nothing so far. */
  postponed: number[];
}

/** What criteria match. */
export type Match = { kind: 'found'; reference: string } | { kind: 'none' } | { kind: 'fault'; diagnostics: string };

/** What a thread is given when it starts. */
export interface Settings {
  baseUrl: string;
  /** Names and codes of the resource types. */
  typeCodes: [string, number][];
  validate: boolean;
  /** What is checked, by type; with `validate`. */
  policy: PolicyOptions;
  keepTexts: boolean;
  bundleEntriesMax: number;
  /** Names of the terms that are stored already: store/terms.ts. */
  terms: string[];
  /** The search parameters in force. */
  parameters: Snapshot;
}

/** What threads ask the process for. */
export interface Asks {
  /** Numbers of the sequence resource_seq, rising. */
  numbers(count: number): Promise<BigInt64Array<ArrayBuffer>>;
  /** Matches of `Type?query`, in order. */
  matches(criteria: string[]): Promise<Match[]>;
  /** A definition by its canonical URL. */
  definition(wanted: { type: string; canonical: string }): Promise<Resource | undefined>;
  /** What the terminology service says of them, in order. */
  codes(wanted: readonly CodeToValidate[]): Promise<readonly CodeVerdict[]>;
}
