// Validation in a running engine: profiles as operators and folders have them, routes that ask for them, what senders hear.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Db } from '#platform';
import { testDatabase, waitFor } from '#platform/testing';
import type { Hl7Engine } from '../index.ts';
import { type Call, caller } from '../routes/testing.ts';
import { build, msa, oru, rows } from '../testing/engine-rig.ts';
import { createMemoryWriter } from '../testing/memory-writer.ts';

const by = { author: 'operator', comment: 'because' };

/** Any ORU^R01 whose PID-3 repeats no more than `most` times. */
const profile = (most: number): string => `<ConformanceProfile ID="p"><MetaData Name="At most ${most}"/><Messages>
  <Message ID="m" Type="ORU" Event="R01" StructID="ORU_R01"><Segment Ref="MSH" Usage="R" Min="1" Max="1"/>
  <Segment Ref="PID" Usage="R" Min="1" Max="1"/><Segment Ref="OBR" Usage="R" Min="1" Max="*"/><Segment Ref="OBX" Usage="O" Min="0" Max="*"/>
  </Message></Messages><Segments>${['MSH', 'OBR', 'OBX'].map((name) => `<Segment ID="${name}" Name="${name}"/>`).join('')}
  <Segment ID="PID" Name="PID">${'<Field Name="P" Usage="O" Datatype="var" Min="0" Max="*"/>'.repeat(2)}
  <Field Name="Identifiers" Usage="R" Datatype="var" Min="1" Max="${most}"/></Segment></Segments>
  <Datatypes><Datatype ID="var" Name="var"/></Datatypes></ConformanceProfile>`;

let db: Db;
let folder: string;
let engine: Hl7Engine;
let other: Hl7Engine;
let call: Call;
let callOther: Call;
before(async () => {
  db = await testDatabase();
  folder = await mkdtemp(path.join(tmpdir(), 'hl7-profiles-'));
  engine = build(db, createMemoryWriter(db), { profilesFolder: folder });
  other = build(db, createMemoryWriter(db));
  call = caller(engine.adminRoutes, '/admin/hl7');
  callOther = caller(other.adminRoutes, '/admin/hl7');
  await engine.start();
  await other.start();
});
after(async () => {
  await engine.stop();
  await other.stop();
  await rm(folder, { recursive: true });
});

interface Issue {
  severity: string;
  diagnostics: string;
  expression: string[];
}

const twice = (raw: Buffer): string => raw.toString().replace('^MR||', '^MR~A2^^^HOSP^PI||');

async function issues(address: string, message: string, ask = call): Promise<string[]> {
  const { body } = await ask('POST', `/validate?${address}`, { body: message });
  return (body.issue as Issue[]).map(
    ({ severity, diagnostics, expression }) => `${severity} ${expression ?? ''}: ${diagnostics}`,
  );
}

const tooOften = 'error PID[1]-3[2]: Identifiers repeats 2 times, 1 at most may';
const withoutSurplus = (told: string[]): string[] => told.filter((text) => !text.startsWith('warning'));

