// What stands in an order's segment group, whatever the structure calls its parts (ORDER_OBSERVATION, OBSERVATION_REQUEST,
// ORDER_DETAIL, RESULT …): HL7 v2.9 chapters 4 and 7
import type { Segment } from '../../message/message.ts';
import { Refusal } from '../../message/refusal.ts';
import type { Group } from '../structure/group.ts';
import { isPassedOver } from './notes.ts';

export interface ObxGroup {
  obx: Segment;
  /** Later OBX whose text goes on with that of the first. */
  more?: Segment[];
  notes: Segment[];
  /** PRT of the observation. */
  participants?: Segment[];
}

export interface SpecimenGroup {
  group: Group;
  spm: Segment;
  notes: Segment[];
  observations: ObxGroup[];
  /** SAC with the OBX about the container. */
  containers: { sac: Segment; observations: ObxGroup[] }[];
}

export interface OrderGroup {
  /** The innermost group with the order's detail: from it ORC is near as well. */
  group: Group;
  orc: Segment | undefined;
  /**
   * The ORC is that of an OBR before: what orders have in common holds of it; its numbers do where `itsNumbers` says so, namely
   * where this OBR has none of its own and is of another service than those before it.
   */
  shared?: { itsNumbers: boolean };
  /** OBR, or what an order of another kind has: RXO, RXE, ODS, RQD … */
  details: Segment[];
  notes: Segment[];
  timing: Segment[];
  diagnoses: Segment[];
  participants: Segment[];
  observations: ObxGroup[];
  specimens: SpecimenGroup[];
  /** PRIOR_RESULT: earlier results that come along with an order. */
  prior: Group[];
  /** RXV, each with the TQ1 that follow it. */
  infusions: { rxv: Segment; timing: Segment[] }[];
  /** Other segments of the order: FT1, BLG … */
  others: Segment[];
}

const details = new Set('OBR RQD RQ1 ODS ODT RXO RXE RXD RXG RXA RXC RXR RXV CDO'.split(' '));

export function orderGroup(group: Group): OrderGroup {
  const order: OrderGroup = {
    group,
    orc: undefined,
    details: [],
    notes: [],
    timing: [],
    diagnoses: [],
    participants: [],
    observations: [],
    specimens: [],
    prior: [],
    infusions: [],
    others: [],
  };
  collect(order, group);
  if (order.orc === undefined && detail(order, 'OBR') !== undefined) shareOrc(order, group);
  return order;
}

type Common = Pick<OrderGroup, 'timing' | 'notes' | 'participants'>;

/** A group whose ORC those of its name after it share that have none. */
interface Holder {
  group: Group;
  orc: Segment;
  /** Groups from it on, so far. */
  count: number;
  /** OBR-4 → the first of those groups that has it. */
  services: Map<string, number>;
  common?: Common;
}

/** `place`: which of the holder's groups it is. */
interface Sharer {
  holder: Holder;
  place: number;
}

const sharers = new WeakMap<Group, ReadonlyMap<Group, Sharer>>();

/** Found at once for all groups in `around`: a message may have 10,000 of them. */
function sharersIn(around: Group): ReadonlyMap<Group, Sharer> {
  const known = sharers.get(around);
  if (known !== undefined) return known;
  const found = new Map<Group, Sharer>();
  const holders = new Map<string, Holder>();
  for (const group of around.children) {
    const orc = group.get('ORC');
    if (orc !== undefined) holders.set(group.name, { group, orc, count: 0, services: new Map() });
    const holder = holders.get(group.name);
    if (holder === undefined) continue;
    if (orc === undefined) found.set(group, { holder, place: holder.count });
    const service = find(group, 'OBR')?.field(4).raw;
    if (service !== undefined && !holder.services.has(service)) holder.services.set(service, holder.count);
    holder.count++;
  }
  sharers.set(around, found);
  return found;
}

/**
 * Several OBR under one ORC, as in ORM of old and in laboratory reports, whose first group alone has to have one: its ORC is
 * that of the group before, and so are TQ1, NTE and PRT that stand between ORC and OBR. Not for drugs: those of one number
 * would be one.
 */
