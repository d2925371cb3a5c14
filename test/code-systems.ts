// What the tests of terminology over HTTP share: code systems, and reading Parameters.
import assert from 'node:assert/strict';
import type { Reply } from './client.ts';

export const CS = 'http://example.org/animals';
export const GENDER = 'http://hl7.org/fhir/administrative-gender';

export const animals = {
  ...{ resourceType: 'CodeSystem', id: 'animals', url: CS, version: '1.0', name: 'Animals', language: 'en' },
  ...{ status: 'active', caseSensitive: true, hierarchyMeaning: 'is-a', content: 'complete' },
  property: [
    { code: 'legs', type: 'integer' },
    { code: 'notSelectable', type: 'boolean', uri: 'http://hl7.org/fhir/concept-properties#notSelectable' },
  ],
  concept: [
    {
      ...{ code: 'animal', display: 'Animal', property: [{ code: 'notSelectable', valueBoolean: true }] },
      concept: [
        {
          ...{ code: 'cat', display: 'Cat', definition: 'It purrs' },
          designation: [{ language: 'de', use: { system: 'http://use', code: 'common' }, value: 'Katze' }],
          property: [
            { code: 'legs', valueInteger: 4 },
            { code: 'weight', valueDecimal: 4.5 },
          ],
          concept: [{ code: 'kitten', display: 'Kitten', property: [{ code: 'legs', valueInteger: 4 }] }],
        },
        { code: 'bird', display: 'Bird', property: [{ code: 'legs', valueInteger: 2 }] },
        { code: 'dodo', display: 'Dodo', property: [{ code: 'status', valueCode: 'retired' }] },
      ],
    },
    { code: 'stone', display: 'Stone' },
  ],
};
export const supplement = {
  ...{ resourceType: 'CodeSystem', id: 'more', url: 'http://example.org/more', version: '2', status: 'active' },
  ...{ content: 'supplement', supplements: CS },
  concept: [{ code: 'cat', designation: [{ language: 'fr', value: 'chat' }] }],
};

export interface Part {
  name: string;
  part?: Part[];
  [value: string]: unknown;
}

export const partsOf = (reply: Reply): Part[] => (reply.json.parameter ?? []) as unknown as Part[];
export const valueIn = (part: Part | undefined): unknown =>
  Object.entries(part ?? {}).find(([key]) => key.startsWith('value'))?.[1];
export const value = (reply: Reply, name: string): unknown => {
  assert.equal(reply.status, 200, reply.text);
  return valueIn(partsOf(reply).find((part) => part.name === name));
};
/** `legs=4` of each property. */
export const properties = (reply: Reply): string[] =>
  partsOf(reply)
    .filter(({ name }) => name === 'property')
    .map(({ part = [] }) =>
      ['code', 'value'].map((name) => valueIn(part.find((each) => each.name === name))).join('='),
    );
export const designations = (reply: Reply): unknown[] =>
  partsOf(reply)
    .filter(({ name }) => name === 'designation')
    .map(({ part = [] }) => valueIn(part.find(({ name }) => name === 'value')));
export const posted = (...parameter: object[]) => ({ resourceType: 'Parameters', parameter });
export const coding = (name: string, system: string, code: string, more: object = {}) => ({
  name,
  valueCoding: { system, code, ...more },
});

/** Outcomes of the terminology ecosystem tell in `details`. */
export function assertRefused(reply: Reply, status: number, code: string, text: RegExp): void {
  assert.equal(reply.status, status, reply.text);
  const [issue] = reply.json.issue as unknown as { code: string; details: { text: string } }[];
  assert.equal(issue?.code, code);
  assert.match(issue?.details.text ?? '', text);
}
