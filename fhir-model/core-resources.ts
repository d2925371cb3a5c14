// R4's own conformance resources, whole: StructureDefinitions with their snapshots, value sets, code systems and the rest.
// https://hl7.org/fhir/R4/downloads.html
import { type FileHandle, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { inflateRaw } from 'node:zlib';
import { type Compiled, readCompiled } from './compiled.ts';
import { parseJson } from './json.ts';
import type { Resource } from './types.ts';

/** By type and url: version, where in the file it begins, how many bytes it has there. */
export type CoreIndex = Record<string, Record<string, [version: string, at: number, bytes: number]>>;

export interface CoreResources {
  /** The resource of that url, without its narrative. Read and parsed anew at each call: some ms for the largest. */
  read(type: string, url: string): Promise<Resource | undefined>;
  /** Its version; undefined where R4 has no such url. */
  version(type: string, url: string): string | undefined;
  /** The urls of a type. */
  urls(type: string): string[];
}

const TAIL_BYTES = 12;

async function readAt(file: FileHandle, at: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  const { bytesRead } = await file.read(buffer, 0, bytes, at);
  if (bytesRead < bytes) throw new Error('cut short');
  return buffer;
}

const inflate = promisify(inflateRaw);

/** The file stays open for as long as the process runs: 4,477 resources in 6.4 MB. */
async function openFile(name: string): Promise<CoreResources> {
  const file = await open(name);
  try {
    const { size } = await file.stat();
    const bytes = Number((await readAt(file, size - TAIL_BYTES, TAIL_BYTES)).toString());
    const index = JSON.parse((await readAt(file, size - TAIL_BYTES - bytes, bytes)).toString()) as CoreIndex;
    return resourcesIn(file, index);
  } catch (error) {
    await file.close();
    throw error;
  }
}

function resourcesIn(file: FileHandle, index: CoreIndex): CoreResources {
  const found = new Map(Object.entries(index).map(([type, urls]) => [type, new Map(Object.entries(urls))]));
  return {
    async read(type, url) {
      const place = found.get(type)?.get(url);
      if (place === undefined) return undefined;
      const text = (await inflate(await readAt(file, place[1], place[2]))).toString();
      return parseJson(text).value as Resource;
    },
    version: (type, url) => found.get(type)?.get(url)?.[0],
    urls: (type) => [...(found.get(type)?.keys() ?? [])],
  };
}

const compiled: Compiled<CoreResources> = {
  name: 'fhir-r4-resources',
  ending: '.bin',
  programs: ['core-resources-compile.ts'],
  read: openFile,
};

const loading = new Map<string, Promise<CoreResources>>();

/** Opens them, in a few ms; the first time the file is made in a child process (some 5 s). `cacheDir` as of loadDefinitions. */
export function loadCoreResources(cacheDir?: string): Promise<CoreResources> {
  const key = cacheDir ?? '';
  const pending = loading.get(key) ?? readCompiled(compiled, cacheDir);
  loading.set(key, pending);
  pending.catch(() => loading.delete(key));
  return pending;
}
