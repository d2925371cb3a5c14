// A Questionnaire and a response to it, as the rules look at them: https://hl7.org/fhir/R4/questionnaire.html
import { isNumber, type Json, type JsonObject } from '#fhir-model';
import { objectsOf, textOf } from '../json.ts';
import { compare, equal } from './fhirpath/compare.ts';
import { Cannot } from './fhirpath/items.ts';

/** What `answer.value[x]`, `answerOption.value[x]`, `enableWhen.answer[x]` or an extension's value holds. */
export interface Value {
  readonly type: string;
  readonly value: Json;
}

const types = new Map(
  [
    'boolean',
    'decimal',
    'integer',
    'date',
    'dateTime',
    'time',
    'string',
    'uri',
    'Attachment',
    'Coding',
    'Quantity',
    'Reference',
    'code',
  ].map((type) => [`${type.charAt(0).toUpperCase()}${type.slice(1)}`, type]),
);

/** The choice named `value` or `answer` of an object. */
export function choiceOf(owner: JsonObject, stem: string): Value | undefined {
  for (const name in owner) {
    if (!name.startsWith(stem)) continue;
    const type = types.get(name.slice(stem.length));
    const value = owner[name];
    if (type !== undefined && value !== undefined && value !== null) return { type, value };
  }
  return undefined;
}

/** The same code, whatever its display. */
function sameCoding(a: JsonObject, b: JsonObject): boolean {
  return a.code === b.code && (a.system ?? '') === (b.system ?? '');
}

/** Undefined where it can't be told (dates of different precision, units without anything in common). */
export function areSame(a: Value, b: Value): boolean | undefined {
  if (a.type === 'Coding' && b.type === 'Coding') return sameCoding(a.value as JsonObject, b.value as JsonObject);
  if (a.type === 'Reference' && b.type === 'Reference') {
    return (a.value as JsonObject).reference === (b.value as JsonObject).reference;
  }
  try {
    return equal([a.value], [b.value], a.type, b.type);
  } catch (error) {
    if (error instanceof Cannot) return undefined;
    throw error;
  }
}

/** Negative, 0 or positive; undefined where it can't be told. */
export function order(a: Value, b: Value): number | undefined {
  const bothNumbers = isNumber(a.value) && isNumber(b.value);
  if (a.type !== b.type && !bothNumbers && !(a.type.startsWith('date') && b.type.startsWith('date'))) return undefined;
  try {
    return compare(a.value, b.value, a.type, b.type);
  } catch (error) {
    if (error instanceof Cannot) return undefined;
    throw error;
  }
}

/** An item of the Questionnaire with what is around it. */
export interface Question {
  readonly item: JsonObject;
  readonly linkId: string;
  readonly type: string;
  readonly parent: Question | undefined;
  readonly children: readonly Question[];
}

/** Deeper than any form; also bounds every walk below. */
const levelsMax = 60;

function questionsIn(
  items: Json | undefined,
  parent: Question | undefined,
  all: Map<string, Question>,
  level: number,
): Question[] {
  if (level > levelsMax) return [];
  return objectsOf(items).map((item) => {
    const children: Question[] = [];
    const question: Question = {
      item,
      linkId: textOf(item.linkId) ?? '',
      type: textOf(item.type) ?? '',
      parent,
      children,
    };
    children.push(...questionsIn(item.item, question, all, level + 1));
    if (!all.has(question.linkId)) all.set(question.linkId, question);
    return question;
  });
}

export interface Form {
  readonly questions: readonly Question[];
  readonly byLinkId: ReadonlyMap<string, Question>;
}

export function formOf(questionnaire: JsonObject): Form {
  const byLinkId = new Map<string, Question>();
  return { questions: questionsIn(questionnaire.item, undefined, byLinkId, 0), byLinkId };
}

/** An item of the response: those below it stand in `item` or, below a question, in its answers' `item`. */
export interface Given {
  readonly item: JsonObject;
  readonly linkId: string;
  readonly at: string;
  readonly parent: Given | undefined;
  /** `Given`s below, by the place they stand in: of the item itself, then of each answer. */
  readonly groups: readonly (readonly Given[])[];
}

function given(item: JsonObject, at: string, parent: Given | undefined, level: number): Given {
  const groups: Given[][] = [];
  const self: Given = { item, linkId: textOf(item.linkId) ?? '', at, parent, groups };
  groups.push(givenIn(item.item, at, self, level + 1));
  objectsOf(item.answer).forEach((answer, index) => {
    groups.push(givenIn(answer.item, `${at}.answer[${index}]`, self, level + 1));
  });
  return self;
}

export function givenIn(items: Json | undefined, at: string, parent: Given | undefined, level = 0): Given[] {
  if (level > levelsMax) return [];
  return objectsOf(items).map((item, index) => given(item, `${at}.item[${index}]`, parent, level));
}

export const answersOf = ({ item }: Given): Value[] =>
  objectsOf(item.answer)
    .map((answer) => choiceOf(answer, 'value'))
    .filter((value) => value !== undefined);
