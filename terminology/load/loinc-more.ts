// LOINC's answer lists and its translations: https://loinc.org/answer-file/, https://loinc.org/international/
import type { SystemWriter } from '../write-system.ts';
import { quoted } from './faults.ts';
import type { LoadContext } from './format.ts';
import { LOINC } from './loinc-properties.ts';
import { baseName, filesLike, findFile, type Release, type ReleaseFile } from './release.ts';
import { readTable } from './table.ts';

const ANSWERS = /^answerlist\.csv$/i;
const ANSWER_LINKS = /^loincanswerlistlink\.csv$/i;
/** `frFR18LinguisticVariant.csv`: language, country and number. */
const VARIANT = /^([a-z]{2})([A-Z]{2})\d+LinguisticVariant\.csv$/;

/** What is read here. */
export const moreFiles = [ANSWERS, ANSWER_LINKS, VARIANT];

/** The number of a list or an answer, which is added the first time that it is met. */
function numberFor(writer: SystemWriter, code: string, display: string): number {
  return writer.numberOf(code) ?? writer.add({ code, display })!;
}

async function writeAnswers(writer: SystemWriter, file: ReleaseFile, { faults }: LoadContext): Promise<void> {
  const columns = ['AnswerListId', 'AnswerListName', 'AnswerStringId', 'DisplayText'] as const;
  for await (const records of readTable<(typeof columns)[number]>(file, ',', columns, [], faults)) {
    for (const { line, values } of records) {
      const { AnswerListId: list, AnswerStringId: answer } = values;
      if (!/^LL\d+-\d$/.test(list)) {
        faults.tell(file.name, line, `${quoted(list)} is no answer list`);
        continue;
      }
      const listNumber = numberFor(writer, list, values.AnswerListName);
      // Lists that are defined elsewhere have no answers here.
      if (!/^LA\d+-\d$/.test(answer)) continue;
      const answerNumber = numberFor(writer, answer, values.DisplayText);
      writer.property(listNumber, { code: 'answer', type: 'code', value: answer });
      writer.property(answerNumber, { code: 'LIST', type: 'code', value: list });
    }
    await writer.drain();
  }
}

async function writeAnswerLinks(writer: SystemWriter, file: ReleaseFile, { faults }: LoadContext): Promise<void> {
  const columns = ['LoincNumber', 'AnswerListId'] as const;
  for await (const records of readTable<(typeof columns)[number]>(file, ',', columns, [], faults)) {
    for (const { line, values } of records) {
      const { LoincNumber: term, AnswerListId: list } = values;
      const [termNumber, listNumber] = [writer.numberOf(term), writer.numberOf(list)];
      if (termNumber === undefined || listNumber === undefined) {
        faults.tell(file.name, line, `there is no code ${quoted(termNumber === undefined ? term : list)}`);
        continue;
      }
      writer.property(termNumber, { code: 'answer-list', type: 'code', value: list });
      writer.property(listNumber, { code: 'answers-for', type: 'code', value: term });
    }
    await writer.drain();
  }
}

export async function writeAnswerLists(writer: SystemWriter, release: Release, context: LoadContext): Promise<void> {
  const [answers, links] = [ANSWERS, ANSWER_LINKS].map((each) => findFile(release, each));
  if (answers) await writeAnswers(writer, answers, context);
  else context.faults.note(release.name, undefined, 'there is no AnswerList.csv: what it tells is missing');
  if (answers && links) await writeAnswerLinks(writer, links, context);
}

const axes = ['COMPONENT', 'PROPERTY', 'TIME_ASPCT', 'SYSTEM', 'SCALE_TYP', 'METHOD_TYP'] as const;
const names = ['LONG_COMMON_NAME', 'LinguisticVariantDisplayName', 'SHORTNAME'] as const;
type Column = (typeof axes)[number] | (typeof names)[number] | 'LOINC_NUM';

async function writeLanguage(
  writer: SystemWriter,
  file: ReleaseFile,
  language: string,
  { faults }: LoadContext,
): Promise<void> {
  for await (const records of readTable<Column>(file, ',', ['LOINC_NUM'], [...axes, ...names], faults)) {
    for (const { line, values } of records) {
      const n = writer.numberOf(values.LOINC_NUM);
      if (n === undefined) {
        faults.tell(file.name, line, `there is no code ${quoted(values.LOINC_NUM)}`);
        continue;
      }
      const given = names.filter((name) => values[name] !== '');
      for (const name of given) {
        writer.designation(n, { language, useSystem: LOINC, useCode: name, value: values[name] });
      }
      // Many languages have only the parts: the fully specified name is made of them.
      const parts = axes.map((axis) => values[axis]).filter((value) => value !== '');
      if (parts.length > 0 && !given.includes('LONG_COMMON_NAME')) {
        writer.designation(n, { language, useSystem: LOINC, useCode: 'FULLY_SPECIFIED_NAME', value: parts.join(':') });
      }
    }
    await writer.drain();
  }
}

export async function writeLanguages(writer: SystemWriter, release: Release, context: LoadContext): Promise<void> {
  for (const file of filesLike(release, VARIANT)) {
    const [, language, country] = VARIANT.exec(baseName(file))!;
    await writeLanguage(writer, file, `${language}-${country}`, context);
  }
}
