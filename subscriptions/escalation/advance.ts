// Brings an escalation forward by one step: reads the chain, finds who is on call, writes the messages.
import { parseJson, type Resource, type ResourceReader } from '#fhir-model';
import { CerebraError, isCerebraError, type Queryable, type Tx } from '#platform';
import { type Plan, planFor, readChain, type Step } from './chain.ts';
import { contactOf } from './contact.ts';
import type { Endpoint } from './endpoints.ts';
import { type Planned, planMessages } from './messages.ts';
import { type Directory, type OnCall, type Recipient, whoIsOnCall } from './recipients.ts';
import { type Recorder, recordOwn, stepAudit } from './record.ts';
import {
  beginStep,
  type ClaimedEscalation,
  exhaustEscalation,
  lockEscalation,
  postponeEscalation,
  repeatEscalation,
  savePlan,
} from './state.ts';
import { contactKindOf } from './templates/templates.ts';

export interface AdvanceOptions extends Recorder {
  reader: ResourceReader;
  timeZone: string;
  /** Our own FHIR base. */
  baseUrl: string;
  endpoints: ReadonlyMap<string, Endpoint>;
  /** A mail server is configured. */
  email: boolean;
  pauses: Pauses;
  /** It is at its end and nobody has acted. */
  onExhausted(): void;
}

export interface Pauses {
  /** After a chain that can't be read. */
  brokenMs: number;
  /** While the store can't be asked. */
  unavailableMs: number;
  /** Before a chain by which nobody could be reached is gone through again. */
  nobodyMs: number;
  /** A message is tried this long at least, though its step may be over sooner. */
  tryMsMin: number;
}

export const defaultPauses: Pauses = {
  ...{ brokenMs: 60_000, unavailableMs: 5_000, nobodyMs: 300_000, tryMsMin: 900_000 },
};

/** Throws what can't be put down to the chain; the lease then ends by itself. */
export async function advance(options: AdvanceOptions, claimed: ClaimedEscalation): Promise<void> {
  try {
    const plan = claimed.turn > 0 && claimed.plan ? claimed.plan : await choosePlan(options, claimed);
    if (plan !== undefined) await nextStep(options, claimed, plan);
  } catch (error) {
    if (!isCerebraError(error) || error.status < 500) throw error;
    await postponeEscalation(options.db, claimed, `${error.code}: ${error.message}`, options.pauses.unavailableMs);
  }
}

/**
 * The chain as it is now; it stays that way for this alert, whatever becomes of the PlanDefinition. Only where that reached nobody, and
 * begins once more, it is read again: whoever mends it means this alert, too.
 */
async function choosePlan(options: AdvanceOptions, claimed: ClaimedEscalation): Promise<Plan | undefined> {
  const { db, log, pauses } = options;
  try {
    const found = planFor(await readChainOf(options, claimed.chain), claimed.facts.severity);
    const plan = found.turns.length === 0 && claimed.plan ? claimed.plan : found;
    return (await savePlan(db, claimed, plan)) ? plan : undefined;
  } catch (error) {
    if (!isCerebraError(error) || error.status >= 500) throw error;
    if (claimed.plan) return claimed.plan;
    log.error(
      { alert: claimed.alert, chain: claimed.chain, code: error.code },
      'nobody is told of an alert: its chain is broken',
    );
    await postponeEscalation(db, claimed, error.message, pauses.brokenMs);
    return undefined;
  }
}

async function readChainOf({ reader, scope }: AdvanceOptions, id: string) {
  const stored = await reader.read('PlanDefinition', id, scope);
  if (!stored || stored.deleted) throw new CerebraError('not-found', `PlanDefinition/${id}: there is no such chain`);
  // An endpoint that is not configured any more must not keep the others from being told.
  return readChain(parseJson(stored.body).exact as Resource);
}

