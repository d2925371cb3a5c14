// An order that asks for another service under the number that it has: ORC-1 XO, XX and XR, and RP without the RO that stands in its
// place. The request stays the one that it was, so that the former service is not ordered any more, and carries along what that one
// was and until when: the order of it may come late. HL7 table 0119
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import { conceptKey } from '../administration/upsert.ts';
import { list } from '../compact.ts';
import type { Mapping } from '../context.ts';
import { type Identifier, identifierCriterion } from '../identifiers.ts';
import { lookUp } from '../look-up.ts';
import { stampMs } from '../ordering.ts';
import { collectedPerMessage } from '../per-message.ts';

type Choose = NonNullable<TransactionEntry['choose']>;
type Merge = NonNullable<TransactionEntry['merge']>;

const changes = new Set(['XO', 'XX', 'XR', 'RP']);

const open = new Set(['draft', 'active', 'on-hold', 'unknown']);

/** A look-up yields so many at most: whether there are more cannot be told. */
const FORMER_MAX = 9;

/** The services that a message names under a number. */
const name = collectedPerMessage();

export interface OrderedService {
  number: Identifier;
  code: JsonObject | undefined;
  /** ORC-1. */
  control: string;
}

/** As `choose`, of the ServiceRequest of that number and service. */
export function chooseChanged(mapping: Mapping, { number, code, control }: OrderedService, choose: Choose): Choose {
  const url = `ServiceRequest?${identifierCriterion(number)}`;
  const service = conceptKey(code);
  if (service === undefined) return choose;
  const services = name(mapping, url, service);
  // A result tells of what was done.
  if (control === 'RE' || control === '') return choose;
  const ofNumber = lookUp(mapping.lookUps, url, number);
  const isChange = changesService(mapping, control);
  return (matches) => {
    const choice = choose(matches);
    if (choice.match !== undefined || choice.follow !== undefined || matches.length > 0) return choice;
    const all = ofNumber();
    const bare = withoutService(all, services);
    if (bare !== undefined) return { follow: `ServiceRequest/${bare.id}` };
    const changed = changedSince(mapping, all, service, services);
    if (changed !== undefined) return { follow: `ServiceRequest/${changed.id}` };
    if (!isChange) return choice;
    const former = all.filter((one) => open.has(String(one.status)) && !services.has(serviceOf(one)));
    const known = new Set(all.map(serviceOf));
    const added = [...services].filter((one) => !known.has(one));
    if (former.length === 1 && added.length === 1 && all.length <= FORMER_MAX) {
      return { follow: `ServiceRequest/${former[0]!.id}` };
    }
    if (former.length > 0) mapping.warnings.add(untold);
    return choice;
  };
}

/** The one request of the number, of which only an appointment (SCH-26) without a service (AIS) had told: the order says which it is. */
function withoutService([only, ...more]: readonly Resource[], services: ReadonlySet<string>): Resource | undefined {
  return more.length === 0 && services.size === 1 && only?.code === undefined ? only : undefined;
}

/** Whether the order asks for its service in place of another one. */
export function changesService(mapping: Mapping, control: string): boolean {
  return changes.has(control) && !(control === 'RP' && hasReplacement(mapping));
}

/** In meta.extension of a request whose service was changed, for each time. */
const changeUrl = 'urn:cerebra:hl7v2-changed-service';

interface Change {
  /** Milliseconds since 1970. */
  atMs: number;
  /** Undefined where the former service was not known. */
  former: string | undefined;
}

function changesOf({ meta }: Resource): Change[] {
  return list((meta as JsonObject | undefined)?.extension).flatMap(({ url, extension }) => {
    if (url !== changeUrl) return [];
    const part = (name: string): JsonObject | undefined => list(extension).find((one) => one.url === name);
    const former = part('former')?.valueCodeableConcept as JsonObject | undefined;
    return [{ atMs: Date.parse(String(part('at')?.valueInstant)), former: conceptKey(former) }];
  });
}

/**
 * The request that has had this service until a later time than the message's. Where the former service was not known when it was
 * changed, it is the one service of the message that nothing is known of.
 */
function changedSince(
  mapping: Mapping,
  all: readonly Resource[],
  service: string,
  services: ReadonlySet<string>,
): Resource | undefined {
  const at = mapping.time === undefined ? Number.NaN : Date.parse(mapping.time);
  const later = all.filter((one) => !services.has(serviceOf(one)));
  const has = (one: Resource, former: string | undefined): boolean =>
    changesOf(one).some((change) => change.atMs > at && change.former === former);
  const told = later.find((one) => has(one, service));
  if (told !== undefined) return told;
  const known = new Set(all.map(serviceOf));
  const unknown = [...services].filter((one) => !known.has(one));
  const blind = later.filter((one) => has(one, undefined));
  return unknown.length === 1 && blind.length === 1 ? blind[0] : undefined;
}

/** Merges the request of an order that changes its service, and keeps in it what that was. */
export function markingChange(merge: Merge): Merge {
  return (existing, incoming) => {
    const result = merge(existing, incoming);
    const atMs = stampMs(incoming);
    if (result === existing || atMs === undefined) return result;
    const isSame = existing !== undefined && serviceOf(existing) === serviceOf(result);
    if (isSame) return result;
    const former = existing?.code as JsonObject | undefined;
    const extension: JsonObject[] = [{ url: 'at', valueInstant: new Date(atMs).toISOString() }];
    if (former !== undefined) extension.push({ url: 'former', valueCodeableConcept: former });
    const meta = (result.meta ?? {}) as JsonObject;
    return { ...result, meta: { ...meta, extension: [...list(meta.extension), { url: changeUrl, extension }] } };
  };
}

const untold =
  'ORC-1: which of the services of this number it is in place of cannot be told; those that there are stay';

const serviceOf = ({ code }: Resource): string => conceptKey(code) ?? '';

/** RP names the order that goes, RO the one that comes. */
function hasReplacement({ message }: Mapping): boolean {
  return message.segments.some((segment) => segment.name === 'ORC' && segment.field(1).text?.toUpperCase() === 'RO');
}