function shareOrc(order: OrderGroup, group: Group): void {
  const sharer = group.parent && sharersIn(group.parent).get(group);
  if (sharer === undefined) return;
  const { holder, place } = sharer;
  const obr = detail(order, 'OBR')!;
  const sameService = (holder.services.get(obr.field(4).raw) ?? place) < place;
  order.orc = holder.orc;
  order.shared = { itsNumbers: obr.field(2).isEmpty && obr.field(3).isEmpty && !sameService };
  holder.common ??= commonOf(holder);
  const { timing, notes, participants } = holder.common;
  if (order.timing.length === 0 && obr.field(27).isEmpty) order.timing.push(...timing);
  order.notes.unshift(...notes);
  order.participants.push(...participants);
}

/** Of all copies together: what one ORC has for 9,000 OBR could fill the memory. */
const sharedCharactersMax = 10_000_000;

/** What stands between ORC and its order's detail. Throws Refusal AE where it is too much for that many orders. */
function commonOf({ group, count }: Holder): Common {
  const own = group.segments.findIndex(({ name }) => details.has(name));
  const segments = own < 0 ? group.segments : group.segments.slice(0, own);
  const named = (name: string): Segment[] => segments.filter((segment) => segment.name === name);
  // Where the detail is a group of its own, charges of the first order stand behind it.
  const end = segments.findIndex(({ name }) => ownNoted.has(name));
  const notes = (end < 0 ? segments : segments.slice(0, end)).filter(({ name }) => name === 'NTE');
  const times = group.children.filter(({ name }) => name.startsWith('TIMING'));
  const common = {
    timing: times.flatMap((one) => one.all('TQ1')),
    notes: [...notes, ...times.flatMap((one) => one.all('NTE'))],
    participants: named('PRT'),
  };
  const length = Object.values(common)
    .flat()
    .reduce((sum, { raw }) => sum + raw.length, 0);
  if (length * count > sharedCharactersMax) {
    const text = `NTE, PRT and TQ1 of an ORC hold of all ${count} OBR after it, and are too long for that: give each OBR its own ORC`;
    throw new Refusal('AE', '207', text, { location: { segment: 'ORC' } });
  }
  return common;
}

