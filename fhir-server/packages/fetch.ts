// Packages of a registry: https://confluence.hl7.org/display/FHIR/NPM+Package+Specification, "Package Server"
// GET <registry>/<name>/<version> is the archive, GET <registry>/<name> lists the versions. Nothing but the address that was
// named is called: a redirect is followed within its origin only.
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { chooseVersion, compareVersions } from '#fhir-model';
import { CerebraError, isCerebraError } from '#platform';

/** Of an archive as it travels: that of the VSAC's value sets has some 200 MB. */
const ARCHIVE_BYTES_MAX = 1024 * 1024 * 1024;
const LISTING_BYTES_MAX = 16 * 1024 * 1024;
const REDIRECTS_MAX = 5;
/** Until the answer begins, and from one piece of it to the next. */
const SILENCE_MS = 30_000;

const failed = (url: string, what: string, cause?: unknown): CerebraError =>
  new CerebraError('unavailable', `${url}: ${what}`, { cause });

/** Throws `invalid-parameter` for what is no http URL. Without a slash at the end. */
export function registryUrl(text: string): string {
  const url = URL.parse(text);
  if (url && /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.search && !url.hash) {
    return url.href.replace(/\/+$/, '');
  }
  throw new CerebraError(
    'invalid-parameter',
    `'${text.slice(0, 200)}' is no address of a registry: http:// or https://`,
  );
}

interface Reply {
  response: Response;
  /** Ends the request when nothing comes for long. */
  alive(): void;
  done(): void;
}

async function call(address: string): Promise<Reply> {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(new Error(`nothing for ${SILENCE_MS} ms`)), SILENCE_MS);
  const done = (): void => clearTimeout(timer);
  try {
    const { origin } = new URL(address);
    for (let url = address, redirects = 0; ; redirects++) {
      const response = await fetch(url, { redirect: 'manual', signal: silence.signal });
      if (response.status < 300 || response.status > 399) return { response, alive: () => timer.refresh(), done };
      await response.body?.cancel();
      const next = URL.parse(response.headers.get('location') ?? '', url);
      if (next?.origin !== origin)
        throw failed(address, `leads elsewhere, to ${next?.origin ?? 'nothing'}: not followed`);
      if (redirects === REDIRECTS_MAX) throw failed(address, 'redirects in a circle');
      url = next.href;
    }
  } catch (error) {
    done();
    if (isCerebraError(error)) throw error;
    throw failed(address, 'does not answer', error);
  }
}

async function* bodyOf({ response, alive }: Reply, url: string, bytesMax: number): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  try {
    for await (const piece of response.body ?? []) {
      alive();
      bytes += piece.length;
      if (bytes > bytesMax) throw new CerebraError('too-large', `${url}: more than ${bytesMax} bytes`);
      yield piece;
    }
  } catch (error) {
    if (isCerebraError(error)) throw error;
    throw failed(url, 'the answer broke off', error);
  }
}

/** undefined: there is no such thing (404). */
async function get<T>(url: string, take: (body: AsyncGenerator<Uint8Array>) => Promise<T>, bytesMax: number) {
  const reply = await call(url);
  try {
    const { status } = reply.response;
    if (status === 404) return undefined;
    if (status !== 200) throw failed(url, `answers ${status}`);
    return await take(bodyOf(reply, url, bytesMax));
  } finally {
    await reply.response.body?.cancel().catch(() => undefined);
    reply.done();
  }
}

export interface Download {
  file: string;
  /** Removes it. */
  remove(): Promise<void>;
}

/** The archive, in a file of its own; undefined when there is none at that address. */
export async function download(url: string): Promise<Download | undefined> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'cerebra-package-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  const file = path.join(folder, 'package.tgz');
  try {
    const take = async (body: AsyncGenerator<Uint8Array>): Promise<Download> => {
      await pipeline(Readable.from(body), createWriteStream(file, { mode: 0o600 }));
      return { file, remove };
    };
    const found = await get(url, take, ARCHIVE_BYTES_MAX);
    if (!found) await remove();
    return found;
  } catch (error) {
    await remove();
    throw error;
  }
}

interface Listing {
  versions?: Record<string, unknown>;
  'dist-tags'?: Record<string, unknown>;
}

async function listing(url: string): Promise<Listing | undefined> {
  const take = async (body: AsyncGenerator<Uint8Array>): Promise<Listing> => {
    const text = Buffer.concat(await Array.fromAsync(body)).toString('utf8');
    try {
      return (JSON.parse(text) ?? {}) as Listing;
    } catch (error) {
      throw failed(url, 'the answer is no JSON', error);
    }
  };
  return get(url, take, LISTING_BYTES_MAX);
}

const isExact = (version: string): boolean => /^\d+\.\d+\.\d+/.test(version) && !/\.[xX*]/.test(version);

/** The version that is meant; undefined when the registry has none such. `wanted` may be undefined, `latest` or `6.1.x`. */
export async function resolveVersion(
  registry: string,
  name: string,
  wanted: string | undefined,
): Promise<string | undefined> {
  if (wanted !== undefined && isExact(wanted)) return wanted;
  const found = await listing(`${registry}/${name}`);
  const tagged = found?.['dist-tags']?.[wanted ?? 'latest'];
  if (typeof tagged === 'string') return tagged;
  const versions = Object.keys(found?.versions ?? {}).sort((a, b) => compareVersions(b, a));
  const candidates = versions.map((version) => ({ version }));
  return chooseVersion(candidates, wanted === 'latest' ? undefined : wanted)?.version;
}

export const archiveUrl = (registry: string, name: string, version: string): string =>
  `${registry}/${name}/${encodeURIComponent(version)}`;
