// What every connector fulfils, whatever it listens to. bin/ starts and stops them by this and knows no more.
import type { AdminRoute } from '#platform';

export interface ConnectorHealth {
  /** True while the connector can take in data. */
  ready: boolean;
  /** One line for an operator; no clinical content. */
  detail: string;
}

/** Where a started connector is to be found. */
export interface ConnectorAddress {
  /** The port it listens on; undefined when it connects to somebody else's server. */
  port?: number;
  /** Whether the server part runs inside this process. */
  embedded: boolean;
}

export interface Connector {
  readonly name: string;
  /** Resolves when data can come in, or, with an external server, as soon as the connector keeps trying to reach it. */
  start(): Promise<ConnectorAddress>;
  /** Takes nothing new, finishes what is under way within a bound, acknowledges nothing that is not committed. */
  stop(): Promise<void>;
  health(): ConnectorHealth;
  readonly adminRoutes: readonly AdminRoute[];
}
