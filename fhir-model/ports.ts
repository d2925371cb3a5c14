// The floor plan of what crosses walls. A room offers or asks for these; bin/ introduces them to each other.
import type { Queryable, Tx } from '#platform';
import type { Issue, JsonObject, Resource } from './types.ts';

/**
 * What the caller may see and change. The store compiles it into the SQL of every path.
 * `everything`: no restriction. `nothing`: no row is visible and no row can be written.
 */
export type AccessScope = { readonly kind: 'everything' } | { readonly kind: 'nothing' };

/** One version of a resource as stored. */
export interface StoredVersion {
  type: string;
  id: string;
  /** 1 for the first version; rises by 1 with each change, deletion included. */
  version: number;
  /** Instant of `meta.lastUpdated`, milliseconds since 1970 UTC. */
  updatedMs: number;
  /** The finished JSON text, id and meta included; empty when `deleted`. */
  body: string;
  deleted: boolean;
  /** `Type/id` of what contains it: set on a contained resource that a search has found; `id` is then the one in there. */
  containedIn?: string;
}

export interface SearchPage {
  resources: StoredVersion[];
  included: StoredVersion[];
  /** Matches in all; undefined when not asked for and not known at no cost. */
  total?: number;
  /** Opaque; pass it on as `_cursor` for the next page; undefined on the last page. */
  nextCursor?: string;
  /** What the client should know of this page, such as why resources are missing from `included`. */
  issues?: Issue[];
}

export interface ResourceReader {
  /** The current version, a deletion included; undefined if the id was never used or is out of scope. */
  read(type: string, id: string, scope: AccessScope): Promise<StoredVersion | undefined>;
  /** `query` is a FHIR search string without the type: `identifier=http://x|1&_count=2`. Strict: unknown parameters throw. */
  search(type: string, query: string, scope: AccessScope): Promise<SearchPage>;
}

export interface WriteContext {
  scope: AccessScope;
  /**
   * Runs inside the write's own transaction, after its statements and before COMMIT: what it writes is committed if
   * and only if the resources are. It must not wait for anything but `tx`.
   */
  within?: (tx: Tx, results: EntryResult[]) => Promise<void>;
}

/** An entry of a transaction Bundle (https://hl7.org/fhir/R4/http.html#transaction), with what in-process callers add. */
export interface TransactionEntry {
  fullUrl?: string;
  resource?: Resource;
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** `Patient`, `Patient/123` or, for a conditional update, patch or delete, `Patient?identifier=…`. */
  url: string;
  ifNoneExist?: string;
  ifMatch?: string;
  ifNoneMatch?: string;
  ifModifiedSince?: string;
  /**
   * For PUT: called inside the transaction, with the locked current resource if there is one, and yields what is
   * stored; where that is the very object of the current resource, nothing is written. Without it the resource replaces what
   * is there. May run more than once.
   */
  merge?: (existing: Resource | undefined, incoming: Resource) => Resource;
  /**
   * For a conditional create or update: which of the matches (10 of them at most) it means, if not the only one. Called inside
   * the transaction before anything is written, in the order of the entries; what it throws is what the transaction fails
   * with. May run more than once.
   */
  choose?: (matches: Resource[]) => Choice;
  /** For PUT of `Type/id` with `merge`: other names of the same. */
  alias?: Alias;
  /**
   * For POST and PUT: called inside the transaction, before links are resolved, with the fullUrls of the entries that turn
   * out to write nothing; yields what is written. May run more than once, and must leave `resource` as it is.
   */
  prune?: (resource: Resource, idle: ReadonlySet<string>) => Resource;
}

/** Names of one resource. Called inside the transaction, after every `choose`; may be called more than once. */
export interface Alias {
  /** It has no other names, as far as can be told before what is stored under its own id has turned out not to fit. */
  isOwnFirst?: true;
  /**
   * In the order of preference: where nothing is stored under the entry's own id and something that fits is under one of
   * these, the entry is about that, and references to its own id are to that.
   */
  ids(): readonly string[];
  /** Whether it is what the entry is about. */
  fits(stored: Resource): boolean;
  /** The id that it has where something that does not fit is stored under its own. */
  instead(): string;
}

