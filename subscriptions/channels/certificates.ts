// SUBSCRIPTION_TLS: who this server is to the hosts of subscribers, and whom it trusts there, beside the public authorities.
// https://nodejs.org/api/tls.html#tlscreatesecurecontextoptions
import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { createSecureContext } from 'node:tls';
import { CerebraError } from '#platform';
import type { HostCertificates } from './rest-hook.ts';

const parts = ['cert', 'key', 'ca'] as const;
const fileBytesMax = 1024 * 1024;

/** PEM texts of one host. */
export type HostPems = Partial<Record<(typeof parts)[number], string>>;

/** Certificates are renewed in place, commonly some days before they expire: a look at a few files costs some µs. */
const lookEveryMs = 10_000;

/**
 * `file`: JSON such as `{"ward.example.org": {"cert": "ward.pem", "key": "ward.key", "ca": "ward-ca.pem"}}`: names of PEM files,
 * from the folder of the JSON on. A host is a name, or a name and a port. Throws CerebraError `config` that names the fault. Files that
 * are changed later are read anew; where they have a fault, that is told once, and what was read before goes on.
 */
export function readHostCertificates(file: string | undefined, everyMs = lookEveryMs): HostCertificates | undefined {
  if (file === undefined || file === '') return undefined;
  const stamps: Stamps = new Map();
  let hosts = readHosts(file, stamps);
  let lookedMs = performance.now();
  const renew = () => {
    if ([...stamps].every(([name, stamp]) => stampOf(name) === stamp)) return;
    // Before it is read: a fault is told once, and what is written meanwhile is read with the next look.
    for (const name of stamps.keys()) stamps.set(name, stampOf(name));
    hosts = readHosts(file, stamps);
  };
  return (host, onFault) => {
    if (performance.now() - lookedMs >= everyMs) {
      lookedMs = performance.now();
      try {
        renew();
      } catch (error) {
        onFault?.(error);
      }
    }
    return hosts.get(host.toLowerCase()) ?? hosts.get(host.toLowerCase().replace(/:\d+$/, ''));
  };
}

/** Of all the files, by name, from before each was read; also of those that could not be. */
type Stamps = Map<string, string>;

function readHosts(file: string, stamps: Stamps): ReadonlyMap<string, HostPems> {
  const hosts = new Map<string, HostPems>();
  stamps.set(file, stampOf(file));
  for (const [host, given] of Object.entries(objectOf(readJson(file), file))) {
    if (!/^[A-Za-z0-9.[\]:-]{1,260}$/.test(host)) throw bad(file, `'${host}' is no host, or host and port`);
    hosts.set(host.toLowerCase(), readHost(host, objectOf(given, `${file}: ${host}`), file, stamps));
  }
  return hosts;
}

/** Another one once the file has been written, or another put in its place. */
function stampOf(name: string): string {
  const found = statSync(name, { throwIfNoEntry: false });
  return found ? `${found.ino} ${found.mtimeMs} ${found.size}` : '';
}

function readHost(host: string, given: Record<string, unknown>, file: string, stamps: Stamps): HostPems {
  const unknown = Object.keys(given).find((name) => !(parts as readonly string[]).includes(name));
  if (unknown !== undefined) throw bad(file, `${host}: '${unknown}' is none of ${parts.join(', ')}`);
  const found: HostPems = {};
  for (const name of parts) {
    const value = given[name];
    if (value === undefined) continue;
    if (typeof value !== 'string') throw bad(file, `${host}: ${name} must be the name of a PEM file`);
    const pem = path.resolve(path.dirname(file), value);
    stamps.set(pem, stampOf(pem));
    found[name] = readText(pem);
  }
  if ((found.cert === undefined) !== (found.key === undefined))
    throw bad(file, `${host}: cert and key belong together`);
  try {
    if (found.ca !== undefined) new X509Certificate(found.ca);
    createSecureContext(found);
  } catch (cause) {
    // Which of the two does not fit, without a word of what they hold.
    throw bad(file, `${host}: the certificate and the key do not fit, or one of the files is no PEM`, cause);
  }
  return found;
}

function readText(name: string): string {
  try {
    const text = readFileSync(name, 'utf8');
    if (text.length <= fileBytesMax) return text;
  } catch (cause) {
    throw bad(name, 'it can not be read', cause);
  }
  throw bad(name, `it is longer than ${fileBytesMax} bytes`);
}

function readJson(file: string): unknown {
  const text = readText(file);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw bad(file, 'it is no JSON', cause);
  }
}

function objectOf(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw bad(what, 'it must be a JSON object');
}

const bad = (what: string, problem: string, cause?: unknown) =>
  new CerebraError('config', `SUBSCRIPTION_TLS: ${what}: ${problem}`, { cause });
