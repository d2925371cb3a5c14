// A log that can be read: what its records have after redaction.
import { createLog, type Log } from '#platform';

export interface ReadLog {
  log: Log;
  /** The records with this message, without level and time. */
  told(message: string): Record<string, unknown>[];
  /** Everything, as it is written. */
  text(): string;
}

export function createReadLog(): ReadLog {
  const lines: string[] = [];
  return {
    log: createLog({ level: 'info', destination: { write: (line) => void lines.push(line) } }),
    told(message) {
      const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
      return records
        .filter(({ msg }) => msg === message)
        .map(({ level: _level, time: _time, msg: _msg, ...rest }) => rest);
    },
    text: () => lines.join(''),
  };
}
