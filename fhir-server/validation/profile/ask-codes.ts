// The codes that nobody could judge on the spot, asked of the terminology service in one go:
// https://hl7.org/fhir/R4/terminologies.html#binding. What it can't tell is never an error.
import type { CodeToValidate, CodeVerdict, IssueSeverity } from '#fhir-model';
import { pathOf, shown } from '../report.ts';
import { addIssue, type CodeQuestion, type Run, type SystemCode } from './run.ts';

/** Undefined where there is no service: nothing can be told then. */
export type ValidateCodes = (codes: readonly CodeToValidate[]) => Promise<readonly CodeVerdict[]>;

/** In one resource; a Bundle of 1,000 has some 5,000, of which most are the same. */
const codesMax = 20_000;

function keyOf({ system, version, code, display, valueSet }: CodeToValidate): string {
  return [system, version, code, display, valueSet].join('\n');
}

type Verdicts = ReadonlyMap<string, CodeVerdict>;

async function judged(codes: readonly CodeToValidate[], validate: ValidateCodes | undefined): Promise<Verdicts> {
  if (validate === undefined) return new Map();
  const asked = new Map(codes.slice(0, codesMax).map((code) => [keyOf(code), code]));
  if (asked.size === 0) return new Map();
  const answers = await validate([...asked.values()]);
  return new Map([...asked.keys()].flatMap((key, index) => (answers[index] ? [[key, answers[index]]] : [])));
}

function boundCodes({ codings, valueSet }: CodeQuestion): CodeToValidate[] {
  return codings.map(({ system, code, display }) => ({ system, code, display, valueSet }));
}

function add(run: Run, path: string, severity: IssueSeverity, messageId: string, message: string): void {
  const code = messageId === 'binding-unchecked' ? 'not-found' : 'code-invalid';
  addIssue(run, { severity, code, diagnostics: `${path}: ${message}`, expression: [path], messageId });
}

/** One coding of the value set is enough. */
function tellBinding(run: Run, question: CodeQuestion, verdicts: Verdicts): void {
  const found = boundCodes(question).map((code) => verdicts.get(keyOf(code)));
  if (found.some((verdict) => verdict?.result === 'valid')) return;
  const { path, valueSet, strength, codings, source } = question;
  const required = strength === 'required';
  const codes = codings.map(({ system, code }) => shown(system === undefined ? code : `${system}#${code}`)).join(', ');
  if (found.every((verdict) => verdict?.result === 'invalid')) {
    const message = required
      ? `${codes} is not of the value set ${valueSet} (${source})`
      : `${codes} is not of the value set ${valueSet}, from which a code is to come if one fits (${source})`;
    add(run, path, required ? 'error' : 'warning', required ? 'binding-required' : 'binding-extensible', message);
    return;
  }
  const why = found.find((verdict) => verdict?.result === 'unknown')?.message;
  const message = `whether ${codes} is of the value set ${valueSet} can't be told${why === undefined ? '' : `: ${why}`}`;
  add(run, path, required ? 'warning' : 'information', 'binding-unchecked', message);
}

function tellCode(run: Run, { trail, system, code, display }: SystemCode, verdict: CodeVerdict | undefined): void {
  if (verdict === undefined) return;
  if (verdict.inSystem === false) {
    add(run, `${pathOf(trail)}.code`, 'error', 'code-unknown', `${shown(system)} has no code '${shown(code)}'`);
  } else if (verdict.wrongDisplay !== undefined && display !== undefined) {
    const right = verdict.display === undefined ? '' : `, but '${shown(verdict.display)}'`;
    const message = `'${shown(display)}' is not how ${shown(system)} displays ${shown(code)}${right}`;
    add(run, `${pathOf(trail)}.display`, 'warning', 'code-display', message);
  }
}

/** Asks what the run has noted, and tells what comes of it. */
export async function askCodes(run: Run, validate: ValidateCodes | undefined): Promise<void> {
  const ofSystems =
    validate === undefined
      ? []
      : run.codings.map(({ system, version, code, display }): CodeToValidate => ({ system, version, code, display }));
  if (run.questions.length === 0 && ofSystems.length === 0) return;
  const verdicts = await judged([...run.questions.flatMap(boundCodes), ...ofSystems], validate);
  for (const question of run.questions) tellBinding(run, question, verdicts);
  for (const [index, asked] of ofSystems.entries()) {
    const coding = run.codings[index];
    if (coding !== undefined) tellCode(run, coding, verdicts.get(keyOf(asked)));
  }
}
