// What every interaction gets: the store and how this server answers.
import type { AccessScope, Definitions, Links, SearchParameters } from '#fhir-model';
import type { Queryable } from '#platform';
import type { Store } from '../store/store.ts';

export interface Limits {
  bodyBytesMax: number;
  bundleEntriesMax: number;
  /** Page size without _count. */
  searchCountDefault: number;
  searchCountMax: number;
}

export interface Core {
  store: Store;
  definitions: Definitions;
  parameters: SearchParameters;
  links: Links;
  limits: Limits;
  softwareVersion: string;
  /** Without a slash at the end: `http://127.0.0.1:8080/fhir/R4`. */
  baseUrl: string;
}

/** Who asks, and through which connection: inside a transaction its own, so that it sees what it wrote. */
export interface Caller {
  scope: AccessScope;
  db: Queryable;
}
