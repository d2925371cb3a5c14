// Destinations over MLLP: a few connections, each with one message under way.
import { isCerebraError } from '#platform';
import { endOfFrame } from '../mllp/frame.ts';
import type { Attempt, Channel, Parcel } from './channel.ts';
import { refusedHost } from './destination.ts';
import { brokenOff, closeLine, exchangeOn, type Line, type LineOptions, openLine } from './line.ts';

export function createMllpChannel(options: LineOptions): Channel {
  const { destination, egress } = options;
  const lines = new Set<Line>();
  const open = (): Line => {
    const line = openLine(options, (closed) => lines.delete(closed));
    lines.add(line);
    return line;
  };
  const send = async (parcel: Parcel, signal: AbortSignal): Promise<Attempt> => {
    const kept = [...lines].find((line) => line.state === 'open' && line.exchange === undefined);
    const first = await exchangeOn(kept ?? open(), parcel, signal);
    if (first !== 'stale') return first;
    const second = await exchangeOn(open(), parcel, signal);
    return second === 'stale' ? { kind: 'unanswered', error: brokenOff } : second;
  };
  return {
    ...{ parcelsMax: 1, waitMs: 0, host: `${destination.host}:${destination.port}` },
    async send([parcel], signal) {
      if (parcel!.body.includes(endOfFrame)) {
        return { kind: 'impossible', error: 'The message holds the bytes that end an MLLP frame (1C 0D)' };
      }
      const refusal = refusedHost(egress, destination.host);
      if (refusal !== undefined) return { kind: 'unreachable', error: refusal };
      try {
        return await send(parcel!, signal);
      } catch (error) {
        const text = isCerebraError(error) ? error.message : 'The connection could not be made';
        return { kind: 'unreachable', error: text };
      }
    },
    connections: () => lines.size,
    close() {
      for (const line of lines) closeLine(line);
    },
  };
}
