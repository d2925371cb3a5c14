import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadDefinitions } from '../definitions.ts';
import type { Resource } from '../types.ts';
import { baseSearchParameters } from './base-parameters.ts';
import { compileExtractor } from './extract.ts';
import { createSearchParameters } from './registry.ts';

const definitions = await loadDefinitions();
const base = baseSearchParameters(definitions);
const r4 = createSearchParameters(definitions.searchParameters, definitions.resourceTypes, definitions);
const guide = 'http://hl7.org/fhir/uv/subscriptions-backport';

test("R4's, and on Subscription the guide's, none of which needs a whole FHIRPath engine", () => {
  const codes = (type: string, parameters = base) => parameters.list(type).map(({ code }) => code);
  const added = codes('Subscription').filter((code) => r4.get('Subscription', code) === undefined);
  assert.deepEqual(added, ['custom-channel', 'filter-criteria', 'payload-type', 'topic']);
  for (const code of added) {
    assert.equal(base.get('Subscription', code)!.url, `${guide}/SearchParameter/Subscription-${code}`);
  }
  for (const type of definitions.resourceTypes) {
    if (type !== 'Subscription') assert.deepEqual(codes(type), codes(type, r4), type);
  }
  assert.deepEqual(base.outsideSubset(), []);
  const { sameAs } = base.get('Subscription', 'topic')!;
  assert.deepEqual(
    sameAs?.map(({ param }) => param.code),
    ['criteria'],
  );
});

test('extensions of primitives are found where JSON has them', () => {
  const extension = (name: string, value: object) => ({ url: `${guide}/StructureDefinition/${name}`, ...value });
  const subscription = {
    ...{ resourceType: 'Subscription', id: 's', status: 'active', criteria: 'urn:x:topic' },
    _criteria: {
      extension: [
        extension('backport-filter-criteria', { valueString: 'Encounter?patient=Patient/1' }),
        extension('backport-filter-criteria', { valueString: 'Condition?patient=Patient/1' }),
        { url: 'urn:x:other', valueString: 'no filter' },
      ],
    },
    channel: {
      type: 'message',
      _type: { extension: [extension('backport-channel-type', { valueCoding: { system: 'urn:x', code: 'kafka' } })] },
      payload: 'application/fhir+json',
      _payload: { extension: [extension('backport-payload-content', { valueCode: 'id-only' })] },
    },
  } as unknown as Resource;
  const values = (code: string) =>
    compileExtractor([base.get('Subscription', code)!], {})(subscription).map(({ param: _param, ...rest }) => rest);
  assert.deepEqual(values('topic'), [{ kind: 'string', value: 'urn:x:topic' }]);
  assert.deepEqual(values('filter-criteria'), [
    { kind: 'string', value: 'Encounter?patient=Patient/1' },
    { kind: 'string', value: 'Condition?patient=Patient/1' },
  ]);
  assert.deepEqual(values('custom-channel'), [{ kind: 'token', system: 'urn:x', code: 'kafka' }]);
  assert.deepEqual(values('payload-type'), [{ kind: 'token', code: 'id-only' }]);
  assert.deepEqual(
    compileExtractor(
      base.list('Subscription'),
      {},
    )({ resourceType: 'Subscription', channel: { _type: null } } as never),
    [],
  );
});
