// Alerts reach people until one acts. What is to be done stands in PostgreSQL, written with the alert; this brings it about:
// in any number of servers, after any crash. A delayed job wakes the loop in time; without it, it looks by itself.
import type { AccessScope, ResourceReader, ResourceWriter } from '#fhir-model';
import {
  type AdminRoute,
  type BackoffLimits,
  createLoop,
  type Db,
  type Egress,
  type Jobs,
  type Log,
  type Loop,
  type Metrics,
  type Statement,
} from '#platform';
import type { Alerts, Escalation } from '../alerts/seams.ts';
import { createMailer } from '../channels/mailer.ts';
import { escalationRoutes } from './admin.ts';
import { type AdvanceOptions, advance, defaultPauses, type Pauses } from './advance.ts';
import { createAnswers } from './answers.ts';
import { watchClockSteps } from './clock-steps.ts';
import type { AnyEndpoint } from './endpoints.ts';
import { createLinks, type Links, linkKey } from './link.ts';
import { mailReplyRoute } from './mail-reply.ts';
import { type ClaimedMessage, claimMessages, type Flood, freeMessages, putBack } from './messages.ts';
import { type EscalationMetrics, escalationMetrics } from './metrics.ts';
import { type SenderOptions, sendMessage } from './send.ts';
import { slackButtonRoute } from './slack-button.ts';
import { awaitWorse, beginEscalation, claimEscalations, endEscalation } from './state.ts';

export interface EscalationLimits extends BackoffLimits, Flood {
  /** How often it is looked for what is due when nothing wakes. */
  pollMs: number;
  /** For one exchange with an endpoint or the mail server. */
  timeoutMs: number;
  /** How long a server has for one step of one alert before another takes it over. */
  stepLeaseMs: number;
  /** Messages under way at once, and steps. */
  concurrency: number;
  linkMs: number;
  pauses: Pauses;
}

const defaultEscalationLimits: EscalationLimits = {
  ...{ pollMs: 250, timeoutMs: 10_000, stepLeaseMs: 30_000, concurrency: 48, linkMs: 3_600_000 },
  ...{ backoffMsMin: 2_000, backoffMsMax: 60_000, messagesMax: 10, windowMs: 600_000 },
  pauses: defaultPauses,
};

/** What the configuration says of it. */
export interface EscalationSettings {
  endpoints: readonly AnyEndpoint[];
  /** IANA zone of working hours. */
  timeZone: string;
  limits?: Partial<EscalationLimits>;
}

/** By email only. */
export const defaultEscalation: EscalationSettings = { endpoints: [], timeZone: 'UTC' };

export interface EscalationOptions extends EscalationSettings {
  db: Db;
  reader: ResourceReader;
  writer: ResourceWriter;
  /** What the server itself may see and change. */
  scope: AccessScope;
  log: Log;
  metrics: Metrics;
  random: () => number;
  /** Asked for when an alert is acknowledged; without it its escalation ends, and nothing else. */
  alerts?: (() => Pick<Alerts, 'acknowledge' | 'read'>) | undefined;
  egress: Egress;
  /** Our own FHIR base: links lead to the server it is on. */
  baseUrl: string;
  mail?: { url: string; from: string } | undefined;
  /** Wakes in time, over restarts; before its start(). */
  jobs?: Jobs | undefined;
  /** No other server uses this database. */
  alone?: boolean | undefined;
}

export interface RunningEscalation extends Escalation {
  start(): Promise<void>;
  /** Waits for what is being sent. */
  stop(): Promise<void>;
  /** Looks for what is due now. */
  wake(): void;
  adminRoutes: AdminRoute[];
}

const wakeJob = 'escalation-wake';

/** `https://example.org/fhir/R4` → `https://example.org/` */
const publicUrlOf = (baseUrl: string): string => `${baseUrl.replace(/\/fhir\/R4\/?$/, '').replace(/\/+$/, '')}/`;

