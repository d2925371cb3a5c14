// The header Prefer: https://www.rfc-editor.org/rfc/rfc7240#section-2, https://hl7.org/fhir/R4/http.html#ops
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePrefer } from './request.ts';

const cases: [string | string[] | undefined, boolean, string | undefined][] = [
  [undefined, false, undefined],
  ['', false, undefined],
  ['return=minimal', false, 'minimal'],
  ['return="minimal"', false, 'minimal'],
  ['Return=representation', false, 'representation'],
  ['return=operationoutcome', false, 'OperationOutcome'],
  ['return = OperationOutcome , handling = "strict"', true, 'OperationOutcome'],
  ['handling=strict; return=minimal', true, 'minimal'],
  [['respond-async', 'HANDLING=STRICT'], true, undefined],
  ['return=minimal, return=representation', false, 'minimal'],
  ['handling=lenient', false, undefined],
  ['handling=lenient, handling=strict', false, undefined],
  [['handling="LENIENT"', 'return=minimal, handling=strict'], false, 'minimal'],
  ['handling=strict, handling=lenient', true, undefined],
  ['handling=strictly, return=minimalist', false, undefined],
  ['return=minimal-ish, no-return=minimal, xhandling=strict', false, undefined],
  ['return="minimal', false, undefined],
];

for (const [header, strict, prefer] of cases) {
  test(`Prefer: ${header}`, () => assert.deepEqual(parsePrefer(header), { strict, prefer }));
}
