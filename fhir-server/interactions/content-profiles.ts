// The profiles of what is known only inside a transaction: patched resources, and those merged with what is there. They are
// checked between two attempts, so that no row is locked meanwhile: the first one tells what it would write, the next one
// writes it if it is still the same. https://hl7.org/fhir/R4/profiling.html
import { type Resource, stringify } from '#fhir-model';
import type { Beside } from '../validation/on-write.ts';
import type { Core } from './core.ts';
import { at } from './entries.ts';
import { cloneJson } from './links.ts';

/** Of one entry: what was checked, and what is stored in its place. */
interface Verdict {
  text: string;
  resource: Resource;
}

export interface Verdicts {
  readonly done: Map<number, Verdict>;
  /** Entry index → what has to be checked before it can be written. */
  readonly open: Map<number, Resource>;
}

export const newVerdicts = (): Verdicts => ({ done: new Map(), open: new Map() });

/** Ends an attempt: `verdicts.open` has what is to be checked. */
export class Unchecked extends Error {}

/**
 * What to store for the entry; where that isn't checked yet, it is put among the open ones. The caller may change it: what was
 * checked, and what it is compared with, are copies. Ids put in place of urns would make it another content at each attempt.
 */
export function settledContent(core: Core, verdicts: Verdicts, index: number, content: Resource): Resource {
  if (!core.onWrite.concerns(content)) return content;
  const known = verdicts.done.get(index);
  if (known !== undefined && known.text === stringify(content)) return cloneJson(known.resource) as Resource;
  verdicts.open.set(index, cloneJson(content) as Resource);
  return content;
}

/** Throws Unchecked where something is open. */
export function assertSettled(verdicts: Verdicts): void {
  if (verdicts.open.size > 0) throw new Unchecked('contents are to be checked first');
}

/** Checks what is open, outside of any transaction. Throws `invalid-resource` with the entry's place. */
export async function checkOpen(core: Core, verdicts: Verdicts, beside: readonly Beside[]): Promise<void> {
  for (const [index, content] of verdicts.open) {
    const text = stringify(content);
    const resource = (await core.onWrite.check(content, at(index, '.resource'), beside)) ?? content;
    verdicts.done.set(index, { text, resource });
  }
  verdicts.open.clear();
}
