// What every answer has to be: FHIR, and an error told whole.
import assert from 'node:assert/strict';
import { createXmlCodec, loadDefinitions } from '#fhir-model';
import type { WireReply } from '../wire.ts';
import type { Tree } from './resources.ts';

const xml = createXmlCodec(await loadDefinitions());

/** https://hl7.org/fhir/R4/valueset-issue-type.html */
const ISSUE_TYPES = new Set(
  (
    'invalid structure required value invariant security login unknown expired forbidden suppressed processing not-supported ' +
    'duplicate multiple-matches not-found deleted too-long code-invalid extension too-costly business-rule conflict transient ' +
    'lock-error no-store exception timeout incomplete throttled informational'
  ).split(' '),
);

interface IssueOf {
  severity: string;
  code: string;
  details?: { text?: string };
  diagnostics?: string;
  expression?: unknown[];
}

export function assertOutcomeIsWhole(outcome: Tree, what: string): void {
  assert.equal(outcome.resourceType, 'OperationOutcome', what);
  const issues = outcome.issue as IssueOf[];
  assert.ok(Array.isArray(issues) && issues.length > 0, `${what}: an issue`);
  // Issues of terminologies have their text as HL7's own tests want it.
  for (const { severity, code, details, diagnostics = details?.text ?? '', expression = ['x'] } of issues) {
    assert.match(severity, /^(fatal|error|warning|information)$/, what);
    assert.ok(ISSUE_TYPES.has(code) && code !== 'exception', `${what}: issue code ${code}`);
    assert.ok(
      diagnostics.length > 10 && diagnostics.length < 2500,
      `${what}: diagnostics '${diagnostics.slice(0, 100)}'`,
    );
    assert.ok(expression.length > 0 && expression.every((one) => typeof one === 'string' && one !== ''), what);
  }
}

/** The errors of a Bundle's entries are whole as well, and none of them is ours. */
export function assertEntriesAreWhole(
  { entry = [] }: { entry?: { response?: { status?: string; outcome?: Tree } }[] },
  what: string,
) {
  for (const { response } of entry) {
    if (response === undefined) continue;
    assert.match(response.status ?? '', /^[234]\d\d/, what);
    if (response.outcome) assertOutcomeIsWhole(response.outcome, what);
  }
}

export async function resourceOf({ bytes, headers }: WireReply, what: string): Promise<Tree> {
  const type = headers['content-type'] ?? '';
  const text = String(bytes);
  if (type.startsWith('application/fhir+xml')) return (await xml.read(text)) as unknown as Tree;
  if (type.startsWith('application/fhir+ndjson')) return JSON.parse(text.split('\n')[0] || '{"resourceType":"none"}');
  assert.match(type, /^application\/(fhir\+)?json/, what);
  return JSON.parse(text) as Tree;
}

/** Words of the inside, which no answer has: of stacks, of SQL, of JavaScript's own errors. */
const INSIDE =
  /node_modules|\bat [\w.<>]+ \(|\.ts:\d+|file:\/\/\/|\bselect\b[^"]{1,200}\bfrom\b|relation \\?"|column \\?"|violates|invalid input syntax|invalid byte|\bpg_|is not a function|is not iterable|Cannot read prop|\[object Object\]|Internal error|RangeError|TypeError|Maximum call stack/;

/** `sent`: what the caller may be told of because he said it. */
export function assertNothingOfTheInside(text: string, sent: string, what: string): void {
  const found = INSIDE.exec(text)?.[0];
  assert.ok(found === undefined || sent.includes(found), `${what}: '${found}'`);
}