export function createEscalation(options: EscalationOptions): RunningEscalation {
  const { db, log } = options;
  const limits = { ...defaultEscalationLimits, ...options.limits };
  const mailReplies = options.endpoints.find((endpoint) => endpoint.template === 'mail-replies');
  const receivers = options.endpoints.filter((endpoint) => endpoint.template !== 'mail-replies');
  const endpoints = new Map(receivers.map((endpoint) => [endpoint.name, endpoint]));
  const shared = {
    ...{ db, log, endpoints, reader: options.reader, writer: options.writer, scope: options.scope },
    ...{ egress: options.egress, timeoutMs: limits.timeoutMs, timeZone: options.timeZone, baseUrl: options.baseUrl },
    ...{ email: options.mail !== undefined, publicUrl: publicUrlOf(options.baseUrl) },
    ...{ metrics: escalationMetrics(options.metrics, db), pauses: limits.pauses },
  };
  const incidents = receivers.filter(({ template }) => template === 'pagerduty').map(({ name }) => name);
  const end: Escalation['end'] = (tx, alertId, why) => endEscalation(tx, alertId, why, incidents);
  const alerts =
    options.alerts ??
    (() => ({
      acknowledge: (id: string) => db.tx((tx) => end(tx, id, 'acknowledged')).then(() => true),
      read: async () => undefined,
    }));
  const mailer = options.mail && createMailer({ ...options.mail, timeoutMs: limits.timeoutMs });
  const links = createLazyLinks(db);
  const mail = mailer && options.mail && { mailer, from: options.mail.from };
  const sender = async (): Promise<SenderOptions> => ({
    ...{ ...shared, links: await links(), linkMs: limits.linkMs, flood: limits, retry: limits, random: options.random },
    ...{ mail, mailReplies },
  });
  const steps = createSteps({
    ...shared,
    limits,
    onTold: () => messages.wake(),
    onDue: createTimer(options, () => wake()),
  });
  const messages = createMessages({ db, log, limits, sender, onSent: () => steps.wake() });
  const wake = () => {
    steps.wake();
    messages.wake();
  };
  return {
    begin: (tx, alert, worse) => beginEscalation(tx, alert, incidents, worse),
    awaitWorse,
    end,
    async start() {
      if (options.alone) await freeMessages(db);
      steps.start();
      messages.start();
    },
    async stop() {
      await steps.stop();
      await messages.stop();
      await messages.ended();
      mailer?.close();
    },
    wake,
    adminRoutes: [
      ...escalationRoutes(shared),
      ...createAnswers({ ...shared, alerts }, links),
      mailReplyRoute({ ...shared, alerts, mail, mailReplies }, links),
      slackButtonRoute({ ...shared, alerts }, links),
    ],
  };
}

function createLazyLinks(db: Db): () => Promise<Links> {
  let links: Links | undefined;
  return async () => {
    links ??= createLinks(await linkKey(db));
    return links;
  };
}

interface StepsOptions extends Omit<AdvanceOptions, 'onExhausted'> {
  limits: EscalationLimits;
  metrics: EscalationMetrics;
  onTold(): void;
  /** There may be a new time at which something is due. */
  onDue(): Promise<void>;
}

function createSteps({ limits, onTold, onDue, metrics, ...options }: StepsOptions): Loop {
  const { db, log } = options;
  const advancing: AdvanceOptions = { ...options, onExhausted: () => metrics.exhausted.inc() };
  const onFault = (alert: string) => (err: unknown) =>
    log.error({ err, alert }, 'a step of escalation failed: it is tried again when its lease has ended');
  const clockSteps = watchClockSteps(db);
  return createLoop({
    ...pausesOf(limits),
    onError: (err) => log.warn({ err }, 'escalation waits for the database'),
    work: async () => {
      await clockSteps();
      const claimed = await claimEscalations(db, limits.concurrency, limits.stepLeaseMs);
      await Promise.all(claimed.map((one) => advance(advancing, one).catch(onFault(one.alert))));
      if (claimed.length > 0) {
        onTold();
        await onDue();
      }
      return claimed.length > 0;
    },
  });
}

