// Destinations that lead back into this server: what a route sends there comes in again, and may go round for ever. Bytes that
// came before have no second effect, but a change such as a suffix makes others of them each time.
import { isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import path from 'node:path';
import type { Destination } from './outbound/destination.ts';
import type { CompiledRoute } from './routes/compile.ts';
import { patternOf } from './transport/folder.ts';

export type WayIn =
  | { kind: 'mllp'; name: string; host: string; port: number }
  | { kind: 'file'; name: string; folder: string; pattern: string };

export const wayText = ({ kind, name }: Pick<WayIn, 'kind' | 'name'>): string =>
  kind === 'file' ? `the drop folder '${name}'` : `the listener '${name}'`;

/** Whether all that comes in there is stored. `routes`: those in force, in the order in which they are asked. */
export function storesAll(routes: readonly CompiledRoute[], way: WayIn): boolean {
  const first = routes.find((one) => one.takes(way))?.route;
  const isConditional = first === undefined || first.match !== undefined || first.filter.length > 0;
  return !isConditional && first.destinations.some(({ kind }) => kind === 'fhir');
}

const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || /^127\./.test(host);

/** Whether the name or address is this machine's, as far as that is known without asking anybody. */
function isOwn(host: string): boolean {
  if (isLoopback(host) || host === hostname()) return true;
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return isIP(host) !== 0 && all.some(({ address }) => address === host);
}

function reaches(listening: string, called: string): boolean {
  if (listening === '0.0.0.0' || listening === '::') return isOwn(called);
  return listening === called || (isLoopback(listening) && isLoopback(called));
}

/** The way in that the destination leads to; undefined: none, or none that can be told by its address. */
export function ownWay(destination: Destination, ways: readonly WayIn[]): WayIn | undefined {
  return ways.find((way) => {
    if (way.kind === 'mllp') {
      return (
        destination.kind === 'mllp' &&
        way.port === destination.port &&
        reaches(way.host, destination.host.toLowerCase())
      );
    }
    if (destination.kind !== 'file' || path.resolve(way.folder) !== path.resolve(destination.folder)) return false;
    // As the name of a message is, whatever its number.
    return patternOf(way.pattern)(destination.fileName.replaceAll(/\{\w+\}/g, '0'));
  });
}