async function nextStep(options: AdvanceOptions, claimed: ClaimedEscalation, plan: Plan): Promise<void> {
  const place = plan.turns[claimed.turn];
  const step = place === undefined ? undefined : plan.steps[place];
  if (step === undefined) return finish(options, claimed, plan);
  const { planned, notes } = await planStep(options, step, await subjectsOf(options, claimed), claimed.nowMs);
  const reached = reaches(step, planned);
  const note = notes.length === 0 ? null : notes.join('; ').slice(0, 2_000);
  // Where nobody can be reached the next step follows at once.
  const waitMs = reached ? step.waitMs : 0;
  const tryMs = Math.max(step.waitMs, options.pauses.tryMsMin);
  const write = async (tx: Tx): Promise<boolean> => {
    if (!(await beginStep(tx, claimed, { waitMs, title: step.title, note }))) return false;
    const number = claimed.steps + 1;
    await planMessages(tx, { alert: claimed.alert, run: claimed.run, number, detail: step.detail, tryMs }, planned);
    return true;
  };
  if (reached) await options.db.tx(write);
  else if (await recordOwn(options, stepAudit('step-skipped', claimed), write))
    options.log.warn({ alert: claimed.alert, chain: claimed.chain, note }, 'a step of escalation reaches nobody');
}

const grouped = {
  name: 'escalation_grouped_subjects',
  text: `select subject from alert where group_id = $1 and status = 'active' group by subject order by min(raised_at), subject limit 100`,
};

/** Of a storm's alert, which is about nobody itself, those of what it stands for. */
async function subjectsOf({ db }: AdvanceOptions, { alert, facts }: ClaimedEscalation): Promise<string[]> {
  if (facts.subject !== '') return [facts.subject];
  return (await db.query<{ subject: string }>(grouped, [alert])).map(({ subject }) => subject);
}

/** A Communication alone reaches people only where nothing else is asked for. */
export const reaches = ({ channels, who }: Step, planned: readonly Planned[]): boolean =>
  planned.some(({ place }) => place >= 0) ||
  (channels.every((channel) => channel === 'websocket') &&
    planned.some(({ recipient }) => recipient !== '' || who.length === 0));

/** A chain that has reached nobody at all is not over: it is gone through again until somebody is there. */
async function finish(options: AdvanceOptions, claimed: ClaimedEscalation, plan: Plan): Promise<void> {
  const { db, log, pauses } = options;
  const { alert, chain } = claimed;
  const isTold = async (from: Queryable) => plan.turns.length === 0 || (await isAnybodyTold(from, claimed));
  // What is being sent may fail at this moment: one of both waits, and sees what the other has written.
  const exhaust = async (tx: Tx): Promise<boolean> => {
    await lockEscalation(tx, claimed);
    return (await isTold(tx)) && (await exhaustEscalation(tx, claimed));
  };
  if (!(await isTold(db))) {
    const error = 'The chain has reached nobody: it is gone through again';
    if (await repeatEscalation(db, claimed, error, pauses.nobodyMs)) log.error({ alert, chain }, error);
  } else if (await recordOwn(options, stepAudit('chain-exhausted', claimed), exhaust)) {
    log.error({ alert, chain }, 'the end of an escalation: nobody has acknowledged the alert');
    options.onExhausted();
  }
}

const told = {
  name: 'escalation_told',
  text: `select 1 from escalation_message where alert = $1 and run = $2 and number >= $3 and kind = 'alert'
    and channel <> 'websocket' and state in ('sent', 'sending') limit 1`,
};

/** Of what it is now: whoever was told while it was less severe does not know that it got worse. */
const isAnybodyTold = async (db: Queryable, { alert, run, facts }: ClaimedEscalation): Promise<boolean> =>
  (await db.query(told, [alert, run, facts.fromStep ?? 0])).length > 0;

/** Whom the step would tell at that instant, over what, and who is not reached for which reason. */
export async function planStep(
  options: Pick<AdvanceOptions, 'reader' | 'scope' | 'timeZone' | 'baseUrl' | 'endpoints' | 'email'>,
  step: Step,
  subjects: readonly string[],
  atMs: number,
): Promise<{ planned: Planned[]; notes: string[] }> {
  const directory: Directory = options;
  const onCall: OnCall = await whoIsOnCall(step.who, subjects, atMs, directory);
  const notes = [...onCall.notes];
  const planned = onCall.recipients.map((recipient) => {
    const ways = waysTo(options, step, recipient, atMs);
    const personal = step.channels.filter((channel) => isPersonal(options, channel));
    if (ways.length === 0 && personal.length > 0) {
      notes.push(`${recipient.reference}: has no address for ${personal.join(', ')}`);
    }
    return ways;
  });
  notes.push(...step.channels.flatMap((channel) => missing(options, channel)));
  return { planned: withoutRepetition([...planned.flat(), ...sharedWays(options, step, planned)]), notes };
}

