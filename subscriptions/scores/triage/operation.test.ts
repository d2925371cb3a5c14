// What a monitor sends each second must not hide what was charted some minutes ago.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { emptyDatabase } from '../../testing/database.ts';
import { createTestStore } from '../../testing/store.ts';
import { triageOperation } from './operation.ts';

const nowMs = Date.UTC(2026, 0, 31, 12);
const loinc = (code: string) => ({ coding: [{ system: 'http://loinc.org', code }] });

const observation = (id: string, code: string, secondsAgo: number, value: JsonObject): Resource & { id: string } => ({
  ...{ resourceType: 'Observation', id, status: 'final', code: loinc(code), subject: { reference: 'Patient/p' } },
  effectiveDateTime: new Date(nowMs - secondsAgo * 1_000).toISOString(),
  ...value,
});
const rate = (value: number): JsonObject => ({
  valueQuantity: { value, unit: '/min', system: 'http://unitsofmeasure.org', code: '/min' },
});

test('consciousness that was charted ten minutes ago counts beside a pulse each second', async () => {
  const store = await createTestStore(await emptyDatabase(''));
  await store.put({ resourceType: 'Patient', id: 'p', birthDate: '1980-05-05' });
  await store.put({ resourceType: 'Encounter', id: 'e', subject: { reference: 'Patient/p' } });
  for (let second = 0; second < 250; second++) await store.put(observation(`h${second}`, '8867-4', second, rate(80)));
  const unresponsive = { valueCodeableConcept: loinc('LA9343-0') };
  await store.put(observation('c', '67775-7', 600, unresponsive));
  // Of a clock that is ahead: none of these counts.
  for (let second = 1; second < 30; second++) await store.put(observation(`f${second}`, '8867-4', -second, rate(180)));
  // Begun yesterday, and not ended: its value is yesterday's.
  const { effectiveDateTime: start, ...saturation } = observation('s', '59408-5', 86_400, {
    valueQuantity: { value: 80, unit: '%', system: 'http://unitsofmeasure.org', code: '%' },
  });
  await store.put({ ...saturation, effectivePeriod: { start: start! } });
  const scope = { kind: 'everything' } as const;
  const operation = triageOperation({
    ...{ baseUrl: 'http://x/fhir/R4', clock: { now: () => nowMs }, reader: () => store.reader },
    scores: { names: ['news2'] },
  });
  const { resource } = (await operation.run({ id: 'e', scope, input: new Map() } as never)) as { resource: Resource };
  const told = (resource.parameter as JsonObject[]).filter(({ name }) => name !== 'limits' && name !== 'missing');
  assert.deepEqual(told, [
    { name: 'level', valueInteger: 1 },
    { name: 'reason', valueString: 'unresponsive' },
    { name: 'basis', valueReference: { reference: 'Observation/c' } },
    { name: 'basis', valueReference: { reference: 'Observation/h0' } },
  ]);
});
