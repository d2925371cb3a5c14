// Values of modifiers, composites and special parameters: https://hl7.org/fhir/R4/search.html#modifiers, #composite
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseSearch } from './parse.ts';
import { options, pairsOf, rejects } from './search-testing.ts';
import type { SearchValue } from './types.ts';

const parsed = (type: string, search: string): [string | undefined, SearchValue[]][] =>
  parseSearch(type, pairsOf(search), options).criteria.map(({ modifier, values }) => [modifier, values]);

describe('values', () => {
  const cases: [string, string, string | undefined, object[]][] = [
    ['Condition', 'code:text=head ache', 'text', [{ kind: 'string', value: 'head ache' }]],
    ['Condition', 'code:code-text=a\\,b', 'code-text', [{ kind: 'string', value: 'a,b' }]],
    [
      'Condition',
      'code:in=http://v|1,ValueSet/2',
      'in',
      [
        { kind: 'valueSet', url: 'http://v|1' },
        { kind: 'valueSet', url: 'ValueSet/2' },
      ],
    ],
    ['Condition', 'code:not-in=urn:oid:1.2', 'not-in', [{ kind: 'valueSet', url: 'urn:oid:1.2' }]],
    ['Condition', 'code:below=http://s|a', 'below', [{ kind: 'token', system: 'http://s', code: 'a' }]],
    [
      'Patient',
      'gender:above=male',
      'above',
      [{ kind: 'token', system: 'http://hl7.org/fhir/administrative-gender', code: 'male' }],
    ],
    [
      'Patient',
      'identifier:of-type=http://t|MR|a\\|b',
      'of-type',
      [{ kind: 'typed', system: 'http://t', code: 'MR', value: 'a|b' }],
    ],
    ['Patient', 'identifier:ofType=|MR|1', 'of-type', [{ kind: 'typed', system: '', code: 'MR', value: '1' }]],
    ['Observation', 'subject:identifier=http://a|1', undefined, [{ kind: 'token', system: 'http://a', code: '1' }]],
    ['Encounter', 'location:below=Location/1', 'below', [{ kind: 'reference', type: 'Location', id: '1' }]],
    [
      'Observation',
      'code-value-quantity=http://l|a\\$b$gt5||mg',
      undefined,
      [
        {
          kind: 'composite',
          parts: [
            { kind: 'token', text: 'http://l|a\\$b', system: 'http://l', code: 'a$b' },
            { kind: 'quantity', text: 'gt5||mg', prefix: 'gt', value: '5', lo: '4.5', hi: '5.5', code: 'mg' },
          ],
        },
      ],
    ],
    [
      'Location',
      'near=-83.5|42.25|11.2|km',
      undefined,
      [{ kind: 'near', latitude: -83.5, longitude: 42.25, distanceM: 11_200 }],
    ],
    ['Location', 'near=1|2', undefined, [{ kind: 'near', latitude: 1, longitude: 2, distanceM: 50_000 }]],
    ['Location', 'near=1|2|3', undefined, [{ kind: 'near', latitude: 1, longitude: 2, distanceM: 3000 }]],
    ['Location', 'near=1|2|1|mi', undefined, [{ kind: 'near', latitude: 1, longitude: 2, distanceM: 1609.344 }]],
    [
      'Patient',
      '_text=Bönes',
      undefined,
      [{ kind: 'words', query: { op: 'phrase', words: ['bones'], prefix: false } }],
    ],
    ['Location', 'near:missing=true', 'missing', [{ kind: 'missing', missing: true }]],
  ];
  for (const [type, search, modifier, values] of cases) {
    test(search, () => {
      const [[foundModifier, foundValues] = []] = parsed(type, search);
      assert.equal(foundModifier, modifier);
      assert.deepEqual(
        foundValues?.map(({ text: _, ...rest }) => rest),
        values,
      );
    });
  }
});

