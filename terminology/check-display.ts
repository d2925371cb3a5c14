// Whether a display is one of the code's own: https://hl7.org/fhir/R4/terminology-service.html#displays
import type { About, Concept, Designation } from './code-system.ts';
import { bestText, inLanguages, isStrict, type Languages, languageFits, wantedTags } from './languages.ts';
import { shown } from './refusals.ts';
import type { TxIssue } from './tx-issues.ts';

export interface Displays {
  /** The display and all designations. */
  texts: readonly Designation[];
  /** What is shown of the code; undefined when it has no text, or none in a language that must be. */
  display: string | undefined;
}

/** A value set may have a display of its own for the code. */
export function displaysOf(
  about: About,
  concept: Concept,
  designations: readonly Designation[],
  languages: Languages,
  own?: string,
): Displays {
  const first = concept.display === undefined ? [] : [textIn(about.language, concept.display)];
  const named = own === undefined || own === concept.display ? [] : [textIn(about.language, own)];
  const texts = [...named, ...first, ...designations];
  if (wantedTags(languages).length === 0) return { texts, display: own ?? concept.display };
  const best = bestText(languages, texts)?.value;
  return { texts, display: best ?? (isStrict(languages) ? undefined : (own ?? concept.display)) };
}

const textIn = (language: string | undefined, value: string): Designation => ({
  value,
  ...(language !== undefined && { language }),
});

/** Case does not tell displays apart. */
const folded = (text: string): string => text.normalize('NFC').toLowerCase();
const spaced = (text: string): string => folded(text).replace(/\s+/g, ' ').trim();

const INACTIVE = new Set(['deprecated', 'withdrawn', 'retired', 'inactive']);
const isCurrent = ({ status }: Designation): boolean => status === undefined || !INACTIVE.has(status);

const choiceText = ({ value, language }: Designation): string =>
  language === undefined ? `'${value}'` : `'${value}' (${language})`;

function choices(texts: readonly Designation[], tags: readonly string[]): string {
  const asked = `(for the language(s) '${tags.join(', ') || '--'}')`;
  const listed = texts.slice(0, CHOICES_MAX).map(choiceText);
  if (listed.length === 1) return `Valid display is ${listed[0]} ${asked}`;
  const last = listed.pop();
  return `Valid display is one of ${texts.length} choices: ${listed.join(', ')} or ${last} ${asked}`;
}

const CHOICES_MAX = 20;

interface Asked {
  display: string;
  /** `url#code` */
  name: string;
  code: string;
  expression: string | undefined;
  /** A wrong display is worth a warning only. */
  lenient: boolean;
}

type Told = Pick<TxIssue, 'severity' | 'type' | 'messageId' | 'text'>;

/** The text is right, but marked as no longer so. */
function outdated({ display, code }: Asked, found: Designation, current: readonly Designation[]): Told {
  const right = current.map(({ value }) => `"${value}"`).join(' or ');
  return {
    ...{ severity: 'warning', type: 'display-comment', messageId: 'INACTIVE_DISPLAY_FOUND' },
    // The status that all of these come down to: what they were called is the code system's affair.
    text: `'${shown(display)}' is no longer considered a correct display for code '${shown(code)}' (status = ${found.status === 'withdrawn' ? 'deprecated' : found.status}). The correct display is one of ${right}.`,
  };
}

/** None of the languages has a text: what counts is whether it is one of the default language. */
function withoutLanguage(
  { display, name, lenient }: Asked,
  tags: readonly string[],
  own: readonly Designation[],
): Told {
  const asked = tags.join(', ');
  if (own.some(({ value }) => folded(value) === folded(display))) {
    return {
      ...{ severity: 'information', type: 'invalid-display', messageId: 'NO_VALID_DISPLAY_FOUND_NONE_FOR_LANG_OK' },
      text: `There are no valid display names found for the code ${name} for language(s) '${asked}'. The display is '${shown(display)}' which is a valid display for the default language`,
    };
  }
  return {
    severity: lenient ? 'warning' : 'error',
    ...{ type: 'invalid-display', messageId: 'NO_VALID_DISPLAY_FOUND_NONE_FOR_LANG_ERR' },
    text: `Wrong Display Name '${shown(display)}' for ${name}. There are no valid display names found for language(s) '${asked}'. Default display is '${own[0]?.value ?? ''}'`,
  };
}

function wrong({ display, name, lenient }: Asked, tags: readonly string[], fitting: readonly Designation[]): Told {
  const spaces = fitting.some(({ value }) => spaced(value) === spaced(display));
  const kind = spaces ? 'Wrong whitespace in Display Name' : 'Wrong Display Name';
  return {
    severity: lenient ? 'warning' : 'error',
    type: 'invalid-display',
    messageId: spaces
      ? 'Display_Name_WS_for__should_be_one_of__instead_of'
      : 'Display_Name_for__should_be_one_of__instead_of',
    text: `${kind} '${shown(display)}' for ${name}. ${choices(fitting, tags)}`,
  };
}

function told(asked: Asked, about: About, texts: readonly Designation[], languages: Languages): Told | undefined {
  if (texts.length === 0) return undefined;
  const tags = wantedTags(languages);
  const fitting = texts.filter(inLanguages(tags));
  const same = fitting.filter(({ value }) => folded(value) === folded(asked.display));
  if (same.some(isCurrent)) return undefined;
  if (same[0]) return outdated(asked, same[0], texts.filter(isCurrent));
  if (fitting.length > 0) return wrong(asked, tags, fitting.filter(isCurrent));
  const { language } = about;
  const own = texts.filter((text, i) => i === 0 || (language !== undefined && languageFits(language, text.language)));
  return withoutLanguage(asked, tags, own);
}

/** Undefined when the display is right. A code without any text has no wrong one. */
export function checkDisplay(
  asked: Asked,
  about: About,
  texts: readonly Designation[],
  languages: Languages,
): TxIssue | undefined {
  const issue = told(asked, about, texts, languages);
  return issue && { code: 'invalid', ...issue, expression: asked.expression };
}