function missing({ endpoints, email }: Ways, channel: string): string[] {
  if (channel === 'email') return email ? [] : ['email: SMTP_URL is not set'];
  return channel === 'websocket' || endpoints.has(channel) ? [] : [`${channel}: ALERT_ENDPOINTS has no such endpoint`];
}

type Ways = Pick<AdvanceOptions, 'endpoints' | 'timeZone' | 'email'>;

const isPersonal = ({ endpoints }: Ways, channel: string): boolean => {
  const endpoint = endpoints.get(channel);
  return endpoint === undefined || contactKindOf(endpoint) !== undefined;
};

/** Each with its place: the first one that the recipient has an address for is tried at once. */
function waysTo(options: Ways, step: Step, { reference, telecoms }: Recipient, atMs: number): Planned[] {
  let first = true;
  return step.channels.flatMap((channel, index): Planned[] => {
    if (!isPersonal(options, channel)) {
      first = false;
      return [];
    }
    if (channel === 'websocket') return [{ channel, recipient: reference, address: '', place: -1, state: 'waiting' }];
    const address = addressOf(options, channel, telecoms, atMs);
    if (address === undefined) return [];
    const state = first || step.mode === 'all' ? 'waiting' : 'standby';
    first = false;
    return [{ channel, recipient: reference, address, place: step.mode === 'all' ? 0 : index, state }];
  });
}

function addressOf(
  { endpoints, email, timeZone }: Ways,
  channel: string,
  telecoms: Recipient['telecoms'],
  atMs: number,
): string | undefined {
  const endpoint = endpoints.get(channel);
  const kind = channel === 'email' ? (email ? 'email' : undefined) : endpoint && contactKindOf(endpoint);
  if (kind === undefined) return undefined;
  for (const telecom of telecoms) {
    const address = contactOf(telecom, kind, atMs, timeZone);
    if (address !== undefined) return address;
  }
  return undefined;
}

/** Endpoints that are told themselves: once, whoever is on call. In the order `first` they wait while everybody is tried otherwise. */
function sharedWays(options: Ways, { channels, mode }: Step, people: readonly Planned[][]): Planned[] {
  const isEveryoneTried = (index: number): boolean =>
    people.length > 0 && people.every((ways) => ways.some(({ place }) => place >= 0 && place < index));
  const isFirst = (index: number): boolean =>
    !isEveryoneTried(index) && channels.slice(0, index).every((channel) => isPersonal(options, channel));
  return channels.flatMap((channel, index): Planned[] => {
    if (channel === 'websocket') {
      // Whoever listens to the Communications is told of one to nobody in particular.
      return people.length > 0 ? [] : [{ channel, recipient: '', address: '', place: -1, state: 'waiting' }];
    }
    if (isPersonal(options, channel)) return [];
    const state = mode === 'all' || isFirst(index) ? 'waiting' : 'standby';
    return [{ channel, recipient: '', address: '', place: mode === 'all' ? 0 : index, state }];
  });
}

/**
 * Two roles of one person, or a ward, have one telephone: it rings once, at once where it is the first way to one of them. The others
 * of whom it is the first have a row that is never sent: their next channel follows, too, where that one fails.
 */
function withoutRepetition(planned: readonly Planned[]): Planned[] {
  const keyOf = ({ channel, recipient, address }: Planned) =>
    JSON.stringify([channel, address === '' ? recipient : address]);
  const kept = new Map<string, Planned>();
  for (const one of planned) {
    const former = kept.get(keyOf(one));
    if (!former || (former.state === 'standby' && one.state === 'waiting')) kept.set(keyOf(one), one);
  }
  return planned.flatMap((one): Planned[] => {
    const other = kept.get(keyOf(one))!;
    if (other === one) return [one];
    // A later way of both: which of them needs it is not known yet.
    if (one.state === 'standby') return other.state === 'standby' && other.recipient !== one.recipient ? [one] : [];
    return [{ ...one, state: 'repeated' }];
  });
}
