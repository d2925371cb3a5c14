// Changes that a route makes to a message, for its mapping or for a destination: one after the other, all else byte for byte.
import { compilePattern, isCerebraError } from '#platform';
import { edit, type Edit as MessageEdit } from '../message/edit.ts';
import type { Hl7Message, Part } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';
import { compileCodeMap } from './code-map.ts';
import { asking, compileCondition, type PathSlots, type Predicate } from './condition.ts';
import { compileFieldPath } from './field-path.ts';
import type { Edit, Route } from './schema.ts';

/** What one edit did, for the dry run. */
export interface EditStep {
  edit: Edit;
  /** Its `when` held, or it has none. */
  applies: boolean;
  /** What stands at its path; null where nothing does. */
  before: (string | null)[];
  after: (string | null)[];
}

export interface CompiledEdits {
  /** The same message where nothing changes. Throws Refusal AE for a value that the message cannot hold. */
  apply(message: Hl7Message): Hl7Message;
  explain(message: Hl7Message): { message: Hl7Message; steps: EditStep[] };
}

/** One edit at work: undefined where its `when` does not hold. */
type Work = (message: Hl7Message) => MessageEdit[] | undefined;

export function compileEdits(edits: readonly Edit[], codeMaps: Route['codeMaps'], slots: PathSlots): CompiledEdits {
  const compiled = edits.map((one) => ({ one, work: compileWork(one, codeMaps, slots) }));
  return {
    apply: (message) => compiled.reduce((current, { work }) => changed(current, work(current)), message),
    explain(message) {
      let current = message;
      const steps = compiled.map(({ one, work }): EditStep => {
        const changes = work(current);
        const before = valuesAt(current, one.path);
        current = changed(current, changes);
        return { edit: one, applies: changes !== undefined, before, after: valuesAt(current, one.path) };
      });
      return { message: current, steps };
    },
  };
}

function changed(message: Hl7Message, changes: MessageEdit[] = []): Hl7Message {
  if (changes.length === 0) return message;
  try {
    return edit(message, changes);
  } catch (error) {
    // RangeError: replacing would take too long.
    if (!isCerebraError(error, 'invalid') && !(error instanceof RangeError)) throw error;
    throw new Refusal('AE', '207', `The route cannot change the message: ${error.message}`, { cause: error });
  }
}

const valuesShownMax = 20;

function valuesAt(message: Hl7Message, path: string): (string | null)[] {
  const found = compileFieldPath(path)(message).slice(0, valuesShownMax);
  return found.map((part) => (part.isNull ? '""' : (part.whole ?? part.text ?? null)));
}

function compileWork(one: Edit, codeMaps: Route['codeMaps'], slots: PathSlots): Work {
  const when: Predicate | undefined = one.when === undefined ? undefined : compileCondition(one.when, slots);
  const changes = compileChanges(one, codeMaps);
  return (message) => (when === undefined || when.test(asking(message)) ? changes(message) : undefined);
}

function compileChanges(one: Edit, codeMaps: Route['codeMaps']): (message: Hl7Message) => MessageEdit[] {
  const { path } = one;
  switch (one.op) {
    case 'set':
      return () => [{ path, value: one.value }];
    case 'delete':
      return () => [{ remove: path }];
    case 'copy': {
      const from = compileFieldPath(one.from);
      return (message) => (from(message).some(isThere) ? [{ path, copyFrom: one.from }] : []);
    }
    case 'map': {
      const find = compileCodeMap(codeMaps[one.codeMap]!);
      return () => [{ path, map: (text) => find(text)?.code ?? text }];
    }
    case 'replace': {
      const pattern = compilePattern(one.matches, { ignoreCase: one.ignoreCase });
      return () => [{ path, map: (text) => pattern.replaceAll(text, one.with) }];
    }
  }
}

const isThere = ({ raw }: Part): boolean => raw !== '';
