// Narratives in full: what is wrong with a div, and where its links go.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkNarrative } from './narrative.ts';

const xmlns = 'xmlns="http://www.w3.org/1999/xhtml"';
const none = new Set<string>();

/** `severity id: message` of each fault. */
function told(div: string, contained: ReadonlySet<string> = none): string[] {
  const { faults } = checkNarrative(div, 'Patient.text.div', contained);
  for (const { expression } of faults) assert.equal(expression, 'Patient.text.div');
  return faults.map(({ severity, id, message }) => `${severity} ${id}: ${message}`);
}

const within = (content: string): string => `<div ${xmlns}>${content}</div>`;

test('basic formatting is fine', () => {
  const table =
    '<table class="grid" border="1"><tr><td colspan="2" style="width: 10px">a &amp; b &#160; &lt;</td></tr></table>';
  const rest = '<p>text<br/><b id="x">bold</b> <a href="#x">there</a><img src="#pic" alt="a"/> <!-- <script> --></p>';
  assert.deepEqual(told(within(table + rest), new Set(['pic'])), []);
  assert.deepEqual(told(`  ${within('text')}  `), []);
  assert.deepEqual(told(within('<img src="data:image/png;base64,iVBORw0K" alt="a"/>')), []);
});

test('elements, attributes and active content that a narrative may not have', () => {
  assert.deepEqual(told(within('<script>x</script>')), [
    'error xhtml-element: <script> is no element that a narrative may have',
  ]);
  assert.deepEqual(told(within('<p onclick="x()">a</p>')), [
    "error xhtml-attribute: 'onclick' is no attribute that a <p> of a narrative may have",
  ]);
  assert.deepEqual(told(within('<p href="http://example.org">a</p>')), [
    "error xhtml-attribute: 'href' is no attribute that a <p> of a narrative may have",
  ]);
  assert.deepEqual(told(within('<a href=" java&#115;cript:x()">a</a>')), [
    "error xhtml-active: 'href' of <a> holds active content",
  ]);
  assert.deepEqual(told(within('<p style="width: expression(x())">a</p>')), [
    "error xhtml-active: 'style' of <p> holds active content",
  ]);
});

test('the root is a div in its namespace', () => {
  assert.deepEqual(told('<p>a</p>'), ['error xhtml-root: a narrative is one <div> element']);
  assert.deepEqual(told('<div>a</div>'), ['error xhtml-namespace: the div needs xmlns="http://www.w3.org/1999/xhtml"']);
  assert.deepEqual(told('<div xmlns="http://example.org">a</div>'), [
    "error xhtml-namespace: the namespace of a narrative is http://www.w3.org/1999/xhtml, found 'http://example.org'",
  ]);
  assert.deepEqual(told(`${within('a')}<div ${xmlns}>b</div>`), ['error xhtml-root: nothing may follow the div']);
  assert.deepEqual(told(`${within('a')} b`), ['error xhtml-root: nothing may follow the div']);
});

test('it is well-formed XML', () => {
  assert.deepEqual(told(within('<p><b>a</p></b>')), [
    'error xhtml-syntax: </p> closes <b>',
    'error xhtml-syntax: </b> closes <p>',
  ]);
  assert.deepEqual(told(`<div ${xmlns}><p>a</div>`), [
    'error xhtml-syntax: </div> closes <p>',
    'error xhtml-syntax: <div> is never closed',
  ]);
  assert.deepEqual(told(within('<p class=a>b</p>')), [
    "error xhtml-syntax: the attribute 'class' of <p> needs a value in quotes",
  ]);
  assert.deepEqual(told(within('<p class="a" class="b">c</p>')), [
    "error xhtml-syntax: the attribute 'class' stands twice in <p>",
  ]);
  assert.deepEqual(told(within('a <!-- b')), ["error xhtml-syntax: what begins with '<!-- b</div>' has no end"]);
  assert.deepEqual(told(within('a & b')), ["error xhtml-entity: an & that is text is written '&amp;'"]);
  assert.deepEqual(told(within('a&nbsp;b')), ["warning xhtml-entity: XML has no entity '&nbsp;': use the character"]);
});

test('it says something', () => {
  assert.deepEqual(told(within('<p> \n </p>')), ['error txt-2: txt-2: the narrative has some text or an image']);
  assert.deepEqual(told(`<div ${xmlns}/>`), ['error txt-2: txt-2: the narrative has some text or an image']);
});

test('links lead to a place in the narrative, images to what is contained', () => {
  const div = within('<a name="a">x</a><a href="#a">y</a><a href="#b">z</a><img src="#c" alt=""/><p id="a">w</p>');
  const { faults, links } = checkNarrative(div, 'Patient.text.div', none);
  assert.deepEqual(links, { ids: ['a', 'a'], anchors: ['a', 'b'], images: ['c'] });
  assert.deepEqual(
    faults.map(({ severity, id }) => `${severity} ${id}`),
    ['warning xhtml-link', 'error xhtml-image'],
  );
});

test('a hostile narrative ends soon, with some faults', () => {
  assert.equal(told(`<div ${xmlns}>${'<b>'.repeat(200_000)}</div>`).length > 0, true);
  assert.equal(told(within('<script>'.repeat(100_000))).length <= 20, true);
  assert.equal(told(`<div ${xmlns} ${'a="'.repeat(100_000)}`).length > 0, true);
  assert.equal(told(within('&'.repeat(500_000))).length, 1);
  assert.deepEqual(told(`<div>${'x'.repeat(9_000_000)}</div>`), ['error xhtml-length: a narrative has at most 8 MB']);
});