interface MessagesOptions {
  db: Db;
  log: Log;
  limits: EscalationLimits;
  sender(): Promise<SenderOptions>;
  onSent(): void;
}

/** What is sent is recorded long before its lease ends. */
const leaseMarginMs = 20_000;
/** An endpoint that hangs holds up its own messages and nobody else's. */
const channelMax = 8;

interface Sending extends Loop {
  /** Resolves when nothing is being sent any more. */
  ended(): Promise<void>;
}

function createMessages({ db, log, limits, sender, onSent }: MessagesOptions): Sending {
  const running = new Set<Promise<void>>();
  const busy = new Map<string, number>();
  const count = (channel: string, more: number): void => void busy.set(channel, (busy.get(channel) ?? 0) + more);
  const begin = (sending: SenderOptions, line: readonly ClaimedMessage[]): void => {
    const { channel } = line[0]!;
    count(channel, line.length);
    const task = sendLine(sending, line, limits.timeoutMs).finally(() => {
      running.delete(task);
      count(channel, -line.length);
      onSent();
      loop.wake();
    });
    running.add(task);
  };
  const loop = createLoop({
    ...pausesOf(limits),
    onError: (err) => log.warn({ err }, 'messages of alerts wait for the database'),
    work: async () => {
      const free = Math.min(channelMax, limits.concurrency - running.size);
      if (free <= 0) return false;
      const full = [...busy].flatMap(([channel, sent]) => (sent >= channelMax ? [channel] : []));
      const claimed = await claimMessages(db, free, 2 * limits.timeoutMs + leaseMarginMs, full);
      if (claimed.length === 0) return false;
      const sending = await sender();
      const lines = Map.groupBy(claimed, ({ channel, address }) => `${channel} ${address}`);
      for (const line of lines.values()) begin(sending, line);
      return true;
    },
  });
  return { ...loop, ended: async () => void (await Promise.all(running)) };
}

/** One after the other: how many went to an address is counted before the next one goes. Who waits too long is put back. */
async function sendLine(options: SenderOptions, line: readonly ClaimedMessage[], patienceMs: number): Promise<void> {
  const endMs = performance.now() + patienceMs;
  for (const message of line) {
    if (performance.now() < endMs) await sendMessage(options, message);
    else
      await putBack(options.db, message).catch((err: unknown) =>
        options.log.warn({ err }, 'a message waits for its lease'),
      );
  }
}

const pausesOf = ({ pollMs }: EscalationLimits) => ({ idleMsMin: pollMs, idleMsMax: pollMs, errorMs: 4 * pollMs });

const nextDue: Statement = {
  name: 'escalation_next_due',
  text: `select floor(extract(epoch from due - statement_timestamp()) * 1000)::float8 as "waitMs", due::timestamptz as due
    from (select min(due_at) as due from escalation where due_at is not null) e where due is not null`,
};

/** A delayed job for the next time that something is due. It is a nudge: without it the loops look by themselves. */
function createTimer({ db, jobs, log }: EscalationOptions, wake: () => void): () => Promise<void> {
  jobs?.define(wakeJob, async () => wake());
  let adding = false;
  let setForMs = 0;
  return async () => {
    if (!jobs || adding) return;
    const [next] = await db.query<{ waitMs: number; due: number }>(nextDue);
    if (!next || next.due === setForMs) return;
    adding = true;
    // Not waited for: a queue whose Redis is away answers when it is back.
    jobs
      .add(wakeJob, {}, { delayMs: Math.max(0, next.waitMs), jobId: `${wakeJob}-${next.due}`, attempts: 1 })
      .then(() => {
        setForMs = next.due;
      })
      .catch((err: unknown) => log.debug({ err }, 'the queue takes no wake of an escalation'))
      .finally(() => {
        adding = false;
      });
  };
}
