// Batches and transactions: https://hl7.org/fhir/R4/http.html#transaction
import type { Chance } from './chance.ts';
import { fhirpathPatch } from './patches.ts';
import { makeQuery } from './queries.ts';
import { makeResource, makeSpoilt, type Tree } from './resources.ts';
import { bodyOf, type FuzzRequest, headersOf, REFUSED, textOf } from './shape.ts';

const urn = (chance: Chance): string => `urn:uuid:00000000-0000-4000-8000-00000000000${chance.below(6)}`;

/** Refers to another entry of the Bundle, or to one that is not there. */
function linked(tree: Tree, chance: Chance): Tree {
  const reference = chance.one([
    urn(chance),
    'Patient?identifier=urn:example:mrn|mf1',
    'Patient?nothing=x',
    'Patient/f2',
  ]);
  return tree.subject === undefined || chance.once(2) ? tree : { ...tree, subject: { reference } };
}

const ODD_REQUESTS: unknown[] = [
  ...['', '/', '..', '$everything', 'Patient/f1/$everything', '_history', 'http://x/y', '%zz'].map((url) => {
    return { request: { method: 'GET', url } };
  }),
  ...['OPTIONS', '', 'get', 5].map((method) => ({ request: { method, url: 'Patient' } })),
  ...[
    null,
    {},
    [],
    5,
    { request: {} },
    { request: { method: 'PUT' } },
    { request: { method: 'POST', url: 'Patient' } },
  ],
];

function makeEntry(chance: Chance): unknown {
  const { one } = chance;
  if (chance.once(12)) return one(ODD_REQUESTS);
  const tree = linked(chance.once(5) ? makeSpoilt(chance) : makeResource(chance), chance);
  const type = textOf(tree.resourceType);
  const { id } = tree;
  const known = ['Patient', 'Observation', 'Encounter'].includes(type) ? type : 'Patient';
  const criteria = () => (chance.once(3) ? makeQuery(known, chance) : `_id=f${chance.below(20)}`);
  return one([
    () => ({ fullUrl: urn(chance), request: { method: 'POST', url: type }, resource: tree }),
    () => ({ request: { method: 'PUT', url: `${type}/${textOf(id)}` }, resource: tree }),
    () => ({
      request: { method: 'PUT', url: `${type}?_id=${textOf(id)}`, ifMatch: one(['W/"1"', 'x', '*']) },
      resource: tree,
    }),
    () => ({ request: { method: 'POST', url: type, ifNoneExist: criteria() }, resource: tree }),
    () => ({ request: { method: 'DELETE', url: `${type}/f${chance.below(20)}` } }),
    () => ({ request: { method: 'DELETE', url: `${known}?${criteria()}` } }),
    () => ({ request: { method: one(['GET', 'HEAD']), url: `${known}?${criteria()}` } }),
    () => ({ request: { method: 'PATCH', url: `Patient/f${chance.below(20)}` }, resource: fhirpathPatch(chance) }),
  ])();
}

export function makeBundle(chance: Chance): FuzzRequest {
  const type = chance.once(12) ? chance.one(['collection', 'x', null]) : chance.one(['batch', 'transaction']);
  // In a transaction one wrong entry is enough.
  const entry = [makeEntry(chance), ...chance.some(type === 'batch' ? 7 : 2, () => makeEntry(chance))];
  const tree = { resourceType: 'Bundle', type, entry: chance.once(20) ? chance.one([{}, 'x', null, [[]]]) : entry };
  const body = bodyOf(tree, chance);
  return { method: 'POST', path: '', headers: headersOf(chance), body, allowed: [200, ...REFUSED] };
}
