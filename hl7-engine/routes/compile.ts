// A route compiled: what is done once a deployment, so that a message only asks.
import type { MappingConfig } from '../mapping/context.ts';
import { namedZone } from '../mapping/datetime.ts';
import type { Hl7Message } from '../message/message.ts';
import { readPath } from '../message/path.ts';
import type { OutboundMessage, RoutePlan, Source } from '../seams.ts';
import { codeMapper } from './code-map.ts';
import { CompileFault } from './compile-fault.ts';
import { type Asked, asking, compileCondition, type PathSlots, type Predicate } from './condition.ts';
import { compileExtensions } from './extensions.ts';
import { partitionsOf } from './partition.ts';
import type { Route } from './schema.ts';
import { type CompiledEdits, compileEdits } from './transform.ts';

/** Checks a message as a route asks for. Throws Refusal; yields warnings. */
export type ValidateMessage = (message: Hl7Message, settings: Route['validation']) => string[];

export interface CompileContext {
  /** What a route's mapping has where it says nothing else. */
  mapping: MappingConfig;
  /** Without it no route may ask for validation. */
  validate?: ValidateMessage | undefined;
  /** Loads what the route's validation needs, before the route is in force. */
  prepare?: ((route: Route) => Promise<void>) | undefined;
  slots: PathSlots;
}

/** Why a message has no effect at a place. */
export interface Filter {
  reason: string;
  when: Predicate;
}

/** A destination other than the store. */
export interface Send {
  name: string;
  filters: readonly Filter[];
  edits: CompiledEdits;
}

export interface CompiledRoute {
  route: Route;
  version: number;
  takes(source: Source): boolean;
  /** Undefined: every message. */
  match: Predicate | undefined;
  filters: readonly Filter[];
  edits: CompiledEdits;
  sends: readonly Send[];
  /** What it makes of a message that it takes. */
  plan(asked: Asked): RoutePlan;
}

/** Throws CompileFault: rows of extensions, validation that is not there. */
export function compileRoute(route: Route, version: number, context: CompileContext): CompiledRoute {
  const { slots } = context;
  const filters = compileFilters(route.filter, slots);
  const edits = compileEdits(route.transform, route.codeMaps, slots);
  const sends = route.destinations.flatMap((one) => (one.kind === 'fhir' ? [] : [compileSend(one, route, slots)]));
  const plan: RoutePlan = {
    routeId: route.id,
    routeVersion: version,
    ack: route.ack,
    onError: route.onError,
    transform: edits.apply,
    validate: validation(route, context.validate),
    mapping: mappingOf(route, context.mapping),
    stores: route.destinations.some(({ kind }) => kind === 'fhir'),
    keepsType: !route.transform.some(({ path }) => changesType(path)),
    outbound: sends.length === 0 ? nothing : (message) => sends.flatMap((send) => sent(send, message) ?? []),
  };
  return {
    ...{ route, version, filters, edits, sends },
    takes: sourceTest(route.source),
    match: route.match === undefined ? undefined : compileCondition(route.match, slots),
    plan(asked) {
      const filtered = filters.find(({ when }) => when.test(asked))?.reason;
      return filtered === undefined ? plan : { ...plan, filtered };
    },
  };
}

const nothing = (): OutboundMessage[] => [];

/** EVN-1 tells the event where MSH-9 does not. */
function changesType(path: string): boolean {
  const place = readPath(path);
  if (place?.segment === 'EVN') return true;
  return place?.segment === 'MSH' && (place.field === undefined || place.field === 9);
}

function compileFilters(filters: Route['filter'] = [], slots: PathSlots): Filter[] {
  return filters.map(({ when, reason }) => ({ reason, when: compileCondition(when, slots) }));
}

type Queue = Route['destinations'][number] & { kind: 'queue' };

function compileSend({ name, filter, transform = [] }: Queue, { codeMaps }: Route, slots: PathSlots): Send {
  return { name, filters: compileFilters(filter, slots), edits: compileEdits(transform, codeMaps, slots) };
}

/** What a destination gets of a message as the route has changed it; undefined where it is not for that one. */
function sent({ name, filters, edits }: Send, message: Hl7Message): OutboundMessage | undefined {
  const asked = asking(message);
  return filters.some(({ when }) => when.test(asked))
    ? undefined
    : outboundMessage(name, message, edits.apply(message));
}

/** `original`: as the route has it. Its patients keep the order, also where the destination is not told who it is. */
export function outboundMessage(destination: string, original: Hl7Message, message: Hl7Message): OutboundMessage {
  const controlId = message.get('MSH-10') ?? '';
  return { destination, ...partitionsOf(original), controlId, body: message.toBuffer() };
}

/** Whether a message that came in there is one for the route. */
export function sourceTest({ kinds, names }: Route['source']): (source: Source) => boolean {
  const kindSet = kinds && new Set<string>(kinds);
  const nameSet = names && new Set(names);
  return ({ kind, name }) => (kindSet?.has(kind) ?? true) && (nameSet?.has(name) ?? true);
}

function validation({ validation: settings }: Route, validate: ValidateMessage | undefined) {
  if (settings.structure === 'off' && settings.profile === undefined) return () => [];
  if (validate === undefined) {
    throw new CompileFault('validation', 'this server does not validate messages: leave it out');
  }
  return (message: Hl7Message): string[] => validate(message, settings);
}

function mappingOf({ mapping, codeMaps }: Route, base: MappingConfig): MappingConfig {
  const { timeZone, identifierSystems, facility, merges, extensions } = mapping;
  const codeMap = codeMapper(codeMaps);
  return {
    ...base,
    ...(timeZone === undefined ? {} : { zone: namedZone(timeZone) }),
    ...(facility === undefined ? {} : { facility }),
    ...(codeMap === undefined ? {} : { codeMap }),
    ...(merges === undefined ? {} : { merges: { ...base.merges, ...defined(merges) } }),
    ...(extensions === undefined ? {} : { extensions: compileExtensions(extensions) }),
    // Without a prototype: a sender's authority may be called `constructor`.
    identifierSystems: Object.assign(Object.create(null), base.identifierSystems, identifierSystems),
  };
}

/** Without what is undefined: zod's optional elements may be there and say nothing. */
const defined = <T extends object>(given: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as never;
