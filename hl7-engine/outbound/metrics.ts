// What is measured of destinations.
import type { Counter, Histogram, Metrics } from '#platform';

export interface OutboundMetrics {
  delivered: Counter;
  /** By kind of failure: refused, unanswered, unreachable, impossible. */
  failed: Counter;
  dead: Counter;
  unexpected: Counter;
  /** From the commit of the cause to the receiver's answer, seconds. */
  latency: Histogram;
  /** Of one attempt, seconds. */
  exchange: Histogram;
}

const latencyBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600];

export function outboundMetrics(metrics: Metrics): OutboundMetrics {
  const name = (rest: string): string => `cerebra_hl7_outbound_${rest}`;
  const label = ['destination'];
  return {
    delivered: metrics.counter(name('delivered_total'), 'HL7 messages that destinations have taken', label),
    failed: metrics.counter(name('failed_attempts_total'), 'Attempts to send HL7 messages that failed', [
      ...label,
      'kind',
    ]),
    dead: metrics.counter(name('dead_total'), 'HL7 messages given up', label),
    unexpected: metrics.counter(name('unexpected_answers_total'), 'MLLP frames that answered nothing', label),
    latency: metrics.histogram(name('latency_seconds'), 'From queue to acknowledgment', label, latencyBuckets),
    exchange: metrics.histogram(name('exchange_seconds'), 'From sending to acknowledgment', label),
  };
}