/** The first of that name in the group or in those within. */
export function find(group: Group, name: string): Segment | undefined {
  const own = group.get(name);
  if (own !== undefined) return own;
  for (const child of group.children) {
    const found = child.name === 'PRIOR_RESULT' ? undefined : find(child, name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The first OBR, RXO … of the order. */
export function detail(order: OrderGroup, name: string): Segment | undefined {
  for (const segment of order.details) if (segment.name === name) return segment;
  return undefined;
}

/** A diagnosis and a charge have notes of their own. */
const ownNoted = new Set(['DG1', 'FT1']);

function collect(order: OrderGroup, group: Group): void {
  let about: Segment | undefined;
  for (const segment of group.segments) {
    if (segment.name !== 'NTE') place(order, group, segment);
    else if (about?.name === 'OBX') order.observations.at(-1)!.notes.push(segment);
    else if (!ownNoted.has(about?.name ?? '')) order.notes.push(segment);
    if (segment.name !== 'NTE' && !isPassedOver(segment)) about = segment;
  }
  for (const child of group.children) {
    const first = child.segments[0]?.name;
    if (child.name === 'PRIOR_RESULT') order.prior.push(child);
    else if (child.name === 'GIVE') continue;
    else if (first === 'RXV') {
      order.infusions.push({ rxv: child.segments[0]!, timing: child.all('TQ1') });
      order.notes.push(...child.all('NTE'));
    } else if (first === 'OBX') order.observations.push(...obxGroups(child));
    else if (first === 'SPM') order.specimens.push(specimenGroup(child));
    else if (first === 'SHP' || first === 'PAC') order.specimens.push(...child.groups('SPECIMEN').map(specimenGroup));
    else collect(order, child);
  }
}

function place(order: OrderGroup, group: Group, segment: Segment): void {
  if (details.has(segment.name)) {
    if (order.details.length === 0) order.group = group;
    order.details.push(segment);
    return;
  }
  switch (segment.name) {
    case 'ORC':
      order.orc ??= segment;
      break;
    case 'TQ1':
      order.timing.push(segment);
      break;
    case 'DG1':
      order.diagnoses.push(segment);
      break;
    case 'PRT':
      order.participants.push(segment);
      break;
    case 'OBX':
      order.observations.push({ obx: segment, notes: [] });
      break;
    default:
      order.others.push(segment);
  }
}

const ofObservation = new Set(['TCD', 'SID']);

/** A group with OBX: what follows one, up to a segment of another kind, goes with it. */
export function obxGroups(group: Group): ObxGroup[] {
  const found: ObxGroup[] = [];
  let last: ObxGroup | undefined;
  for (const segment of group.segments) {
    if (segment.name === 'OBX') {
      last = { obx: segment, notes: [] };
      found.push(last);
    } else if (segment.name === 'NTE') last?.notes.push(segment);
    else if (segment.name === 'PRT' && last !== undefined) last.participants = [...(last.participants ?? []), segment];
    else if (!ofObservation.has(segment.name) && !isPassedOver(segment)) last = undefined;
  }
  return found;
}

function specimenGroup(group: Group): SpecimenGroup {
  const specimen: SpecimenGroup = { group, spm: group.segments[0]!, notes: [], observations: [], containers: [] };
  for (const segment of group.segments) {
    if (segment.name === 'NTE') specimen.notes.push(segment);
    if (segment.name === 'OBX') specimen.observations.push({ obx: segment, notes: [] });
    if (segment.name === 'SAC') specimen.containers.push({ sac: segment, observations: [] });
  }
  for (const child of group.children) {
    const [first] = child.segments;
    if (first?.name === 'OBX') specimen.observations.push(...obxGroups(child));
    if (first?.name !== 'SAC') continue;
    // A container has none.
    specimen.notes.push(...child.all('NTE'));
    const within = child.children.filter(({ segments }) => segments[0]?.name === 'OBX').flatMap(obxGroups);
    const own = child.all('OBX').map((obx) => ({ obx, notes: [] }));
    specimen.containers.push({ sac: first, observations: [...own, ...within] });
  }
  return specimen;
}

// Text types whose lines come as one OBX a line.
const textTypes = new Set(['TX', 'FT']);

/**
 * Joins OBX that are the lines of one text: of type TX or FT, with the same code, status and time, that follow each other
 * with the same OBX-4, or with numbers that count on (1, 2, 3). An ST without sub-id is joined as well, if it has neither
 * unit, range nor flag: with them, or with a sub-id, it is a result of its own.
 */
export function joinedTexts(observations: readonly ObxGroup[]): ObxGroup[] {
  const joined: ObxGroup[] = [];
  let line: Segment | undefined;
  for (const observation of observations) {
    const last = joined.at(-1);
    if (last !== undefined && line !== undefined && goesOn(line, observation.obx)) {
      last.more ??= [];
      last.more.push(observation.obx);
      last.notes.push(...observation.notes);
    } else joined.push({ ...observation, notes: [...observation.notes] });
    line = observation.obx;
  }
  return joined;
}

function goesOn(before: Segment, obx: Segment): boolean {
  const type = obx.field(2).raw;
  if (before.field(2).raw !== type || (type !== 'ST' && !textTypes.has(type))) return false;
  const same = (field: number): boolean => before.field(field).raw === obx.field(field).raw;
  if (![3, 11, 14, 16].every(same)) return false;
  if (type === 'ST')
    return [4, 6, 7, 8].every((field) => obx.field(field).raw === '' && before.field(field).raw === '');
  return same(4) || countsOn(before.field(4).raw, obx.field(4).raw);
}

function countsOn(before: string, after: string): boolean {
  return /^\d{1,6}$/.test(before) && /^\d{1,6}$/.test(after) && Number(after) === Number(before) + 1;
}

/** OML_O33 and O35, OUL_R22 and R23: the orders of a specimen stand within its group. */
export function specimensAround({ parent }: Group): SpecimenGroup[] {
  for (let around = parent; around !== undefined; around = around.parent) {
    if (around.segments[0]?.name === 'SPM') return [specimenGroup(around)];
  }
  return [];
}
