// One answer against its question: https://hl7.org/fhir/R4/questionnaire.html#item.type, its options and its limits
import { decimalText, isNumber, type JsonObject, parseReference } from '#fhir-model';
import { charactersIn, textOf } from '../json.ts';
import { shown } from '../report.ts';
import { type Fault, fault } from './fault.ts';
import { patternOf } from './fhirpath/pattern.ts';
import { shownValue } from './place.ts';
import { format, isOption, least, limitsOf, most, referenced, shortest, units } from './questionnaire-limits.ts';
import { choiceOf, order, type Question, type Value } from './questionnaire-model.ts';

export interface AnswerRules {
  /**
   * Whether the value set (a canonical, or `#id` of one contained in the Questionnaire) has the code; undefined where that
   * isn't known, at least not now. `at` is the path of the answer.
   */
  inValueSet?(valueSet: string, coding: JsonObject, at: string): boolean | undefined;
  isResourceType(name: string): boolean;
}

/** The types of value that answer a question of a type. */
const answerTypes: Readonly<Record<string, readonly string[]>> = {
  boolean: ['boolean'],
  decimal: ['decimal'],
  integer: ['integer'],
  date: ['date'],
  dateTime: ['dateTime'],
  time: ['time'],
  string: ['string'],
  text: ['string'],
  url: ['uri'],
  choice: ['Coding', 'string', 'integer', 'date', 'time', 'Reference'],
  'open-choice': ['Coding', 'string', 'integer', 'date', 'time', 'Reference'],
  attachment: ['Attachment'],
  reference: ['Reference'],
  quantity: ['Quantity'],
};

/** Undefined for what answers nothing, or is no type of item. */
export const answerTypesOf = (type: string): readonly string[] | undefined =>
  Object.hasOwn(answerTypes, type) ? answerTypes[type] : undefined;

const nameOf = ({ type, value }: Value): string => {
  if (isNumber(value)) return decimalText(value);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return `'${shownValue(value)}'`;
  if (type === 'Coding') return `'${shownValue(value.code ?? value.display ?? '')}'`;
  return type === 'Quantity' && isNumber(value.value)
    ? `${decimalText(value.value)} ${shownValue(value.unit ?? value.code ?? '')}`
    : `the ${type}`;
};

const broken = (id: string, at: string, message: string): Fault => fault('error', 'invariant', id, at, message);

/** Text may stand for an option of a value set by its code. */
function valueSetFault(question: Question, answer: Value, at: string, rules: AnswerRules): Fault | undefined {
  const url = textOf(question.item.answerValueSet);
  if (url === undefined) return undefined;
  const isText = answer.type === 'string';
  if ((isText && question.type === 'open-choice') || (!isText && answer.type !== 'Coding')) return undefined;
  const coding = isText ? { code: answer.value } : (answer.value as JsonObject);
  if (rules.inValueSet?.(url, coding, at) !== false) return undefined;
  return broken('questionnaire-option', at, `${nameOf(answer)} is not in the value set ${shown(url)} of the question`);
}

function optionFault(question: Question, answer: Value, at: string): Fault | undefined {
  const limits = limitsOf(question);
  if (limits.options.size === 0 || (question.type === 'open-choice' && answer.type === 'string')) return undefined;
  if (isOption(limits, answer)) return undefined;
  return broken('questionnaire-option', at, `${nameOf(answer)} is not among the options of the question`);
}

function limitFaults(question: Question, answer: Value, at: string): Fault[] {
  const limits = limitsOf(question);
  const check = (bounds: Value[], breaks: (difference: number) => boolean, text: string): Fault[] =>
    bounds
      .filter((bound) => {
        const difference = order(answer, bound);
        return difference !== undefined && breaks(difference);
      })
      .map((bound) => broken('questionnaire-limit', at, `${nameOf(answer)} is ${text} ${nameOf(bound)}`));
  return [
    ...check(least(limits), (difference) => difference < 0, 'less than the minimum,'),
    ...check(most(limits), (difference) => difference > 0, 'more than the maximum,'),
  ];
}

function patternFault(question: Question, text: string, at: string): Fault | undefined {
  const pattern = format(limitsOf(question));
  if (typeof pattern?.value !== 'string') return undefined;
  try {
    if (patternOf(`^(?:${pattern.value})$`).test(text)) return undefined;
  } catch {
    return undefined; // a pattern that is none, or would take too long
  }
  return broken('questionnaire-pattern', at, `'${shown(text)}' is not of the form that the question asks for`);
}

function textFaults(question: Question, answer: Value, at: string): (Fault | undefined)[] {
  if (typeof answer.value !== 'string' || (answer.type !== 'string' && answer.type !== 'uri')) return [];
  const length = charactersIn(answer.value);
  const { maxLength } = question.item;
  const minimum = shortest(limitsOf(question));
  return [
    typeof maxLength === 'number' && length > maxLength
      ? broken('questionnaire-length', at, `the answer has ${length} characters, more than ${maxLength}`)
      : undefined,
    typeof minimum?.value === 'number' && length < minimum.value
      ? broken('questionnaire-length', at, `the answer has ${length} characters, less than ${minimum.value}`)
      : undefined,
    patternFault(question, answer.value, at),
  ];
}

/** The extension questionnaire-unitOption lists the units that may be used. */
function unitFault(question: Question, answer: Value, at: string): Fault | undefined {
  const allowed = units(limitsOf(question));
  if (answer.type !== 'Quantity' || allowed.length === 0) return undefined;
  const { code, system } = answer.value as JsonObject;
  const fits = allowed.some(
    ({ value }) => (value as JsonObject).code === code && (value as JsonObject).system === system,
  );
  return fits
    ? undefined
    : broken('questionnaire-unit', at, `${nameOf(answer)} is not in one of the units of the question`);
}

function referenceFault(question: Question, answer: Value, at: string, rules: AnswerRules): Fault | undefined {
  const reference = answer.type === 'Reference' ? textOf((answer.value as JsonObject).reference) : undefined;
  if (reference === undefined) return undefined;
  const parsed = parseReference(reference);
  const type = parsed.kind === 'local' || parsed.kind === 'absolute' ? parsed.type : undefined;
  if (type === undefined) return undefined;
  if (!rules.isResourceType(type)) {
    return broken('questionnaire-reference', at, `${shown(type)} in '${shown(reference)}' is no resource type`);
  }
  const allowed = referenced(limitsOf(question)).map(({ value }) => value);
  if (allowed.length === 0 || allowed.includes(type)) return undefined;
  return broken('questionnaire-reference', at, `the question asks for a ${allowed.join(' or ')}, found a ${type}`);
}

/** Faults of the answer whose object stands at `at`. */
export function answerFaults(question: Question, answer: JsonObject, at: string, rules: AnswerRules): Fault[] {
  const value = choiceOf(answer, 'value');
  if (value === undefined) return [];
  const allowed = answerTypesOf(question.type);
  const place = `${at}.value`;
  if (allowed !== undefined && !allowed.includes(value.type)) {
    return [broken('questionnaire-type', place, `the answer is of the type ${allowed[0]}, found ${value.type}`)];
  }
  return [
    optionFault(question, value, at),
    valueSetFault(question, value, at, rules),
    ...limitFaults(question, value, place),
    ...textFaults(question, value, place),
    unitFault(question, value, place),
    referenceFault(question, value, place, rules),
  ].filter((one) => one !== undefined);
}
