// Bindings by strength: https://hl7.org/fhir/R4/terminologies.html#strength. Required: an error; extensible: a warning; preferred
// and example ask nothing. Value sets that R4's definitions list are looked up at once, the others asked in one go at the end.
import { isNumber, type Json } from '#fhir-model';
import { isObject, objectsOf, textOf } from '../json.ts';
import { pathOf, shown } from '../report.ts';
import { isPlainly } from './grammars.ts';
import type { PlanBinding } from './plan.ts';
import { type CodeQuestion, type Run, report } from './run.ts';
import type { Item } from './select.ts';

type Codings = CodeQuestion['codings'];

/** The codes of a code, uri or string, Coding, CodeableConcept or Quantity; none where it has only text or extensions. */
export function codingsOf(value: Json | undefined): Codings {
  if (typeof value === 'string') return [{ system: undefined, code: value, display: undefined }];
  if (!isObject(value)) return [];
  const list = value.coding === undefined ? [value] : objectsOf(value.coding);
  return list.flatMap(({ system, code, display }) =>
    typeof code === 'string' ? [{ system: textOf(system), code, display: textOf(display) }] : [],
  );
}

export function isListed(codings: Codings, codes: ReadonlyMap<string, ReadonlySet<string>>, bare: boolean): boolean {
  return codings.some(({ system, code }) => {
    if (system !== undefined) return codes.get(system)?.has(code) === true;
    return bare && codes.values().some((own) => own.has(code));
  });
}

/** A Quantity of a number only, or of a unit without code, says nothing that a value set could be asked about. */
const isCodeless = (value: Json | undefined): boolean => isObject(value) && isNumber(value.value);

function missing(run: Run, { strength, valueSet }: PlanBinding, value: Json | undefined, source: string): void {
  if (strength !== 'required' || isCodeless(value)) return;
  report(run, 'error', 'code-invalid', 'binding-no-code', `needs a code of the value set ${valueSet} (${source})`);
}

export function checkBinding(run: Run, { value }: Item, binding: PlanBinding, source: string): void {
  const codings = codingsOf(value);
  if (codings.length === 0) {
    missing(run, binding, value, source);
    return;
  }
  const { codes, strength, valueSet } = binding;
  if (codes === undefined) {
    if (codings.some(({ system, code }) => isPlainly(valueSet, system, code))) return;
    if (!run.probe) run.questions.push({ path: pathOf(run.trail), codings, valueSet, strength, source });
    return;
  }
  if (isListed(codings, codes, typeof value === 'string')) return;
  reportUnbound(run, codings, binding, source);
}

export function reportUnbound(run: Run, codings: Codings, { strength, valueSet }: PlanBinding, source: string): void {
  const codes = codings.map(({ system, code }) => shown(system === undefined ? code : `${system}#${code}`)).join(', ');
  if (strength === 'required') {
    report(
      run,
      'error',
      'code-invalid',
      'binding-required',
      `${codes} is not of the value set ${valueSet} (${source})`,
    );
  } else if (!run.probe) {
    const message = `${codes} is not of the value set ${valueSet}, from which a code is to come if one fits (${source})`;
    report(run, 'warning', 'code-invalid', 'binding-extensible', message);
  }
}
