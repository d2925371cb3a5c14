// Profiles on the way into the store, through the doors that other rooms use. docs/validation.md
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { type Issue, loadDefinitions, parseJson, type Resource } from '#fhir-model';
import { isCerebraError } from '#platform';
import { testDatabase } from '#platform/testing';
import { createReader, createWriter } from '../ports.ts';
import { everything, testCore } from '../testing.ts';
import { createOnWrite } from './on-write.ts';
import { createPolicy, type PolicyOptions } from './policy.ts';
import { findAmong, profileOf, validatorWith } from './testing.ts';

const KNOWN = 'http://example.org/StructureDefinition/known';
const definitions = await loadDefinitions();

interface Asked {
  profiles: readonly string[];
  level: string | undefined;
}

/** A validator for which a Basic without `author` does not conform to KNOWN. */
function createChecks(options: PolicyOptions = {}) {
  const asked: Asked[] = [];
  const told: [string, number][] = [];
  const fault: Issue = {
    severity: 'error',
    code: 'required',
    diagnostics: 'Basic.author: required',
    expression: ['Basic.author'],
  };
  const hint: Issue = { severity: 'warning', code: 'informational', diagnostics: 'a hint' };
  const onWrite = createOnWrite({
    policy: createPolicy(definitions, options),
    profiles: {
      find: async (_type, canonical) =>
        canonical.startsWith(KNOWN) ? { resourceType: 'StructureDefinition' } : undefined,
    },
    validator: {
      async validateResource(resource, { profiles = [], level } = {}) {
        asked.push({ profiles, level });
        return resource.author === undefined ? [hint, fault] : [hint];
      },
    },
    onRecorded: (type, faults) => told.push([type, faults]),
  });
  return { onWrite, asked, told };
}

const basic = (id: string, more: object = {}, ...profile: string[]): Resource & { id: string } => ({
  ...{ resourceType: 'Basic', id, code: { text: 'x' } },
  ...(profile.length > 0 ? { meta: { profile } } : {}),
  ...more,
});
const author = { author: { reference: 'Practitioner/p' } };

