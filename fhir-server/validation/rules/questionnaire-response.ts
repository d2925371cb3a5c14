// A QuestionnaireResponse against its Questionnaire: https://hl7.org/fhir/R4/questionnaireresponse.html
import type { JsonObject } from '#fhir-model';
import { objectsOf, textOf } from '../json.ts';
import { shown } from '../report.ts';
import { type Fault, fault } from './fault.ts';
import type { CompileInvariant } from './invariants.ts';
import { type AnswerRules, answerFaults } from './questionnaire-answers.ts';
import { constraintFaults } from './questionnaire-constraints.ts';
import { type Answers, answersIn, isEnabled } from './questionnaire-enable-when.ts';
import { type Form, formOf, type Given, givenIn, type Question } from './questionnaire-model.ts';

export interface ResponseRules extends AnswerRules {
  /** Without it the Questionnaire's own constraints are not evaluated. */
  readonly invariant?: CompileInvariant;
}

interface Walk {
  readonly form: Form;
  readonly rules: ResponseRules;
  readonly response: JsonObject;
  readonly answers: Answers;
  /** All that is required is wanted only of a response that is done. */
  readonly done: boolean;
  readonly faults: Fault[];
}

const faultsMax = 200;

function add(walk: Walk, code: string, id: string, at: string, message: string): void {
  if (walk.faults.length < faultsMax) walk.faults.push(fault('error', code, id, at, message));
}

/** A place of the response: the items there, and the questions of which they may be answers. */
interface Place {
  readonly at: string;
  readonly parent: Given | undefined;
  readonly items: readonly Given[];
  readonly questions: readonly Question[];
}

function checkUnknown(walk: Walk, { items, questions }: Place): void {
  const here = new Set(questions.map(({ linkId }) => linkId));
  for (const { linkId, at } of items) {
    if (here.has(linkId)) continue;
    const known = walk.form.byLinkId.has(linkId);
    const message = known
      ? `'${shown(linkId)}' belongs elsewhere in the Questionnaire`
      : `the Questionnaire has no item '${shown(linkId)}'`;
    add(
      walk,
      known ? 'structure' : 'not-found',
      known ? 'questionnaire-place' : 'questionnaire-link-id',
      `${at}.linkId`,
      message,
    );
  }
}

function checkOrder(walk: Walk, { items, questions }: Place): void {
  const positions = new Map(questions.map(({ linkId }, index) => [linkId, index]));
  let last = -1;
  for (const { linkId, at } of items) {
    const position = positions.get(linkId);
    if (position === undefined) continue;
    if (position < last)
      add(
        walk,
        'structure',
        'questionnaire-order',
        at,
        `'${shown(linkId)}' stands after items that it precedes in the Questionnaire`,
      );
    last = Math.max(last, position);
  }
}

function hasContent({ item, groups }: Given): boolean {
  return objectsOf(item.answer).length > 0 || groups.some((group) => group.some(hasContent));
}

function checkMissing(walk: Walk, question: Question, place: Place): void {
  if (question.item.required !== true || question.type === 'display' || !walk.done) return;
  if (isEnabled(question, place.parent, walk.answers) !== true) return;
  add(
    walk,
    'required',
    'questionnaire-required',
    place.at,
    `no answer to the required item '${shown(question.linkId)}'`,
  );
}

/** Questions repeat by their answers, groups by their items. */
function checkRepeats(walk: Walk, { item, type, linkId }: Question, items: readonly Given[]): void {
  const [first, second] = items;
  if (second !== undefined && !(type === 'group' && item.repeats === true)) {
    const what = type === 'group' ? 'does not repeat' : 'repeats by several answers in one item';
    add(walk, 'invalid', 'questionnaire-repeats', second.at, `'${shown(linkId)}' ${what}`);
  }
  if (first === undefined || type === 'group' || item.repeats === true) return;
  for (const one of items) {
    if (objectsOf(one.item.answer).length > 1)
      add(walk, 'invalid', 'questionnaire-repeats', one.at, `'${shown(linkId)}' has one answer at most`);
  }
}

