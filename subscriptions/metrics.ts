// Metrics of the change stream and its deliveries.
import type { Counter, Gauge, Histogram, Metrics } from '#platform';

export interface SubscriptionMetrics {
  lagSeconds: Gauge;
  lagRows: Gauge;
  changes: Counter;
  matched: Counter;
  dispatchErrors: Counter;
  /** By channel. */
  delivered: Counter;
  failed: Counter;
  retried: Counter;
  latency: Histogram;
  /** Web sockets that are open in this process. */
  sockets: Gauge;
  kafkaSent: Counter;
  kafkaFailures: Counter;
  kafkaLagSeconds: Gauge;
}

/** The same objects each time for one `metrics`. */
export function subscriptionMetrics(metrics: Metrics): SubscriptionMetrics {
  const buckets = [0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120, 600, 3600, 86400];
  return {
    lagSeconds: metrics.gauge(
      'cerebra_dispatcher_lag_seconds',
      'How long changes wait: the age of the oldest one just read, or of the oldest open write transaction, which holds back what follows it',
    ),
    lagRows: metrics.gauge(
      'cerebra_dispatcher_lag_rows',
      'Changes the dispatcher read at once; at its batch size more are waiting',
    ),
    changes: metrics.counter('cerebra_dispatcher_changes_total', 'Changes dispatched'),
    matched: metrics.counter('cerebra_dispatcher_matches_total', 'Deliveries that changes led to'),
    dispatchErrors: metrics.counter('cerebra_dispatcher_errors_total', 'Failed runs of the dispatcher'),
    delivered: metrics.counter('cerebra_deliveries_total', 'Deliveries made', ['channel']),
    failed: metrics.counter('cerebra_deliveries_failed_total', 'Deliveries given up for now', ['channel']),
    retried: metrics.counter('cerebra_delivery_retries_total', 'Failed attempts that will be repeated', ['channel']),
    latency: metrics.histogram(
      'cerebra_delivery_latency_seconds',
      'From the change to the end of its delivery',
      ['channel'],
      buckets,
    ),
    sockets: metrics.gauge('cerebra_websocket_connections', 'Web sockets of Subscriptions that are open'),
    kafkaSent: metrics.counter('cerebra_kafka_changes_total', 'Changes that Kafka has acknowledged'),
    kafkaFailures: metrics.counter('cerebra_kafka_failures_total', 'Failed attempts to send changes to Kafka'),
    kafkaLagSeconds: metrics.gauge(
      'cerebra_kafka_lag_seconds',
      'Age of the oldest change that was read and Kafka has not acknowledged; 0 when there is none',
    ),
  };
}
