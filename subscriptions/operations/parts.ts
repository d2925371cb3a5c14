// What the operations of Subscriptions are made of.
import type { AccessScope, ChangeFeed, ResourceReader, SearchParameters } from '#fhir-model';
import type { Clock, Db, Log } from '#platform';
import type { Notifications } from '../channels/notification/notifications.ts';

export interface SubscriptionOperationParts {
  db: Db;
  /** Asked for when an operation is called. */
  reader: () => ResourceReader;
  feed: () => Pick<ChangeFeed, 'bodies'>;
  parameters: () => SearchParameters;
  resourceTypes: readonly string[];
  /** Our own FHIR base. */
  baseUrl: string;
  /** Where web sockets connect. */
  webSocketUrl: string;
  /** Of the server itself. */
  scope: AccessScope;
  clock: Clock;
  log: Log;
}

export interface OperationParts extends SubscriptionOperationParts {
  notifications: () => Notifications;
}
