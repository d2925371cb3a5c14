// What of a payer's answers is a no.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JsonObject, parseJson, type Resource } from '#fhir-model';
import { isDenied } from './claim.ts';

const amount = (code: string, value: number): JsonObject => ({
  category: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/adjudication', code }] },
  amount: { value, currency: 'USD' },
});
const [submitted, nothing, some] = [amount('submitted', 100), amount('benefit', 0), amount('benefit', 60)];
const reason: JsonObject = {
  category: {
    coding: [
      { system: 'http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBAdjudicationDiscriminator', code: 'denialreason' },
    ],
  },
};
const notCertified: JsonObject = {
  extension: [
    {
      url: 'http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-reviewActionCode',
      valueCodeableConcept: { coding: [{ system: 'https://codesystem.x12.org/005010/306', code: 'A3' }] },
    },
  ],
};
const denied = (of: object): boolean =>
  isDenied(
    parseJson(JSON.stringify({ resourceType: 'ClaimResponse', status: 'active', outcome: 'complete', ...of }))
      .exact as Resource,
  );

test('an error, a denial in words or by its category, not certified, nothing paid of what was submitted', () => {
  const noes: [string, object][] = [
    ['error', { outcome: 'error' }],
    ['words', { disposition: 'Claim denied: not covered' }],
    ['category of an item', { item: [{ adjudication: [submitted, some, reason] }] }],
    ['not certified', { item: [{ adjudication: [notCertified] }] }],
    ['totals', { total: [submitted, nothing] }],
    ['items', { item: [{ adjudication: [submitted, nothing] }, { adjudication: [submitted, nothing] }] }],
    ['submitted in total, paid by item', { total: [submitted], item: [{ adjudication: [nothing] }] }],
    ['details', { item: [{ detail: [{ subDetail: [{ adjudication: [submitted, nothing] }] }] }] }],
  ];
  for (const [name, of] of noes) assert.equal(denied(of), true, name);
});

test('paid in part, of unknown payment, withdrawn or a draft: no denial', () => {
  const others: [string, object][] = [
    ['one of two items', { item: [{ adjudication: [submitted, nothing] }, { adjudication: [submitted, some] }] }],
    ['the totals tell', { total: [submitted, some], item: [{ adjudication: [submitted, nothing] }] }],
    ['no benefit told', { total: [submitted] }],
    ['nothing submitted', { total: [nothing] }],
    ['cancelled', { status: 'cancelled', outcome: 'error' }],
    ['draft', { status: 'draft', total: [submitted, nothing] }],
  ];
  for (const [name, of] of others) assert.equal(denied(of), false, name);
});
