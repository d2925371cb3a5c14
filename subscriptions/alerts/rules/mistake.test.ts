// Condition and AllergyIntolerance have no status: that they were entered in error is said by verificationStatus.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { alertsOf, eventRule, ext, holds, inForce, judged, minutes } from '../../testing/alert-rules.ts';
import { createRig } from '../../testing/rig.ts';

const sepsis = (id: string, verification: string, rest: JsonObject = {}) =>
  ({
    ...{ resourceType: 'Condition', id, subject: { reference: 'Patient/p1' } },
    code: { coding: [{ system: 'http://x', code: 'sepsis' }] },
    verificationStatus: {
      coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-ver-status', code: verification }],
    },
    ...rest,
  }) as Resource & { id: string };

const onSepsis: JsonObject = {
  type: 'data-changed',
  data: [{ type: 'Condition', codeFilter: [{ path: 'code', code: [{ system: 'http://x', code: 'sepsis' }] }] }],
};

test('a diagnosis that was entered in error raises nothing, and ends what it has raised', async (t) => {
  const rig = await createRig(t);
  await rig.start();
  const always = { title: 'Sepsis', condition: [holds('true')], trigger: [onSepsis] };
  const unconfirmed = {
    ...{ title: 'Unconfirmed', condition: [holds("verificationStatus.coding.code = 'provisional'")] },
    trigger: [{ ...onSepsis, extension: [ext('criteria', 'String', 'verification-status=provisional')] }],
  };
  await inForce(
    rig,
    eventRule('t', 'threshold', [], [always]),
    eventRule('u', 'threshold', [], [unconfirmed]),
    eventRule('c', 'combination', [minutes('window', 60)], [{ title: 'Both', trigger: [onSepsis, onSepsis] }]),
  );
  const states = async (rule: string) => {
    const flags = await rig.store.list('Flag');
    const ofRule = flags.filter(({ meta }) => meta?.tag?.some(({ code }) => code === rule));
    return [(await alertsOf(rig.db, rule)).map(({ status }) => status), ofRule.map(({ status }) => status)];
  };
  await judged(rig, sepsis('s0', 'entered-in-error'));
  for (const rule of ['t', 'u', 'c']) assert.deepEqual(await states(rule), [[], []], rule);
  await judged(rig, sepsis('s1', 'provisional'));
  for (const rule of ['t', 'u', 'c']) assert.deepEqual(await states(rule), [['active'], ['active']], rule);
  await judged(rig, sepsis('s1', 'entered-in-error'));
  for (const rule of ['t', 'u', 'c']) assert.deepEqual(await states(rule), [['resolved'], ['entered-in-error']], rule);
});