describe('refused', () => {
  const cases: [string, string, string, RegExp][] = [
    [
      'Patient',
      'identifier:in=http://v',
      'invalid-parameter',
      /:in is no modifier of identifier, a token \(identifier\)/,
    ],
    ['Patient', 'telecom:code-text=5', 'invalid-parameter', /:code-text is no modifier of telecom/],
    [
      'Patient',
      '_id:text=5',
      'invalid-parameter',
      /:text is no modifier of _id, a token \(identifier\) parameter; :not, :missing are/,
    ],
    ['Observation', 'code:of-type=a|b|c', 'invalid-parameter', /:of-type is no modifier of code/],
    [
      'Observation',
      'date:contains=2020',
      'invalid-parameter',
      /:contains is no modifier of date, a date parameter; :missing are/,
    ],
    ['Observation', 'value-quantity:text=5', 'invalid-parameter', /:text is no modifier/],
    ['Observation', 'subject:exact=5', 'invalid-parameter', /:exact is no modifier of subject, a reference parameter/],
    ['Observation', 'code-value-quantity:text=5', 'invalid-parameter', /:text is no modifier/],
    [
      'Patient',
      '_content:missing=true',
      'invalid-parameter',
      /:missing is no modifier of _content, a special parameter; it has none/,
    ],
    ['Location', 'near:exact=1|2', 'invalid-parameter', /:exact is no modifier of near/],
    ['Condition', 'code:in=nowhere', 'invalid-parameter', /'nowhere' is no value set/],
    ['Condition', 'code:below=a', 'invalid-parameter', /needs system and code/],
    ['Condition', 'code:below=http://s|', 'invalid-parameter', /needs system and code/],
    ['Patient', 'identifier:of-type=MR|1', 'invalid-parameter', /expected system\|code\|value/],
    ['Patient', 'identifier:of-type=http://t||1', 'invalid-parameter', /expected system\|code\|value/],
    ['Condition', 'code:text=...', 'invalid-parameter', /nothing to search for/],
    ['Observation', 'code-value-quantity=a', 'invalid-parameter', /has 1 parts: expected code\$value-quantity/],
    ['Observation', 'code-value-quantity=a$5$6', 'invalid-parameter', /has 3 parts/],
    ['Observation', 'code-value-quantity=a$', 'invalid-parameter', /has an empty part/],
    ['Observation', 'code-value-quantity=a$x', 'invalid-parameter', /'x' is no number/],
    ['Location', 'near=1', 'invalid-parameter', /expected latitude\|longitude\|distance\|units/],
    ['Location', 'near=91|0', 'invalid-parameter', /'91' is no latitude/],
    ['Location', 'near=0|181', 'invalid-parameter', /'181' is no longitude/],
    ['Location', 'near=NaN|0', 'invalid-parameter', /'NaN' is no latitude/],
    ['Location', 'near=1|2|-5|km', 'invalid-parameter', /'-5' is no distance/],
    ['Location', 'near=1|2|5|kg', 'invalid-parameter', /'kg' is no unit of length/],
    ['Patient', '_text=(a', 'invalid-parameter', /a parenthesis is not closed/],
    ['Patient', '_text=a)', 'invalid-parameter', /closes that was not opened/],
    ['Patient', '_text=a and', 'invalid-parameter', /ends where a word is expected/],
    ['Patient', '_text="a', 'invalid-parameter', /quotation mark is not closed/],
    ['Patient', '_text=???', 'invalid-parameter', /no letters or digits/],
    ['Patient', `_text=${'('.repeat(500)}a`, 'invalid-parameter', /more than 100 words/],
    ['Patient', `_text=${'-'.repeat(50)}a`, 'none', /./],
    ['Patient', `_text=${'not '.repeat(40)}a`, 'invalid-parameter', /nested deeper than 20 levels/],
  ];
  for (const [type, search, code, message] of cases) {
    if (code === 'none') test(search, () => assert.equal(parsed(type, search).length, 1));
    else test(search.slice(0, 60), () => rejects(type, search, code, message));
  }
});
