// Which test files use PostgreSQL, Redis or a broker that can be somebody's: the others have the same outcome whichever these are.
import path from 'node:path';
import { importsOf, readSource } from './tidy/source.ts';

const ASKS =
  /\b(?:testDatabase|testConnection|emptyConnection|testCluster|startTestCluster|TEST_(?:DATABASE|REDIS|MQTT)_URL|redis-server|mosquitto)\b/i;

/** What only tests use, but for the kit that all of them import. */
const isSupport = (file: string): boolean =>
  /\/testing(?:\/|\.ts$)|^test\//.test(file) && !file.startsWith('platform/testing/');

/** Whether the file, or what it imports of tests' own modules, asks for one. `file`: relative to `root`. */
export function usesServers(root: string, file: string, seen = new Set<string>()): boolean {
  if (seen.has(file)) return false;
  seen.add(file);
  const { text } = readSource(root, file);
  if (ASKS.test(text)) return true;
  return importsOf(text)
    .filter((specifier) => /^\..*\.ts$/.test(specifier))
    .map((specifier) => path.posix.join(path.posix.dirname(file), specifier))
    .some((imported) => isSupport(imported) && usesServers(root, imported, seen));
}
