// Whose a note in an order of drugs is, where request, dispense and administrations stand in one: HL7 v2.9 chapter 4A.3
import type { Segment } from '../../message/message.ts';
import type { Mapping } from '../context.ts';
import { perMessage } from '../per-message.ts';
import type { OrderGroup } from './groups.ts';
import { untold } from './notes.ts';

const events = new Set(['RXD', 'RXG', 'RXA']);
const owners = new Set(['ORC', 'RXO', 'RXE', ...events]);

/** RXR, RXC and TQ1 are parts of what stands before them, and so are their notes. */
const ownersOf = perMessage(({ message }) => {
  const found = new Map<Segment, Segment>();
  let owner: Segment | undefined;
  for (const segment of message.segments) {
    if (owners.has(segment.name)) owner = segment;
    else if (segment.name === 'NTE' && owner !== undefined) found.set(segment, owner);
  }
  return found;
});

/** An order may have 5,000 administrations, each with a note: they are not looked through for each. */
const known = new WeakMap<OrderGroup, Segment[]>();

/** Those of ORC, RXO and RXE. */
export function requestNotes(mapping: Mapping, order: OrderGroup): Segment[] {
  const found = known.get(order) ?? order.notes.filter((nte) => !events.has(ownersOf(mapping).get(nte)?.name ?? ''));
  known.set(order, found);
  return found;
}

/** Those of an RXD, RXG or RXA among `notes`; where nothing was requested in the message, the first has the order's too. */
export function eventNotes(
  mapping: Mapping,
  event: Segment,
  notes: readonly Segment[],
  order: OrderGroup,
  request: string | undefined,
): Segment[] {
  const own = notes.filter((nte) => ownersOf(mapping).get(nte) === event);
  return request === undefined ? [...untold(mapping, requestNotes(mapping, order)), ...own] : own;
}