/** What an entry is about. */
export interface Choice {
  /** One of the matches; without it and `follow` the entry creates its resource. */
  match?: Resource | undefined;
  /** Instead: another resource of the same type, `Patient/1`, which is read and given to `choose` by itself. */
  follow?: string;
  /** The entry writes nothing. */
  idle?: boolean;
  /** With `idle`, where it has no match: references to it mean what this earlier entry is about, named by its fullUrl. */
  as?: string;
  /** What the criteria look for may be given to a resource that another entry creates: a number goes from the match to that one. */
  handsOver?: boolean;
}

export interface EntryResult {
  /** HTTP status: 201 created, 200 updated or found, 204 deleted or nothing to delete. */
  status: number;
  type: string;
  id: string;
  version: number;
  updatedMs: number;
  /** JSON text of the stored resource, or of the search Bundle for a GET; empty for a delete. */
  body: string;
  op: 'create' | 'update' | 'delete' | 'none';
  /** Of a conditional delete: how many resources it removed. With several, `id` is empty and `version` 0. */
  deletions?: number;
}

export interface ResourceWriter {
  /** All or nothing. Throws CerebraError with the entry's index in the issue expression (`Bundle.entry[3]…`). */
  transaction(entries: TransactionEntry[], context: WriteContext): Promise<EntryResult[]>;
  /**
   * Inserts resources that carry their own id, all in one transaction; one whose id exists already (also deleted) is
   * left as it is. Returns, in order, whether each was created.
   */
  createIfAbsent(resources: (Resource & { id: string })[], context: WriteContext): Promise<boolean[]>;
}

/** One committed change. `(xid, seq)` orders changes: https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT */
export interface Change {
  xid: bigint;
  seq: bigint;
  type: string;
  id: string;
  version: number;
  op: 'create' | 'update' | 'delete';
  updatedMs: number;
  /** JSON text of that version; empty for a deletion. */
  body: string;
}

export interface ChangeCursor {
  xid: bigint;
  seq: bigint;
}

export interface VersionKey {
  type: string;
  id: string;
  version: number;
}

export interface ChangeFeed {
  /**
   * Up to `limit` changes after `cursor`, in order, none that a still-running transaction could precede; fewer where their texts are
   * long, but one at least. `more`: there may be others after them.
   */
  read(db: Queryable, cursor: ChangeCursor, limit: number): Promise<{ changes: Change[]; more: boolean }>;
  /**
   * JSON texts of these versions, in their order; '' for a deletion and for what is no longer stored. A batch of them costs one
   * statement for each type: what a change replaced is version - 1.
   */
  bodies(db: Queryable, versions: readonly VersionKey[]): Promise<string[]>;
  /** The end of the feed as of now: a consumer that starts here sees only later changes. */
  end(db: Queryable): Promise<ChangeCursor>;
  /** A cursor before all changes at or after that instant, and not long before the first of them. */
  since(db: Queryable, updatedMs: number): Promise<ChangeCursor>;
  /** Called after each commit of this process; returns how to stop listening. Consumers poll as well. */
  onCommit(listener: () => void): () => void;
}

/** Where the messages of Subscriptions with a channel of type `message` go. https://hl7.org/fhir/R4/subscription.html#channels */
export interface MessageChannel {
  /** Why such a channel can't be served, fit for Subscription.error; undefined if it can. `type`: of the criteria. */
  refuse(asked: MessageTarget): string | undefined;
  /**
   * Resolves when the message is on its way for good; of a number of a subscription that was sent before nothing is sent.
   * Throws CerebraError: with a status below 500 when this resource can't be sent, ever, else when it can't be now.
   */
  send(notification: MessageNotification): Promise<void>;
}

export interface MessageTarget {
  /** Subscription.channel.endpoint, payload and header. */
  endpoint: string;
  payload: string;
  header: readonly string[];
  /** A resource type. */
  type: string;
}