function checkText(walk: Walk, { item }: Question, given: Given): void {
  const [asked, told] = [textOf(item.text), textOf(given.item.text)];
  if (asked === undefined || told === undefined || asked === told || walk.faults.length >= faultsMax) return;
  const message = 'the text differs from that of the Questionnaire';
  walk.faults.push(fault('warning', 'invariant', 'questionnaire-text', `${given.at}.text`, message));
}

function checkGroup(walk: Walk, question: Question, given: Given): void {
  if (given.item.answer !== undefined)
    add(walk, 'structure', 'questionnaire-group', `${given.at}.answer`, 'a group has items, no answers');
  const [items = []] = given.groups;
  if (question.item.required === true && walk.done && !items.some(hasContent)) {
    add(walk, 'invariant', 'questionnaire-required', given.at, 'a required group has answers');
    return;
  }
  if (items.length > 0 || given.item.item === undefined)
    checkPlace(walk, { at: given.at, parent: given, items, questions: question.children });
}

function checkQuestion(walk: Walk, question: Question, given: Given): void {
  const [beside = []] = given.groups;
  if (beside.length > 0) {
    add(
      walk,
      'structure',
      'questionnaire-place',
      `${given.at}.item`,
      "items below a question stand in its answer's item",
    );
  }
  const answers = objectsOf(given.item.answer);
  if (answers.length === 0) {
    if (question.item.required === true && walk.done) {
      add(
        walk,
        'required',
        'questionnaire-required',
        given.at,
        `no answer to the required item '${shown(question.linkId)}'`,
      );
    }
    return;
  }
  answers.forEach((answer, index) => {
    const at = `${given.at}.answer[${index}]`;
    if (walk.faults.length < faultsMax) walk.faults.push(...answerFaults(question, answer, at, walk.rules));
    const items = given.groups[index + 1] ?? [];
    checkPlace(walk, { at, parent: given, items, questions: question.children });
  });
}

function checkConstraints(walk: Walk, owner: JsonObject, part: JsonObject, at: string): void {
  const { response, rules, faults } = walk;
  if (rules.invariant === undefined || owner.extension === undefined || faults.length >= faultsMax) return;
  faults.push(...constraintFaults(owner, part, response, at, rules.invariant));
}

function checkItem(walk: Walk, question: Question, given: Given, parent: Given | undefined): void {
  checkText(walk, question, given);
  // Forms leave what is not enabled there, unanswered: nothing is required of it or below it.
  if (isEnabled(question, parent, walk.answers) === false) {
    const message = `'${shown(question.linkId)}' has answers although it is not enabled`;
    if (hasContent(given)) add(walk, 'invariant', 'questionnaire-enabled', given.at, message);
    return;
  }
  checkConstraints(walk, question.item, given.item, given.at);
  if (question.type === 'group') checkGroup(walk, question, given);
  else if (question.type !== 'display') checkQuestion(walk, question, given);
  else if (hasContent(given))
    add(walk, 'structure', 'questionnaire-display', given.at, 'a display item has no answers and no items');
}

function checkPlace(walk: Walk, place: Place): void {
  checkUnknown(walk, place);
  checkOrder(walk, place);
  const byLinkId = Map.groupBy(place.items, ({ linkId }) => linkId);
  for (const question of place.questions) {
    const items = byLinkId.get(question.linkId) ?? [];
    if (items.length === 0) checkMissing(walk, question, place);
    checkRepeats(walk, question, items);
    for (const given of items) checkItem(walk, question, given, place.parent);
  }
}

/** A response that has been completed has all that is required; one in progress or stopped need not. */
const doneStatuses = new Set(['completed', 'amended']);

/** `at` is the response's path. At most 200 faults. */
export function questionnaireResponseFaults(
  response: JsonObject,
  questionnaire: JsonObject,
  at: string,
  rules: ResponseRules,
): Fault[] {
  const form = formOf(questionnaire);
  const roots = givenIn(response.item, at, undefined);
  const done = doneStatuses.has(textOf(response.status) ?? '');
  const walk: Walk = { form, rules, response, answers: answersIn(roots), done, faults: [] };
  checkConstraints(walk, questionnaire, response, at);
  checkPlace(walk, { at, parent: undefined, items: roots, questions: form.questions });
  return walk.faults.slice(0, faultsMax);
}
