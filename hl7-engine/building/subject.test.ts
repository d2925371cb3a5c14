// The language that a patient prefers, and the class of a visit.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { buildFrom, wantedMessage } from './build.ts';
import { createGraph } from './graph.ts';
import { buildTarget } from './target.ts';

const patient = (more: JsonObject = {}): Resource =>
  ({ resourceType: 'Patient', id: '1', identifier: [{ system: 'urn:id:HOSP', value: '1' }], ...more }) as Resource;

const languages: [preferred: (boolean | undefined)[], first: string][] = [
  [[undefined, true], 'fr'],
  [[false, undefined], 'de'],
  [[true, undefined], 'de'],
];

for (const [preferred, first] of languages) {
  test(`the language of PID-15, preferred ${JSON.stringify(preferred)}`, async () => {
    const graph = createGraph();
    const communication = ['de', 'fr'].map((code, at) => ({
      language: { coding: [{ system: 'urn:ietf:bcp:47', code }] },
      ...(preferred[at] === undefined ? {} : { preferred: preferred[at] }),
    }));
    const focus = graph.add(patient({ communication }));
    const target = buildTarget({});
    const { message } = await buildFrom({
      wanted: wantedMessage('ADT^A31'),
      focus,
      graph,
      target,
      controlId: '1',
      nowMs: 0,
    });
    assert.equal(message.get('PID-15.1'), first);
  });
}

const classes: [given: JsonObject, pv12: string][] = [
  [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'IMP' }, 'I'],
  [{ code: 'IMP' }, 'I'],
  [{ code: 'AMB' }, 'O'],
  [{ code: 'ACUTE' }, 'I'],
  [{ code: 'I' }, 'I'],
  [{ code: 'X' }, 'X'],
  [{ system: 'http://local.example', code: 'X' }, 'U'],
];

for (const [given, pv12] of classes) {
  test(`PV1-2 of ${JSON.stringify(given)}`, async () => {
    const graph = createGraph();
    graph.add(patient());
    const focus = graph.add({
      ...{
        resourceType: 'Encounter',
        id: 'e',
        status: 'in-progress',
        class: given,
        subject: { reference: 'Patient/1' },
      },
    } as Resource);
    const target = buildTarget({});
    const { message } = await buildFrom({
      wanted: wantedMessage('ADT^A08'),
      focus,
      graph,
      target,
      controlId: '1',
      nowMs: 0,
    });
    assert.equal(message.get('PV1-2'), pv12);
  });
}

test('the facility of a visit is known by its name, also where the reference has none', async () => {
  const graph = createGraph();
  graph.add(patient({}));
  graph.add({ resourceType: 'Organization', id: 'o', name: 'NORTH' });
  const facility = async (serviceProvider: JsonObject): Promise<string | undefined> => {
    const visit = { resourceType: 'Encounter', id: 'e', status: 'in-progress', class: { code: 'IMP' } };
    const focus = { ...visit, subject: { reference: 'Patient/1' }, serviceProvider } as unknown as Resource;
    const common = { graph, target: buildTarget({}), controlId: '1', nowMs: 0 };
    const { message } = await buildFrom({ wanted: wantedMessage('ADT^A08'), focus, ...common });
    return message.get('PV1-39');
  };
  assert.equal(await facility({ reference: 'Organization/o' }), 'NORTH');
  assert.equal(await facility({ reference: 'Organization/o', display: 'N' }), 'N');
});

test('what is restricted, or very restricted, is told to be protected', async () => {
  const codes = [
    ['R', 'Y'],
    ['V', 'Y'],
    ['N', undefined],
  ] as const;
  for (const [code, told] of codes) {
    const meta = { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code }] };
    const graph = createGraph();
    graph.add(patient({ meta } as unknown as JsonObject));
    const subject = { reference: 'Patient/1' };
    const visit = { resourceType: 'Encounter', id: 'e', status: 'in-progress', class: { code: 'IMP' }, subject, meta };
    const focus = graph.add(visit as unknown as Resource);
    const common = { graph, target: buildTarget({}), controlId: '1', nowMs: 0 };
    const { message } = await buildFrom({ wanted: wantedMessage('ADT^A08'), focus, ...common });
    assert.deepEqual([message.get('PD1-12'), message.get('PV2-22')], [told, told]);
  }
});
