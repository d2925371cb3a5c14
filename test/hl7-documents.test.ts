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
    ...(event === 'T11' ? [] : [`OBX|1|TX|DS^Summary^L||text of ${number}, ${event}||||||F`]),
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

/** What the documents say. */
async function texts(patient: string): Promise<Record<string, string>> {
  const documents = await find('DocumentReference', `subject:Patient.identifier=${patient}`);
  return Object.fromEntries(
    documents.map(({ masterIdentifier, content }) => {
      const [{ attachment }] = content as [{ attachment: JsonObject }];
      const { value } = masterIdentifier as JsonObject;
      return [value, Buffer.from(String(attachment.data ?? ''), 'base64').toString()];
    }),
  );
}

test('a document that comes after the one that replaces it has its content, and is not current', async () => {
  const p = 'DOC-D';
  await send(p, '20260301090000', 'T10', 'D-2', 'D-1');
  await send(p, '20260301080000', 'T02', 'D-1');
  assert.deepEqual(await states(p), { 'D-1': 'superseded', 'D-2': 'current' });
  assert.deepEqual(await texts(p), { 'D-1': 'text of D-1, T02', 'D-2': 'text of D-2, T10' });
  // Told again, and corrected later: its content changes, and the other one still replaces it.
  await send(p, '20260301100000', 'T08', 'D-1');
  assert.deepEqual(await states(p), { 'D-1': 'superseded', 'D-2': 'current' });
  assert.equal((await texts(p))['D-1'], 'text of D-1, T08');
  await send(p, '20260301110000', 'T11', 'D-2');
  assert.deepEqual(await states(p), { 'D-1': 'current', 'D-2': 'entered-in-error' });
});

test('a replacement that comes after a later state of what it replaces replaces it all the same', async () => {
  const p = 'DOC-E';
  await send(p, '20260301100000', 'T08', 'E-1');
  await send(p, '20260301090000', 'T10', 'E-2', 'E-1');
  assert.deepEqual(await states(p), { 'E-1': 'superseded', 'E-2': 'current' });
});

for (const [parent, name] of [
  ['', 'alone'],
  ['1', 'and what it would have replaced'],
]) {
  test(`a cancellation that names the replacement ${name}, before either of them has come`, async () => {
    const p = `DOC-F${parent}`;
    await send(p, '20260301100000', 'T11', `${p}-2`, parent && `${p}-1`);
    // Of the same time, as clocks of minutes have it.
    await send(p, '20260301100000', 'T10', `${p}-2`, `${p}-1`);
    await send(p, '20260301080000', 'T02', `${p}-1`);
    assert.deepEqual(await states(p), { [`${p}-1`]: 'current', [`${p}-2`]: 'entered-in-error' });
    assert.equal((await texts(p))[`${p}-1`], `text of ${p}-1, T02`);
  });
}