export interface MessageNotification extends MessageTarget {
  /** Subscription.id */
  subscription: string;
  /** Of the event within its Subscription, from 1, in order. */
  number: bigint;
  /** Of the resource; its JSON text is `body`. */
  id: string;
  body: string;
}

/** Checks a resource before it is stored; an empty list means valid. */
export interface Validator {
  validate(resource: Resource): Issue[];
}

/**
 * Definitions by canonical URL: those that are stored, and beneath them R4's own. https://hl7.org/fhir/R4/references.html#canonical
 * Read in the server's own scope: what a caller may not see is no part of an answer, only of how it is found.
 */
export interface Canonicals {
  /**
   * What `url`, `url|version` or, where no version is just that one, `url|6.1` (the latest of 6.1.*) means: `type` is a
   * resource type with a `url`. Without version the latest by semver; what is stored goes before R4's own. A fragment
   * (`#x`) is no part of the look-up. The same object is given to everybody: it must not be changed.
   */
  find(type: string, canonical: string): Promise<Resource | undefined>;
  /** The versions of a URL that are known, latest first; R4's own last. A resource without version counts as ''. */
  versions(type: string, url: string): Promise<string[]>;
  /** Stored CodeSystems that name it as the value set of all their codes (`CodeSystem.valueSet`), latest version first. */
  systemsOf(valueSet: string): Promise<Resource[]>;
  /** Rises whenever something stored may have changed: what was compiled of an earlier one is to be compiled again. */
  readonly generation: number;
  /** Sees what other processes have changed; asks the database once a second at most. find() and versions() do it too. */
  refresh(): Promise<void>;
}

/** Codes of a system; `all` of them where they need not be known one by one. */
export type CodeSet = ReadonlyMap<string, 'all' | ReadonlySet<string>>;

export interface TerminologyContext {
  db: Queryable;
  scope: AccessScope;
  /** More codes than these are refused. */
  codesMax: number;
}

/**
 * What searches ask of code systems and value sets. Throws CerebraError `invalid-parameter` that names the value set, code
 * system or code which is not known here, `unsupported` for what can't be evaluated, `too-costly` above `codesMax`.
 */
export interface Terminology {
  /** The codes, by system, of a value set: its canonical URL, perhaps with `|version`, or `ValueSet/id`. */
  valueSet(url: string, context: TerminologyContext): Promise<CodeSet>;
  /** The code itself and all that it subsumes (`below`) or that subsume it (`above`). */
  subsumption(
    system: string,
    code: string,
    direction: 'above' | 'below',
    context: TerminologyContext,
  ): Promise<ReadonlySet<string>>;
  /** Verdicts in the order of the codes; never throws for what is asked. Many go together: one call for a resource. */
  validateCodes(
    codes: readonly CodeToValidate[],
    context: { db: Queryable; scope: AccessScope },
  ): Promise<CodeVerdict[]>;
  /** Elements of a TerminologyCapabilities: what it can do, and the systems that it has beside stored ones. */
  describe?(): Promise<JsonObject & { codeSystem: JsonObject[] }>;
}

/** A code as an element has it, to be validated against its system and, if one is named, a value set. */
export interface CodeToValidate {
  /** Undefined where the element is a code: the value set tells its system then. */
  system?: string | undefined;
  version?: string | undefined;
  code: string;
  display?: string | undefined;
  /** Canonical, perhaps with `|version`. */
  valueSet?: string | undefined;
}

export interface CodeVerdict {
  /** `unknown`: it can't be told, since the value set, or the system where it matters, is not known here. */
  result: 'valid' | 'invalid' | 'unknown';
  /** What is wrong, or why it can't be told. */
  message?: string;
  /** Whether the code is one of its system; undefined where that is not known. */
  inSystem?: boolean;
  /** The display is none of the code's; the code itself may be valid. */
  wrongDisplay?: string;
  /** A right display. */
  display?: string;
}