describe('profiles of operators', () => {
  it('are put, read, asked, replaced and removed', async () => {
    const put = (most: number) => call('PUT', '/profiles/narrow', { body: { documents: [profile(most)], ...by } });
    const created = await put(1);
    assert.equal(created.status, 201);
    const { at, ...rest } = created.body;
    assert.ok(at instanceof Date);
    assert.deepEqual(rest, {
      name: 'narrow',
      origin: 'api',
      title: 'At most 1',
      messages: [{ name: 'ORU_R01', type: 'ORU', event: 'R01', structure: 'ORU_R01' }],
      ...{ rules: 0, valueSetsMissing: [], ...by },
    });
    assert.deepEqual((await call('GET', '/profiles/narrow')).body.documents, [profile(1)]);
    const ask = () => issues('profile=narrow&structure=off', twice(oru())).then(withoutSurplus);
    assert.deepEqual(await ask(), [tooOften]);
    assert.equal((await put(2)).status, 200);
    assert.deepEqual(await ask(), []);
    assert.equal((await call('DELETE', '/profiles/narrow?author=operator')).status, 204);
    assert.deepEqual(await call('GET', '/profiles'), { status: 200, body: { profiles: [], problems: [] } });
    assert.equal((await call('POST', '/validate?profile=narrow', { body: 'MSH|' })).status, 404);
  });

  it('stay as they are where the new one is none', async () => {
    await call('PUT', '/profiles/kept', { body: { documents: [profile(1)], ...by } });
    const broken = profile(1).replace('Ref="OBR"', 'Ref="OBS"');
    const { status, body } = await call('PUT', '/profiles/kept', { body: { documents: [broken], ...by } });
    assert.equal(status, 400);
    assert.match(String(body.error), /^Not a profile: <Segment> in line 3 refers to segment OBS, which is not there$/);
    assert.deepEqual((await call('GET', '/profiles/kept')).body.title, 'At most 1');
    await call('DELETE', '/profiles/kept?author=operator');
  });

  it('are followed by other servers', async () => {
    await call('PUT', '/profiles/shared', { body: { documents: [profile(1)], ...by } });
    await waitFor(async () => (await callOther('GET', '/profiles/shared')).status === 200, 'the profile there');
    assert.deepEqual(withoutSurplus(await issues('profile=shared&structure=off', twice(oru()), callOther)), [tooOften]);
    await call('DELETE', '/profiles/shared?author=operator');
    await waitFor(async () => (await callOther('GET', '/profiles/shared')).status === 404, 'the profile gone there');
  });
});

describe('profiles of the folder', () => {
  const write = async (name: string, text: string): Promise<void> => {
    await writeFile(path.join(folder, '.part'), text);
    await rename(path.join(folder, '.part'), path.join(folder, name));
  };
  const title = async (name: string): Promise<unknown> => (await call('GET', `/profiles/${name}`)).body.title;

  it('are files, or folders with the documents of one', async () => {
    await write('filed.xml', profile(1));
    await mkdir(path.join(folder, 'several'));
    await writeFile(path.join(folder, 'several/sets.XML'), '<ValueSetLibrary/>');
    await writeFile(path.join(folder, 'several/profile.xml'), profile(3));
    await waitFor(
      async () => (await title('filed')) === 'At most 1' && (await title('several')) === 'At most 3',
      'both profiles',
    );
    const put = await call('PUT', '/profiles/filed', { body: { documents: [profile(2)], ...by } });
    assert.deepEqual(put.body.error, 'Profile filed is a file of HL7_PROFILES_DIR: change it there');
    await write('filed.xml', '<ConformanceProfile');
    await waitFor(
      async () => JSON.stringify((await call('GET', '/profiles')).body.problems).includes('is no XML'),
      'the problem',
    );
    assert.equal(await title('filed'), 'At most 1');
    await write('filed.xml', profile(4));
    await waitFor(async () => (await title('filed')) === 'At most 4', 'the new profile');
    await rm(path.join(folder, 'filed.xml'));
    await waitFor(async () => (await call('GET', '/profiles/filed')).status === 404, 'the profile gone');
    assert.equal(await title('several'), 'At most 3');
  });
});

