import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resource } from '#fhir-model';
import { createEgress } from '#platform';
import { type RegistrationRules, registrationOrProblem } from './registration.ts';
import { testRules } from './testing/rules.ts';

const secretPlain = 'https://medplum.com/fhir/StructureDefinition/subscription-secret';
const secretWww = 'https://www.medplum.com/fhir/StructureDefinition/subscription-secret';
const secretShort = 'https://www.medplum.com/fhir/StructureDefinition-subscriptionSecret';
const secretOurs = 'urn:cerebra:subscription-secret';

const signed = (...secrets: [url: string, value: string][]): Resource => ({
  ...{ resourceType: 'Subscription', id: 's', status: 'requested', reason: 'r', criteria: 'Observation?code=a' },
  channel: { type: 'rest-hook', endpoint: 'https://ward.example.org/x', payload: 'application/fhir+json' },
  extension: secrets.map(([url, valueString]) => ({ url, valueString })),
});

test('the secret that signs is found by each of its names, and there is one', async () => {
  const rules: RegistrationRules = { ...(await testRules()), email: false, egress: createEgress([]) };
  const secretOf = (subscription: Resource) => {
    const found = registrationOrProblem(subscription, rules);
    return typeof found === 'string' ? found : found.secret;
  };
  for (const url of [secretPlain, secretWww, secretShort, secretOurs]) {
    assert.equal(secretOf(signed([url, 'a long text'])), 'a long text', url);
  }
  assert.equal(secretOf(signed([secretPlain, 'a long text'], [secretShort, 'a long text'])), 'a long text');
  assert.equal(secretOf(signed()), '');
  assert.equal(secretOf(signed(['https://medplum.com/fhir/StructureDefinition/subscription-max-attempts', '3'])), '');
  const refused = /^Subscription\.extension: the secret that signs notifications must be one valueString/;
  assert.match(secretOf(signed([secretPlain, 'a long text'], [secretWww, 'another'])), refused);
  assert.match(secretOf(signed([secretPlain, ''])), refused);
  assert.match(secretOf(signed([secretOurs, 'a'.repeat(1_025)])), refused);
});
