// Certificates from files, read again when they change: a renewed certificate must not need a restart.
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { CerebraError, type Log } from '#platform';
import type { MllpListenerConfig } from './config.ts';

type TlsFiles = NonNullable<MllpListenerConfig['tls']>;

/** Throws CerebraError `config` that names the listener, if a file can't be read or the key is not the certificate's. */
export function readTls(listener: string, { cert, key, ca }: TlsFiles): SecureContextOptions {
  try {
    const context: SecureContextOptions = { cert: readFileSync(cert), key: readFileSync(key), minVersion: 'TLSv1.2' };
    if (ca !== undefined) context.ca = readFileSync(ca);
    createSecureContext(context);
    return context;
  } catch (cause) {
    throw new CerebraError('config', `HL7_LISTENERS: listener '${listener}', tls: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** One that may not be looked at counts as away: reading it tells why. */
function stateOfFile(file: string): string {
  try {
    const { ino, mtimeMs, size } = statSync(file);
    return `${ino} ${mtimeMs} ${size}`;
  } catch {
    return 'none';
  }
}

/** When and how large they are; a file that is away just now counts as changed. */
export const stateOfTls = ({ cert, key, ca }: TlsFiles): string =>
  [cert, key, ...(ca === undefined ? [] : [ca])].map(stateOfFile).join();

export interface TlsWatch {
  stop(): void;
}

/**
 * Looks every `everyMs`, which links of Kubernetes secrets need: their files never change, what they lead to does. Files
 * that don't fit each other (one is written before the other) leave what was, until they do.
 */
export function watchTls(
  listener: string,
  files: TlsFiles,
  options: {
    everyMs: number;
    log: Log;
    onChange(context: SecureContextOptions): void;
    /** As they were before those in use were read: a server may read them minutes before it listens. Default: as they are now. */
    known?: string | undefined;
  },
): TlsWatch {
  let { known = stateOfTls(files) } = options;
  let faulty = '';
  const timer = setInterval(() => {
    const now = stateOfTls(files);
    if (now === known || now === faulty) return;
    try {
      options.onChange(readTls(listener, files));
      known = now;
      faulty = '';
      options.log.info({ listener }, 'TLS certificate read again');
    } catch (err) {
      faulty = now;
      options.log.warn({ err, listener }, 'TLS files have changed and cannot be used: the former ones stay');
    }
  }, options.everyMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