describe('what is checked', () => {
  test('nothing of a resource without claims, at once', () => {
    const { onWrite, asked } = createChecks();
    assert.equal(onWrite.check(basic('a')), undefined);
    assert.equal(onWrite.concerns(basic('a')), false);
    const own = 'http://hl7.org/fhir/StructureDefinition/Basic';
    assert.equal(onWrite.check(basic('a', {}, own, `${own}|4.0.1`)), undefined);
    assert.deepEqual(asked, []);
  });

  test('claims that are known, once each; and profiles of the type', async () => {
    const { onWrite, asked } = createChecks({ profiles: `Basic=${KNOWN}|1` });
    const resource = basic('a', author, KNOWN, 'http://example.org/other', KNOWN);
    assert.equal(await onWrite.check(resource), resource);
    assert.deepEqual(asked, [{ profiles: [`${KNOWN}|1`, KNOWN], level: 'base' }]);
  });

  test('the last claim counts as the first does, and more than are looked at are refused', async () => {
    const { onWrite, asked } = createChecks();
    const others = (count: number) => Array.from({ length: count }, (_, i) => `http://example.org/other-${i}`);
    await assert.rejects(async () => onWrite.check(basic('a', {}, ...others(49), KNOWN)), {
      message: 'Basic.author: required',
    });
    assert.deepEqual(asked, [{ profiles: [KNOWN], level: 'base' }]);
    await assert.rejects(
      async () => onWrite.check(basic('a', author, ...others(51)), 'Bundle.entry[3].resource'),
      (error) => {
        assert.ok(isCerebraError(error, 'invalid-resource'));
        assert.deepEqual(
          error.issues.map(({ code, expression }) => [code, expression]),
          [['too-costly', ['Bundle.entry[3].resource.meta.profile']]],
        );
        return true;
      },
    );
  });

  test('the refusal has all issues, placed', async () => {
    const { onWrite } = createChecks();
    await assert.rejects(
      async () => onWrite.check(basic('a', {}, KNOWN), 'Bundle.entry[3].resource'),
      (error) => {
        assert.ok(isCerebraError(error, 'invalid-resource'));
        assert.deepEqual([error.status, error.message], [422, 'Basic.author: required']);
        assert.deepEqual(
          error.issues.map(({ severity, expression }) => [severity, expression]),
          [
            ['warning', ['Bundle.entry[3].resource']],
            ['error', ['Bundle.entry[3].resource.author']],
          ],
        );
        return true;
      },
    );
  });

  test('of a Bundle what its entries claim, where their references lead to each other', async () => {
    const born = profileOf('Patient', 'born', [{ path: 'Patient.birthDate', min: 1 }]);
    const type = [{ code: 'Reference', targetProfile: [String(born.url)], aggregation: ['bundled'] }];
    const profile = profileOf('Basic', 'about', [{ path: 'Basic.subject', type }]);
    const validator = validatorWith(born, profile);
    const find = findAmong(born, profile);
    const onWrite = createOnWrite({
      policy: createPolicy(definitions),
      validator,
      profiles: { find },
      onRecorded: () => undefined,
    });
    const bundle = (subject: string, birthDate?: string): Resource => ({
      ...{ resourceType: 'Bundle', type: 'collection' },
      entry: [
        {
          fullUrl: 'http://example.org/Basic/b',
          resource: basic('b', { subject: { reference: subject } }, String(profile.url)),
        },
        {
          fullUrl: 'http://example.org/Patient/p',
          resource: { resourceType: 'Patient', id: 'p', ...(birthDate === undefined ? {} : { birthDate }) },
        },
      ],
    });
    const told = async (one: Resource): Promise<unknown[]> =>
      (await onWrite.refusalOf(one)).map(({ messageId, expression }) => [messageId, expression]);
    const place = ['Bundle.entry[0].resource.subject'];
    assert.deepEqual(await told(bundle('Patient/p', '1980')), []);
    assert.deepEqual(await told(bundle('Patient/p')), [['target-profile', place]]);
    assert.deepEqual(await told(bundle('Patient/q', '1980')), [['reference-aggregation', place]]);
  });

  test('what is recorded is tagged and told; other tags stay', async () => {
    const { onWrite, told } = createChecks({ record: 'all' });
    const tag = { system: 'urn:t', code: 'mine' };
    const given: Resource = { ...basic('a'), meta: { profile: [KNOWN], tag: [tag] } };
    const stored = (await onWrite.check(given))!;
    const [first, second] = stored.meta!.tag!;
    assert.deepEqual(
      [first, second?.code, second?.display],
      [tag, 'nonconformant', '1 fault when it was stored; $validate tells them'],
    );
    assert.deepEqual(told, [['Basic', 1]]);
    assert.deepEqual(given.meta!.tag, [tag]);
    const mended = (await onWrite.check({ ...stored, ...author }))!;
    assert.deepEqual(mended.meta, { profile: [KNOWN], tag: [tag] });
    const bare = (await onWrite.check({ ...stored, meta: { tag: [second!] } }))!;
    assert.deepEqual(bare.meta, {});
    const many = Array.from({ length: 60 }, (_, i) => `http://example.org/other-${i}`);
    const taken = (await onWrite.check(basic('b', {}, KNOWN, ...many)))!;
    assert.equal(taken.meta!.tag!.length, 1);
  });
});

async function rig(t: TestContext, options?: PolicyOptions) {
  const core = await testCore(await testDatabase(t));
  const checks = createChecks(options);
  core.onWrite = checks.onWrite;
  const reader = createReader(core);
  const read = async (id: string): Promise<Resource | undefined> => {
    const found = await reader.read('Basic', id, everything);
    return found && (parseJson(found.body).exact as Resource);
  };
  return { core, writer: createWriter(core), read, ...checks };
}

const context = { scope: everything };

