// What tells a release, read in one way by one program, from all others: a load that broke off goes on under the same mark only.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Format } from './format.ts';
import type { Release } from './release.ts';

export interface ReadOptions {
  version?: string | undefined;
  module?: string | undefined;
  language?: string | undefined;
}

const terminology = path.join(import.meta.dirname, '..');
const isSource = (name: string): boolean => name.endsWith('.ts') && !name.endsWith('.test.ts');

/** Of the sources that make rows of files, and of what they run on: another version may make other rows. */
async function programMark(): Promise<string> {
  const hash = createHash('sha256').update(process.version);
  hash.update(await readFile(path.join(terminology, '../package.json')));
  for (const folder of [terminology, import.meta.dirname]) {
    for (const name of (await readdir(folder)).filter(isSource).sort()) {
      hash.update(name).update(await readFile(path.join(folder, name)));
    }
  }
  return hash.digest('hex');
}

/** Of the names and contents of the files that are read, the options that say how, and the program. */
export async function markOf(release: Release, format: Format, options: ReadOptions): Promise<string> {
  const { version = '', module = '', language = '' } = options;
  const files: string[][] = [];
  for (const file of new Set(format.reads(release))) files.push([file.name, String(file.bytes), await file.mark()]);
  const all = [await programMark(), format.name, version, module, language, files];
  return createHash('sha256').update(JSON.stringify(all)).digest('hex');
}
