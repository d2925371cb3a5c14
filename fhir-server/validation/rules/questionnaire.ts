// A Questionnaire in itself: https://hl7.org/fhir/R4/questionnaire.html
import type { JsonObject } from '#fhir-model';
import { objectsOf, textOf } from '../json.ts';
import { shown } from '../report.ts';
import type { Fault } from './fault.ts';
import { type Faults, faultList } from './place.ts';
import { answerTypesOf } from './questionnaire-answers.ts';
import { choiceOf, type Form, formOf, type Question } from './questionnaire-model.ts';

/** https://hl7.org/fhir/R4/valueset-questionnaire-enable-operator.html: an order is needed for these. */
const ordering = new Set(['>', '<', '>=', '<=']);
const ordered = new Set([
  'decimal',
  'integer',
  'date',
  'dateTime',
  'time',
  'quantity',
  'string',
  'text',
  'choice',
  'open-choice',
]);

function isBelow(question: Question, other: Question): boolean {
  for (let at: Question | undefined = other; at !== undefined; at = at.parent) if (at === question) return true;
  return false;
}

function checkCondition(faults: Faults, form: Form, question: Question, condition: JsonObject, at: string): void {
  const asked = textOf(condition.question) ?? '';
  const target = form.byLinkId.get(asked);
  if (target === undefined) {
    faults.error(
      'business-rule',
      'questionnaire-enable-when',
      `${at}.question`,
      `no item has the linkId '${shown(asked)}'`,
    );
    return;
  }
  if (isBelow(question, target)) {
    faults.error(
      'business-rule',
      'questionnaire-enable-when',
      `${at}.question`,
      'an item is not enabled by itself or by what is in it',
    );
  }
  if (target.type === 'group' || target.type === 'display') {
    faults.warn(
      'business-rule',
      'questionnaire-enable-when',
      `${at}.question`,
      `'${shown(asked)}' is a ${target.type}, which has no answers`,
    );
  }
  const { operator } = condition;
  if (operator === 'exists') return;
  if (typeof operator === 'string' && ordering.has(operator) && !ordered.has(target.type)) {
    faults.error(
      'business-rule',
      'questionnaire-enable-when',
      `${at}.operator`,
      `answers of the type ${target.type} have no order`,
    );
  }
  const answer = choiceOf(condition, 'answer');
  const allowed = answerTypesOf(target.type);
  if (answer === undefined || allowed === undefined || allowed.includes(answer.type)) return;
  faults.error(
    'business-rule',
    'questionnaire-enable-when',
    `${at}.answer`,
    `'${shown(asked)}' has answers of the type ${allowed[0]}, found ${answer.type}`,
  );
}

function checkOptions(faults: Faults, { item, type }: Question, at: string, contained: ReadonlySet<string>): void {
  const url = textOf(item.answerValueSet);
  if (url?.startsWith('#') === true && !contained.has(url.slice(1))) {
    faults.error(
      'not-found',
      'questionnaire-value-set',
      `${at}.answerValueSet`,
      `'${shown(url)}' is not among the contained resources`,
    );
  }
  const allowed = answerTypesOf(type);
  objectsOf(item.initial).forEach((initial, index) => {
    const value = choiceOf(initial, 'value');
    if (value === undefined || allowed === undefined || allowed.includes(value.type)) return;
    faults.error(
      'business-rule',
      'questionnaire-initial',
      `${at}.initial[${index}]`,
      `answers here are of the type ${allowed[0]}, found ${value.type}`,
    );
  });
}

interface Context {
  readonly faults: Faults;
  readonly form: Form;
  readonly contained: ReadonlySet<string>;
}

function checkQuestion(context: Context, question: Question, at: string): void {
  const { faults, form } = context;
  const { item, linkId } = question;
  if (form.byLinkId.get(linkId) !== question) {
    faults.error(
      'business-rule',
      'questionnaire-link-id',
      `${at}.linkId`,
      `'${shown(linkId)}' is the linkId of another item`,
    );
  }
  objectsOf(item.enableWhen).forEach((condition, index) => {
    checkCondition(faults, form, question, condition, `${at}.enableWhen[${index}]`);
  });
  checkOptions(faults, question, at, context.contained);
  question.children.forEach((child, index) => {
    checkQuestion(context, child, `${at}.item[${index}]`);
  });
}

/** `at` is the resource's path; `container` what it is contained in, or itself: `#id` is looked for there. */
export function questionnaireFaults(questionnaire: JsonObject, at: string, container = questionnaire): Fault[] {
  const form = formOf(questionnaire);
  const contained = new Set(objectsOf(container.contained).flatMap(({ id }) => textOf(id) ?? []));
  const context = { faults: faultList(), form, contained };
  form.questions.forEach((question, index) => {
    checkQuestion(context, question, `${at}.item[${index}]`);
  });
  return context.faults.list;
}