describe('in-process writers', () => {
  test('createIfAbsent stores all or, when one does not conform, none', async (t) => {
    const { writer, read } = await rig(t);
    const good = basic('a', author, KNOWN);
    await assert.rejects(writer.createIfAbsent([good, basic('b', {}, KNOWN)], context), (error) => {
      assert.ok(isCerebraError(error, 'invalid-resource'));
      assert.deepEqual(error.issues[1]!.expression, ['[1].author']);
      return true;
    });
    assert.equal(await read('a'), undefined);
    assert.deepEqual(await writer.createIfAbsent([good, basic('c')], context), [true, true]);
  });

  test('a merge is checked for what it yields, and written once that is known', async (t) => {
    const { writer, read, asked } = await rig(t);
    await writer.transaction([{ method: 'PUT', url: 'Basic/m', resource: basic('m', author, KNOWN) }], context);
    asked.length = 0;
    const merging = (change: object) => ({
      ...{ method: 'PUT' as const, url: 'Basic/m', resource: basic('m') },
      merge: (existing: Resource | undefined) => ({ ...existing!, ...change }),
    });
    await writer.transaction([merging({ created: '2026-01-02' })], context);
    assert.equal(asked.length, 1);
    assert.equal((await read('m'))!.created, '2026-01-02');
    await assert.rejects(writer.transaction([merging({ author: undefined })], context), (error) => {
      assert.ok(isCerebraError(error, 'invalid-resource'));
      assert.deepEqual(error.issues[1]!.expression, ['Bundle.entry[0].resource.author']);
      return true;
    });
    assert.equal((await read('m'))!.meta!.versionId, '2');
  });

  test('a merge that yields something else each time ends in a conflict', async (t) => {
    const { writer, read } = await rig(t);
    let calls = 0;
    const entry = {
      ...{ method: 'PUT' as const, url: 'Basic/n', resource: basic('n') },
      merge: () => basic('n', { ...author, created: `20${10 + calls++}` }, KNOWN),
    };
    await assert.rejects(writer.transaction([entry], context), (error) => isCerebraError(error, 'version-conflict'));
    assert.equal(await read('n'), undefined);
  });

  test('what is recorded in a merge is stored with its tag', async (t) => {
    const { writer, read } = await rig(t, { record: 'Basic' });
    const entry = {
      ...{ method: 'PUT' as const, url: 'Basic/o', resource: basic('o') },
      merge: () => basic('o', {}, KNOWN),
    };
    await writer.transaction([entry], context);
    assert.deepEqual(
      (await read('o'))!.meta!.tag?.map(({ code }) => code),
      ['nonconformant'],
    );
  });
});

test('what another room can not carry out is refused, where it is asked: with its issues, at its place, not of types that are off', async () => {
  const seen: number[] = [];
  const admissions = {
    Basic: {
      concerns: ({ author: by }: Resource) => by === undefined,
      async issuesOf(_resource: Resource, beside: readonly object[]): Promise<Issue[]> {
        seen.push(beside.length);
        const text = 'Basic.code: nobody does that';
        return [{ severity: 'error', code: 'not-supported', diagnostics: text, expression: ['Basic.code'] }];
      },
    },
  };
  const onWriteWith = (options: PolicyOptions) =>
    createOnWrite({
      ...{ policy: createPolicy(definitions, options), profiles: { find: async () => undefined }, admissions },
      validator: { validateResource: async () => [] },
      onRecorded: () => undefined,
    });
  const onWrite = onWriteWith({});
  assert.equal(onWrite.check(basic('a', author)), undefined);
  assert.equal(onWrite.concerns(basic('a')), true);
  await assert.rejects(
    onWrite.check(basic('a'), 'Bundle.entry[1].resource', [{}, {}])!,
    (error) =>
      isCerebraError(error, 'invalid-resource') &&
      error.issues[0]!.code === 'not-supported' &&
      error.issues[0]!.expression![0] === 'Bundle.entry[1].resource.code',
  );
  assert.deepEqual(
    (await onWrite.refusalOf(basic('a'))).map(({ diagnostics }) => diagnostics),
    ['Basic.code: nobody does that'],
  );
  assert.deepEqual(seen, [2, 0]);
  assert.equal(onWriteWith({ levels: 'structure,Basic=off' }).concerns(basic('a')), false);
});