describe('a route that validates', () => {
  const route = (id: string, validation: object) => ({
    ...{ id, name: id, priority: 5, match: { path: 'MSH-3', equals: id }, validation },
  });
  const put = (id: string, validation: object) =>
    call('PUT', `/routes/${id}`, { body: { route: route(id, validation), ...by } });
  const send = async (sender: string, change: (text: string) => string): Promise<Buffer> =>
    engine.process(Buffer.from(change(oru({ id: sender, sender: `${sender}|NORTH` }).toString())));
  const errors = (ack: Buffer): string[] =>
    ack
      .toString()
      .split('\r')
      .filter((line) => line.startsWith('ERR'))
      .map((line) => line.split('|').slice(2, 4).join('|'));
  const spoil = (text: string): string => text.replace('|5.10|', '|high|').replace('|N|||F', '|N|||Q');

  it('strictly refuses every error with an ERR of its own', async () => {
    assert.equal((await put('strict', { structure: 'strict' })).status, 201);
    const ack = await send('strict', spoil);
    assert.equal(msa(ack), 'MSA|AE|strict');
    assert.deepEqual(errors(ack), [
      'OBX^1^5^1|102^Data type error^HL70357',
      'OBX^1^11^1|103^Table value not found^HL70357',
    ]);
    const [row] = (await rows(db)).filter(({ raw }) => raw.includes('strict'));
    assert.equal(row!.state, 'failed');
    const fine = await engine.process(oru({ id: 'fine', sender: 'strict|NORTH' }));
    assert.equal(msa(fine), 'MSA|AA|fine');
  });

  it('leniently lets it through with warnings in the journal', async () => {
    await put('lenient', { structure: 'lenient' });
    assert.equal(msa(await send('lenient', spoil)), 'MSA|AA|lenient');
    const { body } = await call('GET', '/messages?controlId=lenient');
    const [{ id }] = body.messages as [{ id: string }];
    const { warnings } = (await call('GET', `/messages/${id}`)).body as { warnings: string[] };
    assert.deepEqual(
      warnings.filter((text) => text.startsWith('OBX[1]-')),
      [
        'OBX[1]-5[1]: Observation Value: not a number: digits with an optional sign and decimal point',
        'OBX[1]-11[1]: "Q" is no code of HL7 table 0085',
      ],
    );
    assert.equal(msa(await send('lenient', (text) => text.replace('2823-3^Potassium^LN', ''))), 'MSA|AE|lenient');
  });

  it('by a profile refuses what that says, and keeps it from being removed', async () => {
    await call('PUT', '/profiles/used', { body: { documents: [profile(1)], ...by } });
    await put('profiled', { profile: 'used' });
    const ack = await send('profiled', (text) => twice(Buffer.from(text)));
    assert.deepEqual(
      [msa(ack), errors(ack)],
      ['MSA|AE|profiled', ['PID^1^3^2|198^Non-Conformant Cardinality^HL70357']],
    );
    const removed = await call('DELETE', '/profiles/used?author=operator');
    assert.deepEqual(removed.body.error, 'Profile used is used by profiled: change these routes first');
  });

  it('needs a profile that is there', async () => {
    const { status, body } = await put('nowhere', { profile: 'none' });
    assert.equal(status, 400);
    assert.match(JSON.stringify(body.problems), /"path":"validation.profile","problem":"no such profile; there are /);
  });

  it('can be tried', async () => {
    const body = {
      route: route('draft', { structure: 'strict' }),
      message: spoil(oru({ sender: 'draft|NORTH' }).toString()),
    };
    const tried = (await call('POST', '/routes/dry-run', { body })).body as {
      refusal: { step: string; more: string[] };
    };
    assert.equal(tried.refusal.step, 'validation');
    assert.equal(tried.refusal.more.length, 1);
  });
});

describe('a message that an operator asks about', () => {
  it('is not checked where a parameter is not known', async () => {
    const { status, body } = await call('POST', '/validate?profil=narrow', { body: oru().toString() });
    assert.equal(status, 400);
    assert.equal(body.error, 'profil is no parameter here; there are profile, structure');
  });

  it('is checked by the standard', async () => {
    assert.deepEqual(await issues('', oru().toString()), ['information : Nothing was found wrong']);
    assert.deepEqual(await issues('structure=strict', oru({ value: 'high' }).toString()), [
      'error OBX[1]-5[1]: Observation Value: not a number: digits with an optional sign and decimal point',
    ]);
  });

  it('may be no message', async () => {
    assert.deepEqual(await issues('', 'hello'), ['error MSH: Not an HL7 v2 message: it does not begin with MSH']);
    assert.deepEqual(await issues('', `BHS|^~\\&\r${oru()}BTS|1\r`), [
      'error MSH: A batch of messages, where one is asked for: it does not begin with MSH',
    ]);
    assert.equal((await call('POST', '/validate?structure=harsh', { body: 'MSH|' })).status, 400);
  });
});
