// A log for tests: silent, unless TEST_LOG_LEVEL says otherwise.
import { createLog, type Log } from '../log.ts';

export function testLog(): Log {
  const level = process.env.TEST_LOG_LEVEL ?? 'silent';
  return createLog({ level, pretty: true, destination: { write: (line) => process.stderr.write(line) } });
}
