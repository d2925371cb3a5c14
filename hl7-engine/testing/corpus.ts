// Real messages for tests: ../shared/corpus/hl7v2 from the project's root, or CORPUS_DIR; not part of the project.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const folder = path.join(process.env.CORPUS_DIR ?? path.join(import.meta.dirname, '../../../shared/corpus'), 'hl7v2');

/** For `test(name, { skip })`: why there is no corpus, or false. */
export const corpusMissing: string | false = existsSync(folder) ? false : `no corpus of HL7 messages at ${folder}`;

export interface CorpusMessage {
  name: string;
  raw: Buffer;
}

export function corpusMessages(): CorpusMessage[] {
  if (corpusMissing !== false) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(hl7|txt)$/.test(entry.name))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .toSorted()
    .map((file) => ({ name: path.relative(folder, file), raw: readFileSync(file) }));
}
