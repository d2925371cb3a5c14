// What a question asks of each answer, read once: its options (https://hl7.org/fhir/R4/questionnaire.html#item.answerOption) and
// the extensions that limit answers (https://hl7.org/fhir/R4/questionnaire-profiles.html).
import type { JsonObject } from '#fhir-model';
import { isObject, objectsOf, textOf } from '../json.ts';
import { keyOf } from './fhirpath/compare.ts';
import { areSame, choiceOf, type Question, type Value } from './questionnaire-model.ts';

const base = 'http://hl7.org/fhir/StructureDefinition';
const sdc = 'http://hl7.org/fhir/uv/sdc/StructureDefinition';

export interface Limits {
  /** None when the question lists no options. */
  readonly options: ReadonlySet<string>;
  /** Options that are dates: one of another precision may be meant. */
  readonly dates: readonly Value[];
  /** By extension: minValue, maxValue and so on. */
  readonly extensions: ReadonlyMap<string, readonly Value[]>;
}

/** Real questions have one or two of an extension, and a dozen dates to choose from. */
const valuesMax = 50;

const codingKey = ({ system, code }: JsonObject): string => keyOf([textOf(system) ?? '', textOf(code) ?? '']);

/** The same text for the same answer, whatever a coding's display. */
function answerKey({ type, value }: Value): string {
  if (type === 'Coding' && isObject(value)) return `Coding ${codingKey(value)}`;
  return `${type} ${keyOf(type === 'Reference' && isObject(value) ? value.reference : value)}`;
}

function extensionsOf(item: JsonObject): Map<string, Value[]> {
  const found = new Map<string, Value[]>();
  for (const extension of objectsOf(item.extension)) {
    const [url, value] = [textOf(extension.url), choiceOf(extension, 'value')];
    if (url === undefined || value === undefined) continue;
    const there = found.get(url) ?? [];
    if (there.length < valuesMax) there.push(value);
    found.set(url, there);
  }
  return found;
}

const known = new WeakMap<Question, Limits>();

export function limitsOf(question: Question): Limits {
  const found = known.get(question);
  if (found !== undefined) return found;
  const options = objectsOf(question.item.answerOption)
    .map((option) => choiceOf(option, 'value'))
    .filter((option) => option !== undefined);
  const limits = {
    options: new Set(options.map(answerKey)),
    dates: options.filter(({ type }) => type === 'date').slice(0, valuesMax),
    extensions: extensionsOf(question.item),
  };
  known.set(question, limits);
  return limits;
}

/** Whether the answer is among the options; true where a date's precision leaves it open. */
export function isOption({ options, dates }: Limits, answer: Value): boolean {
  if (options.has(answerKey(answer))) return true;
  return answer.type === 'date' && dates.some((date) => areSame(date, answer) === undefined);
}

const named = ({ extensions }: Limits, ...urls: string[]): Value[] => urls.flatMap((url) => extensions.get(url) ?? []);

export const least = (limits: Limits): Value[] =>
  named(limits, `${base}/minValue`, `${sdc}/sdc-questionnaire-minQuantity`);
export const most = (limits: Limits): Value[] =>
  named(limits, `${base}/maxValue`, `${sdc}/sdc-questionnaire-maxQuantity`);
export const shortest = (limits: Limits): Value | undefined => named(limits, `${base}/minLength`)[0];
export const format = (limits: Limits): Value | undefined => named(limits, `${base}/regex`)[0];
export const units = (limits: Limits): Value[] => named(limits, `${base}/questionnaire-unitOption`);
export const referenced = (limits: Limits): Value[] => named(limits, `${base}/questionnaire-referenceResource`);
