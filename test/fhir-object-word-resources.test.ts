// In a resource that is stored or validated, what every JavaScript object has is an unknown word, as a value and as a name.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resourceOf, resources, U } from './object-word-resources.ts';
import { differences, inTree, type Place, type Send, serveWords } from './object-words.ts';

const { wire, post } = serveWords();

test('in a resource that is stored', async () => {
  const all = resources.flatMap((tree) => inTree(tree.resourceType, tree, post(tree.resourceType)));
  assert.deepEqual(await differences(all), []);
});

test('in a resource that is validated', async () => {
  const all = resources.flatMap((tree) => inTree(tree.resourceType, tree, post('$validate')));
  assert.deepEqual(await differences(all), []);
});

test('in expressions and criteria of what is stored', async () => {
  const stored = (label: string, tree: { resourceType: string; [name: string]: unknown }): Place => [
    label,
    (word) => post(tree.resourceType)(JSON.stringify(tree).replaceAll('WORD', word)),
  ];
  const paths = [
    'WORD',
    'Patient.WORD',
    'Patient.name.WORD',
    "Patient.name.where(WORD = 'x').family",
    'Patient.WORD.family',
  ];
  const parameters = [...paths, "Patient.extension('x').WORD", 'Patient.link.other.where(resolve() is WORD)'].map(
    (expression) =>
      stored(`SearchParameter ${expression}`, {
        ...{
          resourceType: 'SearchParameter',
          url: `${U}sp2`,
          name: 'Sp2',
          status: 'active',
          description: 'x',
          code: 'sp2',
        },
        ...{ base: ['Patient'], type: 'string', expression },
      }),
  );
  const rule = { ...(resourceOf('PlanDefinition') as { resourceType: string }) };
  const rules = ['WORD', 'Observation.WORD.exists()', '%WORD', "code.where(WORD = 'x').exists()", 'true is WORD'].map(
    (text) =>
      stored(
        `PlanDefinition ${text}`,
        JSON.parse(JSON.stringify(rule).replace('"expression":"true"', `"expression":"${text}"`)),
      ),
  );
  const extensions = ['low', 'key', 'WORD'].map((name) =>
    stored(`PlanDefinition ${name}`, {
      ...rule,
      extension: [
        { url: 'urn:cerebra:alert:kind', valueCode: 'threshold' },
        { url: `urn:cerebra:alert:${name}`, valueString: 'WORD' },
      ],
    }),
  );
  const criteria = [
    'WORD?x=y',
    'Observation?WORD=x',
    'Observation?code:WORD=x',
    'Observation?code=WORD',
    'Patient?_has:WORD:x:y=z',
  ];
  const subscriptions = criteria.flatMap((text) => [
    stored(`Subscription ${text}`, {
      ...{ resourceType: 'Subscription', status: 'requested', reason: 'x', criteria: text },
      channel: { type: 'rest-hook', endpoint: 'http://127.0.0.1:1/', payload: 'application/fhir+json' },
    }),
  ]);
  assert.deepEqual(await differences([...parameters, ...rules, ...extensions, ...subscriptions]), []);
});

test('in the property of a code system and the equivalence of a map', async () => {
  /** The answer to `path` while the resource is there. */
  const asked =
    (make: (word: string) => { resourceType: string }, path: string): Send =>
    async (word) => {
      const resource = make(word);
      const stored = await post(resource.resourceType)(JSON.stringify(resource));
      assert.equal(stored.status, 201, String(stored.bytes));
      const seen = await wire('GET', `/${path}`);
      assert.equal(seen.status, 200, String(seen.bytes));
      const { id } = JSON.parse(String(stored.bytes)) as { id: string };
      await wire('DELETE', `/${resource.resourceType}/${id}`);
      return seen;
    };
  const system = (word: string) => ({
    ...{ resourceType: 'CodeSystem', url: `${U}roles`, status: 'active', content: 'complete' },
    property: [{ code: 'role', uri: `http://hl7.org/fhir/concept-properties#${word}`, type: 'code' }],
    concept: [{ code: 'a', display: 'A', property: [{ code: 'role', valueCode: word }] }],
  });
  const lookup = asked(system, `CodeSystem/$lookup?system=${U}roles&code=a`);
  const map = (word: string) => ({
    ...{ resourceType: 'ConceptMap', url: `${U}reversed`, status: 'active' },
    group: [{ source: U, target: `${U}b`, element: [{ code: 'a', target: [{ code: 'b', equivalence: word }] }] }],
  });
  const translate = asked(map, `ConceptMap/$translate?url=${U}reversed&system=${U}b&code=b&reverse=true`);
  const all = [1, 2, 3].flatMap(() => [['a property', lookup] as const]);
  assert.deepEqual(await differences(all), []);
  assert.deepEqual(await differences([1, 2, 3].map(() => ['an equivalence', translate] as const)), []);
});
