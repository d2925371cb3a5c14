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

/** All items with that linkId below, wherever. */
function within(items: readonly Given[], linkId: string): Given[] {
  return items.flatMap((item) => [
    ...(item.linkId === linkId ? [item] : []),
    ...item.groups.flatMap((group) => within(group, linkId)),
  ]);
}

/** Those that stand nearest: of repeated groups, an item means the answers of its own. */
function nearest(from: Given | undefined, roots: readonly Given[], linkId: string): Given[] {
  for (let around = from; around !== undefined; around = around.parent) {
    const found = around.linkId === linkId ? [around] : around.groups.flatMap((group) => within(group, linkId));
    if (found.length > 0) return found;
  }
  return within(roots, linkId);
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

/**
 * Whether the question is enabled by the answers that are given, for an item that stands (or would stand) below `parent`;
 * undefined where that can't be told.
 */
export function isEnabled(question: Question, parent: Given | undefined, roots: readonly Given[]): boolean | undefined {
  const conditions = objectsOf(question.item.enableWhen);
  if (conditions.length === 0) return true;
  const found = conditions.map((condition) => {
    const items = nearest(parent, roots, textOf(condition.question) ?? '');
    return conditionHolds(condition, items.flatMap(answersOf));
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
