// What fhirpath 5.1.0 can't do as the specification has it: https://hl7.org/fhir/R4/fhirpath.html

const STRINGS = /'(?:[^'\\]|\\.)*'/g;

/** It throws on `x as T` where x repeats; ofType() means the same and does not. What strings say stays. */
export function withoutAs(expression: string): string {
  const strings: string[] = [];
  const plain = expression.replace(STRINGS, (text) => `'${strings.push(text) - 1}'`);
  const changed = plain
    .replace(/([\w.]+(?:\([^()]*\))?) as (\w+)/g, '$1.ofType($2)')
    .replace(/\.as\((\w+)\)/g, '.ofType($1)');
  return changed.replace(/'(\d+)'/g, (_, index) => strings[Number(index)] ?? '');
}
