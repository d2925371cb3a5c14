import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { matchesWords, parseTextQuery, type TextQuery } from './text-query.ts';
import { contentWords, wordsOf, xhtmlText } from './words.ts';

test('words are folded letters and digits', () => {
  assert.deepEqual(wordsOf("O'Brien-Núñez: 5.4 mg/dL, ﬁne ИВАН"), [
    'o',
    'brien',
    'nunez',
    '5',
    '4',
    'mg',
    'dl',
    'fine',
    'иван',
  ]);
  assert.deepEqual(wordsOf('!?'), []);
  assert.equal(wordsOf('x'.repeat(5000))[0]?.length, 100);
});

test('the text of XHTML', () => {
  assert.equal(xhtmlText('<div>a<br/>b &lt;c&gt; &#228;&#xE4; &nope; &amp;</div>').trim(), 'a b <c> ää &nope; &');
  assert.equal(xhtmlText('a &toString;'), 'a &toString;');
  assert.equal(xhtmlText('a < b'), 'a < b');
  // Ten million characters that a pattern with backtracking would be hours over.
  assert.equal(xhtmlText('<'.repeat(10_000_000)).length, 10_000_000);
  assert.equal(xhtmlText('&#x110000;&#0;'), '&#x110000;&#0;');
});

test('the words of a resource: values, not names; numbers with their digits', () => {
  const resource = {
    resourceType: 'Basic',
    text: { div: '<div class="x">a</div>' },
    list: [{ name: 'b', n: 5.4, t: true }],
  };
  assert.deepEqual(contentWords(resource), ['basic', 'a', 'b', '5', '4', 'true']);
});

describe('queries', () => {
  const text = ['bone', 'and', 'liver', 'metastases', 'of', 'the', 'skin'];
  const holds = (search: string): boolean => matchesWords(parseTextQuery(search) as TextQuery, text);
  for (const search of [
    'bone',
    'BONE Liver',
    'bone or lung',
    '(lung or bone) metastases',
    'metas*',
    '"liver metastases"',
    'liver-metastases',
    'bone -lung',
    'not lung',
    '-lung',
    'not not bone',
    'lung or (bone and not lung)',
  ])
    test(`${search} holds`, () => assert.equal(holds(search), true));
  for (const search of [
    'lung',
    'bon',
    '"bone liver"',
    'bone lung',
    'bone -liver',
    'not bone',
    'lung or heart',
    '"metas*"',
  ])
    test(`${search} does not`, () => assert.equal(holds(search), false));

  test('AND binds closer than OR', () => {
    assert.equal(holds('bone or lung lung'), true);
    assert.equal(holds('(bone or lung) lung'), false);
  });
});
