// Whether a code is one of a code system, and what is to be said of it: what $validate-code on code systems and on value
// sets have in common. https://hl7.org/fhir/R4/codesystem-operation-validate-code.html
import { checkDisplay, displaysOf } from './check-display.ts';
import type { CodeSystem, Coding, Concept } from './code-system.ts';
import type { Languages } from './languages.ts';
import { shown, systemName, unknownCodeText } from './refusals.ts';
import type { TxIssue } from './tx-issues.ts';

/** Where the parts of a coding stand in the request: `Coding.code`, or just `code`. */
export interface CodingPaths {
  /** None for a code that was given as such. */
  whole?: string;
  code: string;
  system: string;
  version: string;
  display: string;
}

/** `prefix`: `Coding`, `CodeableConcept.coding[0]`; none for parameters of their own. */
export function pathsOf(prefix?: string): CodingPaths {
  const at = (name: string): string => (prefix === undefined ? name : `${prefix}.${name}`);
  return {
    ...(prefix !== undefined && { whole: prefix }),
    ...{ code: at('code'), system: at('system'), version: at('version'), display: at('display') },
  };
}

export interface CheckOptions {
  languages: Languages;
  /** A wrong display is worth a warning only. */
  lenientDisplay: boolean;
  /** Whether codes that only group others will do. */
  abstract: boolean;
}

export interface CheckedCode {
  /** Undefined when the system does not have it, as far as is known. */
  concept: Concept | undefined;
  /** Not all codes of the system are known here: this one may be one of them. */
  open: boolean;
  display?: string;
  issues: TxIssue[];
}

const COMPLETE = 'complete';

function unknownCodeIssue({ about, grammar }: CodeSystem, code: string, expression: string): TxIssue {
  const { url, version, content } = about;
  if (content === COMPLETE || grammar) {
    const read = grammar?.read(code);
    const why = read !== undefined && 'fault' in read ? `: ${read.fault}` : '';
    return {
      ...{ severity: 'error', code: 'code-invalid', type: 'invalid-code', messageId: 'Unknown_Code_in_Version' },
      ...{ text: `${unknownCodeText(code, url, version)}${why}`, expression },
    };
  }
  const named = unknownCodeText(code, url, version).replace('Unknown code', 'Unknown Code');
  const kind = content === 'fragment' ? 'a fragment' : `'${content}'`;
  const where = content === 'fragment' ? 'in some other fragment' : 'nevertheless';
  return {
    ...{ severity: 'warning', code: 'code-invalid', type: 'invalid-code', messageId: 'UNKNOWN_CODE_IN_FRAGMENT' },
    ...{
      text: `${named} - note that the code system is labeled as ${kind}, so the code may be valid ${where}`,
      expression,
    },
  };
}

function caseIssue({ about }: CodeSystem, code: string, concept: Concept, expression: string): TxIssue[] {
  if (code === concept.code || about.caseSensitive) return [];
  const name = systemName(about.url, about.version);
  return [
    {
      ...{ severity: 'information', code: 'business-rule', type: 'code-rule', messageId: 'CODE_CASE_DIFFERENCE' },
      text: `The code '${shown(code)}' differs from the correct code '${concept.code}' by case. Although the code system '${name}' is case insensitive, implementers are strongly encouraged to use the correct case anyway`,
      expression,
    },
  ];
}

const comment = (messageId: string, text: string, expression: string): TxIssue => ({
  ...{ severity: 'warning', code: 'business-rule', type: 'code-comment' },
  ...{ messageId, text, expression },
});

/** Of a code that should not be used any more. */
function statusIssues({ code, inactive, status }: Concept, paths: CodingPaths): TxIssue[] {
  const whole = paths.whole ?? paths.code;
  if (inactive) {
    const named = status === undefined || status === 'inactive' ? 'inactive' : `${status} and inactive`;
    const text = `The concept '${code}' has a status of ${named} and its use should be reviewed`;
    return [comment('INACTIVE_CONCEPT_FOUND', text, whole)];
  }
  if (status !== 'deprecated') return [];
  const text = `The concept '${code}' is deprecated and its use should be reviewed`;
  return [comment('DEPRECATED_CONCEPT_FOUND', text, paths.code)];
}

function abstractIssue({ about }: CodeSystem, concept: Concept, abstract: boolean, expression: string): TxIssue[] {
  if (abstract || !concept.abstract) return [];
  return [
    {
      ...{ severity: 'error', code: 'business-rule', type: 'code-rule', messageId: 'ABSTRACT_CODE_NOT_ALLOWED' },
      text: `Code '${about.url}#${concept.code}' is abstract, and not allowed in this context`,
      expression,
    },
  ];
}

/** `own`: the display that a value set gives the code. */
export async function checkCode(
  system: CodeSystem,
  coding: Coding & { code: string },
  paths: CodingPaths,
  options: CheckOptions,
  own?: string,
): Promise<CheckedCode> {
  const { code, display } = coding;
  const concept = await system.concept(code);
  if (concept === undefined) {
    const issues = [unknownCodeIssue(system, code, paths.code)];
    return { concept, open: system.about.content !== COMPLETE && !system.grammar, issues };
  }
  const { languages, lenientDisplay: lenient } = options;
  // One statement less, for the many codes that come without a display or with the system's own.
  const plain = (display === undefined || display === concept.display) && languages.length === 0;
  const designations = plain ? [] : await system.designations(concept);
  const { texts, display: shownDisplay } = displaysOf(system.about, concept, designations, languages, own);
  const asked = { name: `${system.about.url}#${concept.code}`, code: concept.code, expression: paths.display, lenient };
  const wrong = display === undefined ? undefined : checkDisplay({ display, ...asked }, system.about, texts, languages);
  return {
    concept,
    open: false,
    ...(shownDisplay !== undefined && { display: shownDisplay }),
    issues: [
      ...caseIssue(system, code, concept, paths.code),
      ...abstractIssue(system, concept, options.abstract, paths.code),
      ...(wrong ? [wrong] : []),
      ...statusIssues(concept, paths),
    ],
  };
}

/** Of these issues the answer's `message` says nothing: they are remarks on a code that is right. */
const REMARKS = new Set([
  ...['CODE_CASE_DIFFERENCE', 'CONCEPT_DEPRECATED_IN_VALUESET', 'INACTIVE_DISPLAY_FOUND'],
  ...['UNKNOWN_CODE_IN_FRAGMENT'],
]);

/** What the answer's `message` is, of all issues; undefined when there is nothing to say. */
export function messageOf(issues: readonly TxIssue[]): string | undefined {
  const told = issues.filter(({ messageId, type }) => !REMARKS.has(messageId) && type !== 'this-code-not-in-vs');
  const texts = [...new Set(told.map(({ text }) => text))].sort();
  return texts.length === 0 ? undefined : texts.join('; ');
}

export const isWrong = (issues: readonly TxIssue[]): boolean => issues.some(({ severity }) => severity === 'error');
