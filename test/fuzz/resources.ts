// Valid resources, and what may happen to them on the way: https://hl7.org/fhir/R4/json.html
import type { Chance } from './chance.ts';

export type Tree = Record<string, unknown>;

const LOINC = 'http://loinc.org';
const UCUM = 'http://unitsofmeasure.org';

const MAKERS: ((chance: Chance, id: string) => Tree)[] = [
  ({ one }, id) => ({
    ...{ resourceType: 'Patient', id, active: true, gender: one(['male', 'female', 'other']) },
    text: {
      status: 'generated',
      div: '<div xmlns="http://www.w3.org/1999/xhtml"><p>A <b>test</b> &amp; more</p></div>',
    },
    identifier: [{ system: 'urn:example:mrn', value: `m${id}`, type: { coding: [{ system: 'urn:t', code: 'MR' }] } }],
    name: [{ family: one(['Müller', "O'Neil", 'Test']), given: ['A', 'B'], _given: [null, { id: 'g' }] }],
    telecom: [{ system: 'phone', value: '555' }],
    ...{ birthDate: one(['1970', '1970-02', '1970-02-28']), deceasedBoolean: false },
    contained: [{ resourceType: 'Organization', id: 'o', name: 'x' }],
    managingOrganization: { reference: '#o' },
    generalPractitioner: [{ reference: 'Practitioner/f1' }],
  }),
  ({ one, below }, id) => ({
    ...{ resourceType: 'Observation', id, status: 'final' },
    meta: { profile: ['http://example.org/p|1'], tag: [{ system: 'urn:t', code: 'x' }], source: 'urn:s' },
    code: { coding: [{ system: LOINC, code: one(['8867-4', '2823-3']), display: 'Heart rate' }], text: 'HR' },
    subject: { reference: `Patient/f${below(20)}` },
    effectiveDateTime: one(['2020', '2020-05-01', '2020-05-01T10:00:00Z', '2020-05-01T10:00:00.123+02:00']),
    valueQuantity: {
      value: below(1000) / 10,
      unit: 'beats',
      system: UCUM,
      code: one(['/min', 'g', 'mmol/L', 'mm[Hg]']),
    },
    component: [{ code: { coding: [{ system: LOINC, code: '8480-6' }] }, valueQuantity: { value: below(200) } }],
    extension: [{ url: 'http://example.org/e', valueDecimal: 1.5 }],
  }),
  ({ below }, id) => ({
    ...{ resourceType: 'Encounter', id, status: 'finished', class: { system: 'urn:c', code: 'AMB' } },
    subject: { reference: `Patient/f${below(20)}` },
    period: { start: '2020-01-01T00:00:00Z', end: '2020-01-02T00:00:00Z' },
    location: [{ location: { reference: 'Location/f1' } }],
  }),
  ({ below }, id) => ({
    ...{
      resourceType: 'Location',
      id,
      name: 'Ward',
      position: { latitude: below(180) - 90, longitude: below(360) - 180 },
    },
    partOf: { reference: `Location/f${below(20)}` },
  }),
  (_chance, id) => ({
    ...{ resourceType: 'ValueSet', id, url: `http://example.org/vs/${id}`, status: 'draft', version: '1' },
    compose: { include: [{ system: LOINC, concept: [{ code: '8867-4' }] }] },
  }),
  ({ below }, id) => ({
    ...{ resourceType: 'Provenance', id, recorded: '2020-01-01T00:00:00Z' },
    target: [{ reference: `Patient/f${below(20)}` }, { reference: `Observation/f${below(20)}/_history/1` }],
    agent: [{ who: { identifier: { system: 'urn:x', value: 'y' } } }],
  }),
];

const IDS = 20;

/** A valid resource of some type; its id is one of a few, so that resources meet. */
export const makeResource = (chance: Chance): Tree => chance.one(MAKERS)(chance, `f${chance.below(IDS)}`);

/** All that makeResource may make, once. */
export const makeAll = (chance: Chance): Tree[] =>
  MAKERS.flatMap((make) => Array.from({ length: IDS }, (_, i) => make(chance, `f${i}`)));

const SCRAPS: readonly unknown[] = [
  ...[null, '', ' ', 'x', 'a\u0000b', '\ud800', '\u0001', '__proto__', 'urn:uuid:nowhere', 'Patient/', '#', '#nowhere'],
  ...['Patient?identifier=x', 'http://x/Patient/1|2', '2020-13-45', '0000', '9999-12-31T24:00:00Z', 'x'.repeat(3000)],
  ...[0, -1, 1.25, 4294967296, 1e300, 5e-324, true, false, [], {}, [null], [[]], [{}], { value: 1 }, { reference: 5 }],
  ...[{ toString: 'x', valueOf: 'y' }, { toString: null, constructor: null, length: -1 }, [{ toString: 1 }]],
  ...[{ extension: [{ url: 'u' }] }, { resourceType: 'Patient' }, { resourceType: 'Foo', id: 'x' }, { id: 'a b' }],
];
const NAMES = [
  '_active',
  '__proto__',
  'constructor',
  'id',
  'extension',
  'value',
  'valueString',
  'nothing',
  '_',
  'resourceType',
];

type Place = { holder: Tree | unknown[]; key: string | number };

function placesOf(value: unknown, found: Place[] = []): Place[] {
  if (typeof value !== 'object' || value === null) return found;
  for (const key of Array.isArray(value) ? value.keys() : Object.keys(value)) {
    found.push({ holder: value as Tree, key });
    placesOf((value as Tree)[key], found);
  }
  return found;
}

/** Changes something somewhere. */
export function spoil(tree: Tree, chance: Chance): void {
  const places = placesOf(tree);
  const { holder, key } = chance.one(places);
  // A copy: what stood in two places could come to stand in itself.
  const held = structuredClone((holder as Tree)[key]);
  const set = (name: string | number, value: unknown) =>
    Object.defineProperty(holder, name, { value, enumerable: true, configurable: true, writable: true });
  const ways = [
    () => set(key, structuredClone(chance.one(SCRAPS))),
    () => void (Array.isArray(holder) ? holder.splice(Number(key), 1) : delete holder[key]),
    () => set(key, [held]),
    () => set(key, structuredClone(chance.one(places.map((place) => (place.holder as Tree)[place.key])))),
    () => void (Array.isArray(holder) ? holder.push(held) : set(chance.one(NAMES), held)),
    () =>
      set(
        key,
        Array.from({ length: 30 }, () => held),
      ),
  ];
  chance.one(ways)();
}

/** A resource in which up to three things are wrong; often none. */
export function makeSpoilt(chance: Chance): Tree {
  const tree = makeResource(chance);
  for (const _ of chance.some(3, () => 0)) if (Object.keys(tree).length > 0) spoil(tree, chance);
  return tree;
}

/** What may happen to a text: cut off, a character changed, a name repeated, nested deep. */
export function garble(text: string, chance: Chance): string {
  const at = chance.below(text.length + 1);
  const ways = [
    () => text.slice(0, at),
    () =>
      text.slice(0, at) +
      chance.one(['"', '{', '}', ',', '\\', '\u0000', '\\ud800', '<', '&x;', '1e999']) +
      text.slice(at + 1),
    () => text.replace('{', () => '{"resourceType":"Patient",'),
    () => text.replace(/"id":/, () => '"id":"twice","id":'),
    () => text.replace(/true|"final"/, () => '['.repeat(1000)),
    () => text + text,
    () => `\ufeff${text}`,
  ];
  return chance.one(ways)();
}