/** A parameter of an operation, as an OperationDefinition tells it: https://hl7.org/fhir/R4/operationdefinition.html */
export interface OperationParameter {
  name: string;
  use: 'in' | 'out';
  min: number;
  /** `*` or a number. */
  max: string;
  /** An R4 type (`code`, `dateTime`, `Coding`, …), `Resource` or a resource type; none when it has parts. */
  type?: string;
  documentation?: string;
  part?: readonly OperationParameter[];
  /** Resources given by it are not checked against their structure: what is wrong in them is the operation's answer. */
  unchecked?: boolean;
}

/**
 * An input as it was given, by the type of its parameter: text for the string-like primitives, dates and decimals (whose
 * digits it keeps), a number for integers, a boolean, JSON for complex types and resources, and for one with parts its parts.
 */
export type OperationValue = string | number | boolean | JsonObject | OperationInput;
export type OperationInput = ReadonlyMap<string, readonly OperationValue[]>;

export interface OperationRequest {
  /** It came with a body: browsers send one of these types to another origin only after they have asked that. */
  posted?: true;
  /** The resource type in the URL, none at system level. */
  type?: string;
  /** The id in the URL, only at instance level. */
  id?: string;
  /** The version in the URL, only with an id and where the operation is `versioned`. */
  version?: number;
  input: OperationInput;
  /** What was given of the search parameters of `searchType`, decoded, in order. */
  search: [string, string][];
  /** `_format` and `_pretty` of the URL, which links to further pages keep. */
  form?: readonly [string, string][];
  /**
   * The posted body where its type is one of `bodyTypes`, or the operation `takesText` (its type then is
   * application/fhir+json or application/fhir+xml): neither parsed nor checked. `rewritten`: it came in a Bundle, and its
   * lines and columns are not those of what was sent. `bytes`: of an operation that `takesBytes`, where they are no UTF-8; the text
   * is empty then.
   */
  body?: { type: string; text: string; bytes?: Buffer; rewritten?: true };
  scope: AccessScope;
  /** `Prefer: handling=strict`. */
  strict: boolean;
  /** The header If-Match, as it was sent. */
  ifMatch?: string;
  /** The header Accept-Language, as it was sent. */
  acceptLanguage?: string;
}

/**
 * `resource` is what the operation returns; `text` the same as finished JSON text, where it is put together of stored
 * bodies; `json` is JSON text that is no resource. `location` goes into Location, of a 202 into Content-Location.
 */
export type OperationAnswer = { location?: string; headers?: Record<string, string> } & (
  | { status?: number; resource: Resource }
  | { status?: number; text: string }
  | { status?: number; json: string }
  | { status: 202 | 204 }
);

/**
 * An operation as data: its routes, its OperationDefinition and its entry in the CapabilityStatement are derived from
 * this. https://hl7.org/fhir/R4/operations.html
 */
export interface OperationSpec {
  /** Without the `$`. */
  name: string;
  title: string;
  description: string;
  /** Canonical URL of the OperationDefinition: HL7's own where it is one of R4's, else below the server's base. */
  url: string;
  /** `true`: any resource type. */
  type: readonly string[] | true;
  system: boolean;
  typeLevel: boolean;
  instanceLevel: boolean;
  /** At instance level also on one version: `[type]/[id]/_history/[vid]/$name`. */
  versioned?: boolean;
  /** The search parameters of this type are taken too. */
  searchType?: string;
  /** Media types of bodies that the operation reads itself. */
  bodyTypes?: readonly string[];
  /** Such a body may be in another character set than UTF-8. */
  takesBytes?: boolean;
  /** It takes a body of any FHIR format as text, neither parsed nor checked: what is wrong in it is its answer. */
  takesText?: boolean;
  /** One that affects state can't be called with GET. */
  affectsState: boolean;
  /** The boolean parameter with which one affects state that does not otherwise. */
  affectsStateWith?: string;
  parameters: readonly OperationParameter[];
  run(request: OperationRequest): Promise<OperationAnswer>;
}
