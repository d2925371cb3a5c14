// Real messages for tests: ../shared/corpus/hl7v2 from the project's root, or CORPUS_DIR; not part of the project.
import { existsSync } from 'node:fs';
import { type CorpusFile, corpusFiles, corpusFolder } from '#platform/testing';

const folder = corpusFolder('hl7v2');

/** For `test(name, { skip })`: why there is no corpus, or false. */
export const corpusMissing: string | false = existsSync(folder) ? false : `no corpus of HL7 messages at ${folder}`;

export type CorpusMessage = CorpusFile;

export const corpusMessages = (): CorpusMessage[] => corpusFiles('hl7v2', /\.(hl7|txt)$/);
