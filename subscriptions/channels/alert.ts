// The channel of built-in alerts: the rule is applied in this process, to the current version of the resource.
import { parseJson, type Resource } from '#fhir-model';
import { isCerebraError, type Log } from '#platform';
import type { AlertPorts, AlertRule } from '../alerts/rule.ts';
import type { Channel } from '../dispatch/deliver.ts';

/** Id of the subscriber that stands for a rule; ':' can't occur in the id of a Subscription. */
export const alertSubscriber = (rule: AlertRule): string => `alert:${rule.name}`;

/**
 * A delivery that the store refuses for what it says (4xx) is set aside as failed: an Observation that can't be handled
 * must not keep the alerts of all other patients waiting. Nor must one that fails for an unknown reason, after five
 * attempts. While the store can't be reached nothing is set aside before the retry limits.
 */
export function createAlertChannel(rules: AlertRule[], ports: AlertPorts, log: Log): Channel {
  const byId = new Map(rules.map((rule) => [alertSubscriber(rule), rule]));
  return {
    onExhausted: 'park',
    async deliver(claim, delivery) {
      const rule = byId.get(claim.id);
      if (!rule) return { ok: false, error: 'This server has no such alert', permanent: true };
      try {
        const stored = await ports.reader.read(delivery.type, delivery.id, ports.scope);
        if (!stored || stored.deleted) return { ok: true, gone: true };
        await rule.apply(parseJson(stored.body).exact as Resource, stored.updatedMs, ports);
        return { ok: true };
      } catch (err) {
        log.error({ err, alert: rule.name, resource: `${delivery.type}/${delivery.id}` }, 'alert could not be raised');
        const hopeless = isRefused(err) || (!isPassing(err) && claim.attempts + 1 >= attemptsMax);
        return { ok: false, error: errorText(err), permanent: hopeless };
      }
    },
  };
}

// 5 attempts keep the other alerts waiting for 15 s at the default backoff of 1 s.
const attemptsMax = 5;

/** The store is out of reach, or somebody changed the same resource: that passes. */
const isPassing = (error: unknown): boolean => isCerebraError(error) && [409, 412, 503].includes(error.status);

const isRefused = (error: unknown): boolean =>
  isCerebraError(error) && error.status < 500 && error.status !== 409 && error.status !== 412;

const errorText = (error: unknown): string =>
  isCerebraError(error) ? `${error.code}: ${error.message}` : 'internal error';
