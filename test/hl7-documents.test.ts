// Documents that replace others (MDM), into the real store: which of them counts.
import assert from 'node:assert/strict';
import test, { before } from 'node:test';
import type { JsonObject } from '#fhir-model';
import type { Hl7Engine } from '#hl7-engine';
import { type Hl7Rig, hl7Rig } from './hl7-rig.ts';

let engine: Hl7Engine;
let find: Hl7Rig['find'];

before(async () => {
  ({ engine, find } = await hl7Rig());
});

let controlNumber = 0;

/** A document of the number; `parent` is TXA-13. */
async function send(patient: string, at: string, event: string, number: string, parent = ''): Promise<void> {
  const lines = [
    `MSH|^~\\&|APP|TESTHOSP|EHR|TESTHOSP|${at}||MDM^${event}^MDM_T02|D${++controlNumber}|P|2.5.1`,
    `EVN|${event}|${at}`,
    `PID|1||${patient}^^^TESTHOSP^MR||TEST^DOCUMENTS`,
    'PV1|1|O',
    `TXA|1|DS|TX|${at}||||||||${number}^TRANSCR|${parent && `${parent}^TRANSCR`}||||AU||AV`,
    ...(event === 'T11' ? [] : [`OBX|1|TX|DS^Summary^L||text of ${number}||||||F`]),
  ];
  const ack = await engine.process(Buffer.from(lines.join('\r')));
  assert.match(ack.toString('latin1').split('\r')[1] ?? '', /^MSA\|AA\|/);
}

/** The documents' numbers and states. */
async function states(patient: string): Promise<Record<string, unknown>> {
  const documents = await find('DocumentReference', `subject:Patient.identifier=${patient}`);
  return Object.fromEntries(
    documents.map(({ masterIdentifier, status }) => [(masterIdentifier as JsonObject).value, status]),
  );
}

for (const [parent, name] of [
  ['', 'alone'],
  ['1', 'and what it replaced'],
]) {
  test(`T11 that names the replacement ${name}: what it replaced is current again`, async () => {
    const p = `DOC-A${parent}`;
    await send(p, '20260301080000', 'T02', `${p}-1`);
    await send(p, '20260301090000', 'T10', `${p}-2`, `${p}-1`);
    assert.deepEqual(await states(p), { [`${p}-1`]: 'superseded', [`${p}-2`]: 'current' });
    const cancel = () => send(p, '20260301100000', 'T11', `${p}-2`, parent && `${p}-1`);
    await cancel();
    const cancelled = { [`${p}-1`]: 'current', [`${p}-2`]: 'entered-in-error' };
    assert.deepEqual(await states(p), cancelled);
    // The same again, and the replacement once more, late.
    await cancel();
    await send(p, '20260301090000', 'T10', `${p}-2`, `${p}-1`);
    assert.deepEqual(await states(p), cancelled);
    // Another replacement counts, and stays so when the first is cancelled once more.
    await send(p, '20260301110000', 'T10', `${p}-3`, `${p}-1`);
    await send(p, '20260301120000', 'T11', `${p}-2`, parent && `${p}-1`);
    assert.deepEqual(await states(p), { ...cancelled, [`${p}-1`]: 'superseded', [`${p}-3`]: 'current' });
  });
}

test('T11 of one of two replacements: the other one still replaces; of one that was replaced itself nothing comes back', async () => {
  const p = 'DOC-B';
  await send(p, '20260301080000', 'T02', 'B-1');
  await send(p, '20260301090000', 'T10', 'B-2', 'B-1');
  await send(p, '20260301100000', 'T10', 'B-3', 'B-1');
  await send(p, '20260301110000', 'T11', 'B-2');
  assert.deepEqual(await states(p), { 'B-1': 'superseded', 'B-2': 'entered-in-error', 'B-3': 'current' });
  await send(p, '20260301120000', 'T10', 'B-4', 'B-3');
  await send(p, '20260301130000', 'T11', 'B-3');
  assert.deepEqual(await states(p), {
    'B-1': 'superseded',
    'B-2': 'entered-in-error',
    'B-3': 'entered-in-error',
    'B-4': 'current',
  });
  await send(p, '20260301140000', 'T02', 'B-5');
  await send(p, '20260301150000', 'T11', 'B-5');
  assert.equal((await states(p))['B-5'], 'entered-in-error');
});

test('a replacement that was cancelled before it came replaces nothing', async () => {
  const p = 'DOC-C';
  await send(p, '20260301080000', 'T02', 'C-1');
  await send(p, '20260301100000', 'T11', 'C-2');
  await send(p, '20260301090000', 'T10', 'C-2', 'C-1');
  assert.deepEqual(await states(p), { 'C-1': 'current', 'C-2': 'entered-in-error' });
});
