// Alerting as one part: rules that listen to the change stream, alerts that are kept, and what time alone leads to.
import type { AccessScope, ChangeFeed, ResourceReader, ResourceWriter } from '#fhir-model';
import { type AdminRoute, type Clock, createLoop, type Db, type Log, type Loop } from '#platform';
import { createAlertChannel } from '../channels/alert.ts';
import type { Channel } from '../dispatch/deliver.ts';
import type { Definer } from '../dispatch/plan.ts';
import type { CriteriaRules } from '../match/criteria.ts';
import type { Matcher } from '../match/matcher.ts';
import { acknowledgmentEntries } from './acknowledgments.ts';
import { alertRoutes } from './admin.ts';
import { builtInRules } from './built-in.ts';
import { createDryRuns } from './dry-run.ts';
import { createRuleSet } from './rule-set.ts';
import type { Alerts, Escalation } from './seams.ts';
import { createAlerts } from './state/alerts.ts';
import { createTimers, type FeedFailures } from './timers.ts';

export interface AlertingOptions {
  db: Db;
  feed: ChangeFeed;
  reader: ResourceReader;
  writer: ResourceWriter;
  /** What the server itself may see and change. */
  scope: AccessScope;
  matcher: Matcher;
  criteria: CriteriaRules;
  clock: Clock;
  log: Log;
  /** How often what is due is looked for. */
  pollMs: number;
  /** Of who judges the changes that a rule is told of. */
  leaseMs: number;
  /** What brings alerts to people; without it nobody is called. */
  escalation?: Escalation | undefined;
  failures?: ((sinceMs: number) => Promise<FeedFailures[]>) | undefined;
  /** Up to when all changes have been dispatched; undefined while another server does that. */
  caughtUpMs(): number | undefined;
}

export interface Alerting {
  alerts: Alerts;
  channel: Channel;
  definer: Definer;
  adminRoutes: AdminRoute[];
  /** Before the dispatcher starts. */
  install(): Promise<void>;
  start(): void;
  stop(): Promise<void>;
}

export function createAlerting(options: AlertingOptions): Alerting {
  const { db, feed, reader, writer, scope, clock, log, criteria, leaseMs } = options;
  const rules = createRuleSet({
    ...{ db, feed, criteria, log, matcher: options.matcher },
    builtIn: builtInRules,
    beside: [acknowledgmentEntries(criteria)],
  });
  const alerts = createAlerts({
    ...{ db, writer, reader, scope, clock, escalation: options.escalation },
    policyOf: async (rule) => (await rules.inForce(rule))?.rule,
  });
  const dryRuns = createDryRuns({ db, feed, reader, scope, clock, log });
  const timers = createTimers({
    ...{ db, feed, reader, scope, clock, rules, alerts, log },
    ...{ caughtUpMs: options.caughtUpMs, failures: options.failures },
  });
  const loop: Loop = createLoop({
    // One server looks: the one that dispatches. Should two do so for a moment, each alert's revision lets one of them win.
    work: async () => (options.caughtUpMs() === undefined ? false : timers.run()),
    onError: (err) => log.error({ err }, 'what alerts owe to time will be done later'),
    ...{ idleMsMin: options.pollMs, idleMsMax: options.pollMs, errorMs: options.pollMs },
  });
  return {
    alerts,
    channel: createAlertChannel({ db, feed, reader, scope, baseUrl: criteria.baseUrl, rules, alerts, leaseMs, log }),
    definer: rules.definer,
    adminRoutes: alertRoutes({ db, clock, rules, alerts, dryRuns, criteria }),
    install: rules.install,
    start: loop.start,
    async stop() {
      await loop.stop();
      await dryRuns.stop();
    },
  };
}
