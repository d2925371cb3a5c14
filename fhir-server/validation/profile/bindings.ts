// Bindings by strength: https://hl7.org/fhir/R4/terminologies.html#strength. Required: an error; extensible: a warning; preferred
// and example ask nothing. Value sets that R4's definitions list are looked up at once, the others asked in one go at the end.
import { isNumber, type Json } from '#fhir-model';
import { isObject, objectsOf, textOf } from '../json.ts';
import { pathOf, shown } from '../report.ts';
import { plainly } from './grammars.ts';
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

/** Made of a list once: lists have up to 20,000 codes, and each code that is not of one is looked for here. */
const foldedLists = new WeakMap<ReadonlySet<string>, ReadonlySet<string>>();

function foldedOf(codes: ReadonlySet<string>): ReadonlySet<string> {
  // A definition that nobody checked may list what is no text.
  const folded = foldedLists.get(codes) ?? new Set(codes.values().map((code) => String(code).toLowerCase()));
  foldedLists.set(codes, folded);
  return folded;
}

/** Whether one is listed but for its case, which the systems of some value sets pass over: it is not for the list to tell. */
export function isAlmostListed(
  codings: Codings,
  codes: ReadonlyMap<string, ReadonlySet<string>>,
  bare: boolean,
): boolean {
  const has = (own: ReadonlySet<string> | undefined, code: string): boolean =>
    own !== undefined && foldedOf(own).has(code.toLowerCase());
  return codings.some(({ system, code }) =>
    system === undefined ? bare && codes.values().some((own) => has(own, code)) : has(codes.get(system), code),
  );
}

/** A Quantity of a number only, or of a unit without code, says nothing that a value set could be asked about. */
const isCodeless = (value: Json | undefined): boolean => isObject(value) && isNumber(value.value);

function missing(run: Run, { strength, valueSet, max }: PlanBinding, value: Json | undefined, source: string): void {
  if (strength !== 'required' || max === true || isCodeless(value)) return;
  report(run, 'error', 'code-invalid', 'binding-no-code', `needs a code of the value set ${valueSet} (${source})`);
}

/** "xml", "json" and "ttl" stand for the formats of R4: https://hl7.org/fhir/R4/capabilitystatement-definitions.html#CapabilityStatement.format */
const encodings = new Set<Json | undefined>(['xml', 'json', 'ttl']);
/** TestScripts have them where a test engine puts in the media type. */
const encoded = new Set(['CapabilityStatement.format', 'TestScript.accept', 'TestScript.contentType']);

function isEncoding({ frame, trail }: Run, valueSet: string, value: Json | undefined): boolean {
  if (!encodings.has(value) || !valueSet.startsWith('http://hl7.org/fhir/ValueSet/mimetypes')) return false;
  const name = trail.findLast((step) => typeof step === 'string');
  return encoded.has(`${textOf(frame.resource.resourceType)}.${name}`);
}

export function checkBinding(run: Run, { value }: Item, binding: PlanBinding, source: string): void {
  const codings = codingsOf(value);
  if (codings.length === 0) {
    missing(run, binding, value, source);
    return;
  }
  const { codes, strength, valueSet } = binding;
  if (codes === undefined) {
    const verdicts = codings.map(({ system, code }) => plainly(valueSet, system, code));
    if (verdicts.includes(true) || isEncoding(run, valueSet, value)) return;
    if (verdicts.every((verdict) => verdict === false)) {
      reportUnbound(run, codings, binding, source);
      return;
    }
    if (!run.probe) run.questions.push({ path: pathOf(run.trail), codings, valueSet, strength, source });
    return;
  }
  const bare = typeof value === 'string';
  if (isListed(codings, codes, bare)) return;
  if (!isAlmostListed(codings, codes, bare)) reportUnbound(run, codings, binding, source);
  else if (!run.probe) run.questions.push({ path: pathOf(run.trail), codings, valueSet, strength, source });
}

function reportUnbound(run: Run, codings: Codings, { strength, valueSet }: PlanBinding, source: string): void {
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
