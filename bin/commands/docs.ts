// `cerebra docs`: the pages that are made of the code.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { mappingPage } from '#hl7-engine';
import { configMarkdown } from '#platform';
import { takesNothing } from './begin.ts';

const page = (name: string): string => path.join(import.meta.dirname, '../../docs', name);

export async function run(args: string[]): Promise<void> {
  takesNothing(args);
  await writeFile(page('configuration.md'), configMarkdown());
  const mapping = page('hl7-mapping.md');
  await writeFile(mapping, await mappingPage(await readFile(mapping, 'utf8').catch(() => '')));
  console.log('docs/configuration.md and docs/hl7-mapping.md are written.');
}
