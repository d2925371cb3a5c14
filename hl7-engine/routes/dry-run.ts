// What a route, or the draft of one, makes of a message: every step of the pipeline but those that store or send.
import { z } from 'zod';
import type { AccessScope, Resource, ResourceWriter, TransactionEntry } from '#fhir-model';
import { CerebraError, type Clock, isCerebraError, isWriteRace } from '#platform';
import { mapMessage } from '../mapping/map.ts';
import { transactionBundle } from '../mapping/transaction-bundle.ts';
import { ackPlan, buildAck, isAckDue } from '../message/ack.ts';
import { loadDictionary } from '../message/dictionary.ts';
import { checkHeader, type Header, read } from '../message/header.ts';
import type { Hl7Message } from '../message/message.ts';
import { type ErrorLocation, Refusal, storeRefusal } from '../message/refusal.ts';
import type { AckMode, Source } from '../seams.ts';
import { type CompiledRoute, type Filter, outboundMessage, type Send } from './compile.ts';
import { CompileFault } from './compile-fault.ts';
import { type Asked, asking, type Explained } from './condition.ts';
import { noRoute } from './deployment.ts';
import { elementProblems } from './element-fault.ts';
import { type FieldValue, fieldsOf, type NameField } from './fields.ts';
import { problemsText, type RouteProblem, readRoute } from './read-route.ts';
import type { RouteRegistry } from './routes.ts';
import type { EditStep } from './transform.ts';

export const dryRunSchema = z
  .strictObject({
    route: z.unknown().optional(),
    id: z.string().max(64).optional(),
    message: z.string().min(1).optional(),
    messageBase64: z.base64().min(1).optional(),
    source: z
      .strictObject({ kind: z.enum(['mllp', 'http', 'file', 'api']), name: z.string().max(64) })
      .default({ kind: 'api', name: 'default' }),
  })
  .refine(({ route, id }) => route === undefined || id === undefined, 'give route (a draft) or id, not both')
  .refine(
    ({ message, messageBase64 }) => (message === undefined) !== (messageBase64 === undefined),
    'give the message as message (text) or messageBase64 (its bytes)',
  );

type DryRunInput = z.output<typeof dryRunSchema>;

/** What was asked of one route. */
export interface Considered {
  route: string;
  version: number;
  source: boolean;
  /** Undefined: the route takes every message of its sources. */
  match?: Explained;
  takes: boolean;
}

export interface DryRunFilter {
  reason: string;
  result: boolean;
  when: Explained;
}

export interface DryRunDestination {
  destination: string;
  /** Why it gets nothing. */
  filtered?: string;
  filter?: DryRunFilter[];
  transform?: EditStep[];
  partition?: string;
  /** As text, and its bytes. */
  message?: string;
  messageBase64?: string;
}

export interface RefusedAt {
  step: string;
  acknowledgment: 'AE' | 'AR';
  /** HL7 table 0357. */
  condition: string;
  location?: ErrorLocation;
  text: string;
  /** Further faults. */
  more: string[];
}

/** Steps that were not reached are left out. */
export interface DryRunOutcome {
  header: Pick<Header, 'sender' | 'controlId' | 'type'> & { version: string | null; charset: string; segments: number };
  fields: FieldValue[];
  /** Of fields that are not shown. */
  fieldsMore: number;
  routes: Considered[];
  route?: { id: string; version: number; ack: AckMode; onError: 'refuse' | 'accept' };
  filter?: DryRunFilter[];
  filtered?: string;
  transform?: EditStep[];
  validation?: string[];
  bundle?: Resource;
  warnings?: string[];
  destinations?: DryRunDestination[];
  refusal?: RefusedAt;
  /** Undefined where the sender gets none. */
  acknowledgment?: string;
}

/** Writes what a message became, and takes it back. Throws Refusal, or CerebraError where the store has it refused or is away. */
export type Trial = (entries: TransactionEntry[]) => Promise<void>;

export type DryRun = (input: DryRunInput) => Promise<DryRunOutcome | { problems: RouteProblem[] }>;

/** What ids derived from the message have instead of its number in the journal. */
const messageKey = 'dry-run';

/** Throws CerebraError `invalid` for what is no message, `not-found` for a route that is not in force. */
export function createDryRun(registry: RouteRegistry, clock: Clock, trial: Trial): DryRun {
  return async (input) => {
    const routes = await routesOf(registry, input);
    if (!Array.isArray(routes)) return routes;
    for (const { route } of routes) await registry.prepare(route);
    const { message, header } = read(bytesOf(input));
    if (message instanceof Refusal) throw new CerebraError('invalid', `message: ${message.message}`);
    const { sender, controlId, type } = header;
    const version = message.get('MSH-12') ?? null;
    const { shown, more } = fieldsOf(message, await namesOf(version ?? undefined));
    const outcome: DryRunOutcome = {
      header: { sender, controlId, type, version, charset: message.charset, segments: message.segments.length },
      ...{ fields: shown, fieldsMore: more, routes: [] },
    };
    // A draft may name what the configuration is still to get.
    const missing = input.route === undefined ? registry.missing : () => [];
    const refusal = await walk(outcome, message, { source: input.source, routes, trial, missing });
    acknowledge(outcome, message, clock.now(), refusal);
    return outcome;
  };
}

/** As the dictionary of the version has them. */
async function namesOf(version: string | undefined): Promise<NameField> {
  const dictionary = await loadDictionary();
  const nearest = dictionary.nearest(version);
  return (segment, field) => dictionary.fieldOf(nearest, segment, field)?.name;
}

function bytesOf({ message = '', messageBase64 }: DryRunInput): Buffer {
  return messageBase64 === undefined ? Buffer.from(message, 'utf8') : Buffer.from(messageBase64, 'base64');
}

