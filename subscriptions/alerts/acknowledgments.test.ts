import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resource } from '#fhir-model';
import { testRules } from '../testing/rules.ts';
import { acknowledgeBy, acknowledgmentEntries } from './acknowledgments.ts';

const baseUrl = 'https://fhir.example.org/fhir/R4';

const answerTo = (reference: string, rest: object = {}): Resource => ({
  ...{ resourceType: 'Communication', id: 'answer', status: 'completed', inResponseTo: [{ reference }] },
  ...rest,
});

/** Which alert the answer acknowledges, and by whom, if the change stream is listened to for it at all. */
async function acknowledgedBy(answer: Resource): Promise<string[]> {
  const { entries } = acknowledgmentEntries({ ...(await testRules()), baseUrl });
  if (!entries.find(({ query }) => query.type === 'Communication')!.test!(answer, 1)) return [];
  const done: string[] = [];
  const acknowledge = async (id: string, by: string) => {
    done.push(`${id} by ${by}`);
    return true;
  };
  const alertOf = async (type: string, id: string) => (type === 'Communication' && id === 'told' ? 'alert' : undefined);
  await acknowledgeBy(answer, { baseUrl, alerts: { acknowledge }, alertOf });
  return done;
}

test('an answer may name the Communication, and its sender, with our own base', async () => {
  const sender = { reference: `${baseUrl}/Practitioner/a` };
  assert.deepEqual(await acknowledgedBy(answerTo('Communication/told')), ['alert by Communication']);
  for (const reference of [`${baseUrl}/Communication/told`, `${baseUrl}/Communication/told/_history/1`]) {
    assert.deepEqual(await acknowledgedBy(answerTo(reference, { sender })), ['alert by Practitioner/a']);
  }
  assert.deepEqual(await acknowledgedBy(answerTo('https://other.example.org/fhir/Communication/told')), []);
});
