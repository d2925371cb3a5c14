// Bundles whose entries are operations, searches by POST and patches in a Binary: https://hl7.org/fhir/R4/http.html#transaction
import { makeCall } from './calls.ts';
import type { Chance } from './chance.ts';
import { makeGraphql } from './graphql.ts';
import { makeQuery } from './queries.ts';
import { makeSpoilt, spoil, type Tree } from './resources.ts';

const PATCHES: readonly [string, string][] = [
  ['application/json-patch+json', '[{"op":"replace","path":"/active","value":false}]'],
  ['application/json-patch+json', '[{"op":"test","path":"/name/0/family","value":"x"}]'],
  ['application/merge-patch+json', '{"active":null,"gender":"female"}'],
  ['application/xml-patch+xml', '<diff/>'],
  ['application/json-patch+json', '['],
  ['', '[]'],
  ['x', '\u0000'],
];

function binaryPatch(chance: Chance): Tree {
  const [contentType, text] = chance.one(PATCHES);
  const data = chance.once(8) ? '!!' : Buffer.from(text).toString('base64');
  return { resourceType: 'Binary', contentType, data };
}

export function makeOddEntry(chance: Chance): unknown {
  const { one, below } = chance;
  const call = makeCall(chance);
  const entry = one<() => Tree>([
    () => ({ request: { method: 'POST', url: call.path }, resource: call.body }),
    () => ({ request: { method: 'POST', url: call.path }, resource: call.body }),
    () => ({ request: { method: 'GET', url: `${call.path}?${makeQuery('Patient', chance)}` } }),
    () => ({
      request: {
        method: 'GET',
        url: one([
          'Patient/f1/$everything',
          '$meta',
          'metadata',
          'Patient/_history',
          '_history?_count=2',
          'Patient/f1/Observation',
          'Observation/$lastn?patient=f1&code=8867-4',
        ]),
      },
    }),
    () => ({ request: { method: 'GET', url: `$graphql?query=${encodeURIComponent(makeGraphql(chance).query)}` } }),
    () => ({ request: { method: 'POST', url: '$graphql' }, resource: makeGraphql(chance).body }),
    () => ({ request: { method: 'POST', url: `Patient/_search?${makeQuery('Patient', chance)}` } }),
    () => ({
      request: { method: 'POST', url: one(['Patient/_search', '_search', 'Patient/f1/Observation/_search']) },
      resource: {
        resourceType: 'Binary',
        contentType: 'application/x-www-form-urlencoded',
        data: Buffer.from(makeQuery('Patient', chance)).toString('base64'),
      },
    }),
    () => ({
      request: { method: 'PATCH', url: `Patient/f${below(20)}`, ifMatch: one(['W/"1"', '', '*']) },
      resource: binaryPatch(chance),
    }),
    () => ({ request: { method: 'PATCH', url: `Patient?_id=f${below(20)}` }, resource: binaryPatch(chance) }),
    () => ({
      request: { method: one(['PUT', 'POST']), url: one(['Binary/b1', 'Binary']) },
      resource: { ...binaryPatch(chance), id: 'b1' },
    }),
    () => ({
      request: {
        method: 'GET',
        url: `Patient/f${below(20)}/_history/1`,
        ifNoneMatch: 'W/"1"',
        ifModifiedSince: '2020-01-01T00:00:00Z',
      },
    }),
    () => ({
      fullUrl: one(['urn:uuid:x', 'http://x/Patient/f1', 'Patient/f1', '']),
      request: { method: 'PUT', url: 'Patient/f1' },
      resource: makeSpoilt(chance),
    }),
  ])();
  const copy = structuredClone(entry);
  for (const _ of chance.some(2, () => 0)) if (Object.keys(copy).length > 0) spoil(copy, chance);
  return copy;
}
