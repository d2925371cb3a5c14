// What every interaction gets: the store and how this server answers.
import type { EventEmitter } from 'node:events';
import type {
  AccessScope,
  Canonicals,
  Definitions,
  Links,
  OperationSpec,
  SearchParameters,
  Terminology,
  XmlCodec,
} from '#fhir-model';
import type { Queryable } from '#platform';
import type { ToldPackages } from '../packages/told.ts';
import type { FirstPages } from '../search/first-pages.ts';
import type { Store } from '../store/store.ts';
import type { OnWrite } from '../validation/on-write.ts';
import type { ResourceValidator } from '../validation/validate.ts';
import type { Together } from './together.ts';

export interface Limits {
  bodyBytesMax: number;
  bundleEntriesMax: number;
  /** Page size without _count. */
  searchCountDefault: number;
  searchCountMax: number;
  /** A search that takes longer is stopped. */
  searchTimeoutMs: number;
  /** Resources that one conditional delete may remove. */
  conditionalDeleteMax: number;
}

export interface Core {
  store: Store;
  definitions: Definitions;
  parameters: SearchParameters;
  links: Links;
  /** Definitions by canonical URL. */
  canonicals: Canonicals;
  /** What is told of installed packages. */
  packages: ToldPackages;
  /** What `:in`, `:above` and the like ask. */
  terminology: Terminology;
  /** The first pages of the commonest searches; see search/first-pages.ts. */
  firstPages: FirstPages;
  xml: XmlCodec;
  limits: Limits;
  /** All that are offered; set once, right after the rest is there. */
  operations: readonly OperationSpec[];
  /** Conditional creates and updates, in one transaction with those of other callers; set once, as operations are. */
  together: Together;
  softwareVersion: string;
  /** Without a slash at the end: `http://127.0.0.1:8080/fhir/R4`. */
  baseUrl: string;
  /** Types of which no existing resource is changed without If-Match. */
  versionRequired: ReadonlySet<string>;
  /** Whether updates leave tags and security labels that they do not bring. */
  keepsLabels: boolean;
  /** All that can be checked of a resource. */
  validation: ResourceValidator;
  /** What is checked of one that is written, beyond its structure. */
  onWrite: OnWrite;
  /** Whether browsers may call from pages of other origins. */
  cors: boolean;
  /** Where clients bind Subscriptions: `ws://127.0.0.1:8080/fhir/R4/ws`. */
  webSocketUrl?: string | undefined;
  /** Canonical URLs of the topics that can be subscribed to. */
  subscriptionTopics?: () => Promise<readonly string[]>;
}

/** Who asks, and through which connection: inside a transaction its own, so that it sees what it wrote. */
export interface Caller {
  scope: AccessScope;
  db: Queryable;
  /** Of the HTTP client: when it closes, nobody waits for the answer any more. */
  socket?: EventEmitter;
}
