// Early warning scores as a listener on the change stream: docs/alerts.md, "Scores".
import { type AdminRoute, CerebraError, type Clock } from '#platform';
import { ownFaultOf } from '../channels/fault.ts';
import type { Channel, ChannelResult } from '../dispatch/deliver.ts';
import type { Claim, Delivery } from '../dispatch/deliveries.ts';
import { parseCriteria } from '../match/criteria.ts';
import type { Entry } from '../match/matcher.ts';
import type { Registration, RegistrationRules } from '../registration.ts';
import { scoreRoutes } from './admin.ts';
import { readScoreSet, type ScoreSet, tokensOf } from './schema.ts';
import { createScorer, isPassing, type Scorer, type ScorerPorts } from './scorer.ts';
import { moreWaits } from './state.ts';
import { mews, qsofa } from './tables/adults.ts';
import { news2 } from './tables/news2.ts';
import { pews } from './tables/pews.ts';
import { vitals } from './tables/vitals.ts';

export interface ScoreOptions {
  /** Names of the scores that are computed; none: nothing is. */
  names: string[];
  /** A JSON file with tables of the site's own. */
  path?: string;
}

export interface Scores {
  set: ScoreSet;
  /** Empty when no score is computed. */
  registrations: Registration[];
  /** Parsed anew at each call: search parameters may have changed. */
  entries(): Entry[];
  channel: Channel;
  adminRoutes: AdminRoute[];
}

/** Nothing is computed. */
export const noScores: ScoreOptions = { names: [] };

/** Its ':' can't occur in the id of a Subscription. */
const subscriberId = 'score:vital-signs';
/** Deliveries handled in one go: a second of 500 patients with a reading a second. */
const deliveriesMax = 500;

export const readScores = ({ names, path }: ScoreOptions): ScoreSet =>
  readScoreSet({ vitals, scores: [news2, mews, qsofa, pews] }, names, path);

/** Throws CerebraError `config` for what is wrong with the tables. */
export function createScores(
  options: ScoreOptions,
  rules: RegistrationRules,
  ports: ScorerPorts & { clock: Clock },
): Scores {
  const set = readScores(options);
  const on = set.tables.length > 0;
  const codes = tokensOf(set.vitals);
  const criteria = [`Observation?combo-code=${codes.join(',')}`, 'Patient'];
  const entryOf = (text: string, at: number): Entry => ({
    ...{ id: `${subscriberId}:${at}`, subscriber: subscriberId },
    query: parseCriteria(text, rules).query,
    ...(at === 0 ? { follows: true as const } : {}),
  });
  const registration: Registration = {
    ...{ id: subscriberId, channel: 'score', criteria: criteria.join(' or ') },
    ...{ endpoint: '', host: '', payload: '', header: [], secret: '' },
  };
  return {
    set,
    registrations: on ? [registration] : [],
    entries: () => (on ? criteria.map(entryOf) : []),
    channel: on ? channelOf(createScorer(set, { ...ports, baseUrl: rules.baseUrl }), ports) : idle,
    adminRoutes: scoreRoutes({ ...ports, set, codes, subscriber: subscriberId }),
  };
}

/** What is still owed from when scores were computed leads to nothing. */
const idle: Channel = { onExhausted: 'park', deliver: async () => ({ ok: true, gone: true }) };

function channelOf(scorer: Scorer, { db, log }: ScorerPorts): Channel {
  const deliver = async (
    claim: Claim,
    deliveries: readonly Delivery[],
    signal: AbortSignal,
  ): Promise<ChannelResult> => {
    try {
      await scorer.take(deliveries, claim);
      const { number } = deliveries.at(-1)!;
      // What concerns the past goes on with the next deliveries, so that it holds up nobody's present.
      while ((await scorer.compute(claim)) && !(await moreWaits(db, claim.id, number))) {
        if (signal.aborted) throw new CerebraError('unavailable', 'The server stops');
      }
      return { ok: true };
    } catch (err) {
      log.error({ err, deliveries: deliveries.length }, 'scores could not be computed');
      return { ok: false, ...ownFaultOf(err), permanent: !isPassing(err) && claim.attempts + 1 >= attemptsMax };
    }
  };
  return {
    onExhausted: 'park',
    deliver: (claim, delivery, signal) => deliver(claim, [delivery], signal),
    many: { atOnce: () => deliveriesMax, deliver },
    batchDeliveries: deliveriesMax,
  };
}

// As for alerts: 5 attempts keep the others waiting for 15 s.
const attemptsMax = 5;
