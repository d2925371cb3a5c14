// Which questions are to be answered: https://hl7.org/fhir/R4/questionnaire-definitions.html#Questionnaire.item.enableWhen
import type { JsonObject } from '#fhir-model';
import { objectsOf, textOf } from '../json.ts';
import { answersOf, areSame, choiceOf, type Given, order, type Question, type Value } from './questionnaire-model.ts';

type Comparison = (answer: Value, wanted: Value) => boolean | undefined;

const ordered =
  (holds: (difference: number) => boolean): Comparison =>
  (answer, wanted) => {
    const difference = order(answer, wanted);
    return difference === undefined ? undefined : holds(difference);
  };

const comparisons: Record<string, Comparison> = {
  '=': areSame,
  '>': ordered((difference) => difference > 0),
  '<': ordered((difference) => difference < 0),
  '>=': ordered((difference) => difference >= 0),
  '<=': ordered((difference) => difference <= 0),
};

type Index = ReadonlyMap<string, readonly Given[]>;

function addTo(index: Map<string, Given[]>, item: Given): void {
  const there = index.get(item.linkId);
  if (there === undefined) index.set(item.linkId, [item]);
  else there.push(item);
  for (const group of item.groups) for (const inner of group) addTo(index, inner);
}

function indexOf(items: readonly Given[]): Index {
  const index = new Map<string, Given[]>();
  for (const item of items) addTo(index, item);
  return index;
}

/** Where the answers to a linkId stand. */
export interface Answers {
  /** Those that stand nearest: of repeated groups, an item means the answers of its own. */
  nearest(from: Given | undefined, linkId: string): readonly Given[];
}

/** Each group is indexed when it is first asked for: items × levels in all, however many conditions there are. */
export function answersIn(roots: readonly Given[]): Answers {
  const all = indexOf(roots);
  const inside = new Map<Given, Index>();
  const indexAt = (item: Given): Index => {
    const index = inside.get(item) ?? indexOf([item]);
    inside.set(item, index);
    return index;
  };
  return {
    nearest(from, linkId) {
      const everywhere = all.get(linkId) ?? [];
      if (everywhere.length <= 1) return everywhere;
      for (let around = from; around !== undefined; around = around.parent) {
        const found = indexAt(around).get(linkId);
        if (found !== undefined) return found;
      }
      return everywhere;
    },
  };
}

/** Whether some answer compares so: true beats unknown beats false. */
function some(answers: readonly Value[], holds: (answer: Value) => boolean | undefined): boolean | undefined {
  let open = false;
  for (const answer of answers) {
    const found = holds(answer);
    if (found === true) return true;
    open ||= found === undefined;
  }
  return open ? undefined : false;
}

function conditionHolds(condition: JsonObject, answers: readonly Value[]): boolean | undefined {
  const operator = textOf(condition.operator) ?? '';
  const wanted = choiceOf(condition, 'answer');
  if (wanted === undefined) return undefined;
  if (operator === 'exists') return answers.length > 0 === wanted.value;
  if (operator === '!=') {
    const same = some(answers, (answer) => areSame(answer, wanted));
    return answers.length === 0 ? false : same === undefined ? undefined : !same;
  }
  const comparison = Object.hasOwn(comparisons, operator) ? comparisons[operator] : undefined;
  return comparison === undefined ? undefined : some(answers, (answer) => comparison(answer, wanted));
}

/** A condition that depends on more answers than this is not evaluated: thousands of such would take minutes. */
const answersMax = 500;

const countOf = (items: readonly Given[]): number =>
  items.reduce((sum, { item }) => sum + (Array.isArray(item.answer) ? item.answer.length : 1), 0);

/**
 * Whether the question is enabled by the answers that are given, for an item that stands (or would stand) below `parent`;
 * undefined where that can't be told.
 */
export function isEnabled(question: Question, parent: Given | undefined, answers: Answers): boolean | undefined {
  const conditions = objectsOf(question.item.enableWhen);
  if (conditions.length === 0) return true;
  const found = conditions.map((condition) => {
    const items = answers.nearest(parent, textOf(condition.question) ?? '');
    const tooMany = items.length > answersMax || countOf(items) > answersMax;
    return tooMany ? undefined : conditionHolds(condition, items.flatMap(answersOf));
  });
  if (question.item.enableBehavior === 'all') {
    return found.includes(false) ? false : found.includes(undefined) ? undefined : true;
  }
  if (found.includes(true)) return true;
  // Several conditions and not told how they combine.
  return found.includes(undefined) || (conditions.length > 1 && question.item.enableBehavior === undefined)
    ? undefined
    : false;
}