/** The draft, or the route of that id, or all in their order. */
async function routesOf(registry: RouteRegistry, { route, id }: DryRunInput) {
  if (route !== undefined) {
    const draft = readRoute(route);
    if ('problems' in draft) return draft;
    try {
      const compiled = registry.compile(draft.route);
      const problems = await elementProblems(draft.route);
      return problems.length > 0 ? { problems } : [compiled];
    } catch (error) {
      if (error instanceof CompileFault) return { problems: [error.problem] };
      throw error;
    }
  }
  if (id === undefined) return [...registry.deployment.routes()];
  const found = registry.deployment.find(id);
  if (found === undefined)
    throw new CerebraError('not-found', `No route ${id} is in force; GET /admin/hl7/routes lists them`);
  return [found];
}

/** What a message goes through. */
interface Way {
  source: Source;
  routes: readonly CompiledRoute[];
  trial: Trial;
  missing: RouteRegistry['missing'];
}

/** The pipeline; what it refuses is noted with the step and yielded. */
async function walk(
  outcome: DryRunOutcome,
  message: Hl7Message,
  { source, routes, trial, missing }: Way,
): Promise<Refusal | undefined> {
  let step = 'header';
  try {
    checkHeader(message);
    step = 'route';
    const asked = asking(message);
    const route = choose(outcome, asked, source, routes);
    step = 'filter';
    outcome.filter = route.filters.map((filter) => explained(filter, asked));
    const plan = route.plan(asked);
    if (plan.filtered !== undefined) outcome.filtered = plan.filtered;
    if (plan.filtered !== undefined) return undefined;
    step = 'transform';
    const edited = route.edits.explain(message);
    outcome.transform = edited.steps;
    step = 'validation';
    outcome.validation = plan.validate(edited.message);
    step = 'mapping';
    if (plan.stores) {
      const { entries, lookUps = [], warnings } = mapMessage(edited.message, messageKey, plan.mapping);
      outcome.bundle = transactionBundle(entries);
      outcome.warnings = warnings;
      step = 'store';
      if (entries.length > 0) await trial([...lookUps, ...entries]);
    }
    step = 'destinations';
    outcome.destinations = route.sends.map((send) => destination(send, edited.message));
    const lacking = missing(route.route);
    if (lacking.length > 0) throw new Refusal('AE', '207', problemsText(lacking));
    return undefined;
  } catch (error) {
    const refusal = step === 'store' ? storeRefusal(error) : error;
    if (!(refusal instanceof Refusal)) throw error;
    outcome.refusal = refusedAt(step, refusal);
    return refusal;
  }
}

const taken = Symbol('taken back');
const trialsMax = 5;

/** A transaction that does all that the message's own would, identity and validation included, and is rolled back. */
export function storeTrial(writer: ResourceWriter, scope: AccessScope): Trial {
  return async (entries) => {
    const within = async (): Promise<void> => {
      throw taken;
    };
    for (let tried = 1; ; tried++) {
      try {
        await writer.transaction(entries, { scope, within });
      } catch (error) {
        if (error === taken) return;
        // As a message that meets another in one resource is tried again.
        if (tried === trialsMax || !(isCerebraError(error, 'version-conflict') || isWriteRace(error))) throw error;
      }
    }
  };
}

function choose(outcome: DryRunOutcome, asked: Asked, source: Source, routes: readonly CompiledRoute[]): CompiledRoute {
  for (const route of routes) {
    const isSource = route.takes(source);
    const match = route.match?.explain(asked);
    const takes = isSource && (match?.result ?? true);
    const { id } = route.route;
    outcome.routes.push({ route: id, version: route.version, source: isSource, ...(match && { match }), takes });
    if (!takes) continue;
    outcome.route = { id, version: route.version, ack: route.route.ack, onError: route.route.onError };
    return route;
  }
  throw noRoute();
}

function explained({ reason, when }: Filter, asked: Asked): DryRunFilter {
  const told = when.explain(asked);
  return { reason, result: told.result, when: told };
}

function destination({ name, filters, edits }: Send, message: Hl7Message): DryRunDestination {
  const asked = asking(message);
  const filter = filters.map((one) => explained(one, asked));
  const filtered = filter.find(({ result }) => result)?.reason;
  if (filtered !== undefined) return { destination: name, filter, filtered };
  const edited = edits.explain(message);
  const { partition, body } = outboundMessage(name, message, edited.message);
  const text = { message: textOf(body, message.charset), messageBase64: body.toString('base64') };
  return { destination: name, filter, transform: edited.steps, partition, ...text };
}

function textOf(bytes: Buffer, charset: string): string {
  try {
    return new TextDecoder(charset).decode(bytes);
  } catch {
    return bytes.toString('latin1');
  }
}

function refusedAt(step: string, refusal: Refusal): RefusedAt {
  const { acknowledgment, condition, location, message: text, more } = refusal;
  const others = more.map(({ message }) => message);
  return { step, acknowledgment, condition, ...(location && { location }), text, more: others };
}

function acknowledge(outcome: DryRunOutcome, message: Hl7Message, nowMs: number, refusal: Refusal | undefined): void {
  const { ack = 'auto', onError = 'refuse' } = outcome.route ?? {};
  const plan = ackPlan(message, ack);
  const told = onError === 'accept' ? undefined : refusal;
  if (!isAckDue(plan.application, told === undefined)) return;
  const bytes = buildAck(message, { controlId: messageKey, nowMs, refusal: told, enhanced: plan.enhanced });
  outcome.acknowledgment = textOf(bytes, message.charset);
}
