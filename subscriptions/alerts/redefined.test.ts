// Search parameters that are defined anew, taken away and given back while rules listen by them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CustomParameter, type JsonObject, loadDefinitions, withCustomParameters } from '#fhir-model';
import { alertsOf, eventRule, holds, inForce, judged, reading } from '../testing/alert-rules.ts';
import { createRig, testRules } from '../testing/rig.ts';

const shift = (expression: string): CustomParameter => ({
  ...{ resourceType: 'Observation', code: 'shift', url: 'urn:example:shift', type: 'token', expression },
  ...{ target: [], description: '', components: [] },
});

const night: JsonObject = { coding: [{ code: 'night' }] };
const of = (patient: string, rest: JsonObject) =>
  reading(`o-${patient}`, 1, 0, { subject: { reference: `Patient/${patient}` }, ...rest });

test('a rule listens by what its search parameters are now', async (t) => {
  const rig = await createRig(t);
  const definitions = await loadDefinitions();
  const { parameters: base } = await testRules();
  const method = withCustomParameters(base, [shift('Observation.method')], definitions);
  const site = withCustomParameters(base, [shift('Observation.bodySite')], definitions);
  let current = method;
  let revision = 1n;
  const define = (next: typeof base) => {
    current = next;
    revision++;
  };
  await rig.start({
    parameters: {
      get: (type, code) => current.get(type, code),
      list: (type) => current.list(type),
      outsideSubset: () => current.outsideSubset(),
      get revision() {
        return revision;
      },
    },
  });
  const codeFilter = [{ searchParam: 'shift', code: [{ code: 'night' }] }];
  const trigger = [{ type: 'data-changed', data: [{ type: 'Observation', codeFilter }] }];
  await inForce(rig, eventRule('r', 'threshold', [], [{ title: 'Night', condition: [holds('true')], trigger }]));
  await judged(rig, of('p1', { method: night }), of('p2', { bodySite: night }));
  define(site);
  await judged(rig, of('p3', { method: night }), of('p4', { bodySite: night }));
  const raised = async () => (await alertsOf(rig.db, 'r')).map(({ subject }) => subject);
  assert.deepEqual(await raised(), ['Patient/p1', 'Patient/p4']);
  define(base);
  await judged(rig, of('p5', { bodySite: night }));
  define(site);
  await judged(rig, of('p6', { bodySite: night }));
  assert.deepEqual(await raised(), ['Patient/p1', 'Patient/p4', 'Patient/p6']);
});
