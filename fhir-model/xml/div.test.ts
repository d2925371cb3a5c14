// https://hl7.org/fhir/R4/narrative.html#xhtml
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SaxesParser } from 'saxes';
import { random } from '#platform/testing';
import { divText } from './div.ts';

const xhtml = 'xmlns="http://www.w3.org/1999/xhtml"';

/** The names of the elements and the text, as an independent parser sees them. */
function contentOf(xml: string): { tags: string[]; text: string } {
  const parser = new SaxesParser({ xmlns: true });
  const content = { tags: [] as string[], text: '' };
  let depth = 0;
  parser.on('opentag', (tag) => {
    assert.equal(tag.uri, 'http://www.w3.org/1999/xhtml', `${tag.name} is XHTML in ${xml}`);
    if (depth === 0) assert.equal(tag.name, 'div');
    depth++;
    content.tags.push(tag.name);
  });
  parser.on('closetag', () => {
    depth--;
  });
  parser.on('text', (text) => {
    content.text += text;
  });
  parser.write(xml).close();
  return content;
}

describe('well-formed: as it is', () => {
  for (const div of [
    `<div ${xhtml}>x</div>`,
    `<div ${xhtml}/>`,
    `<div ${xhtml} class='a' title="b > c"><p id="p">a<br/>b</p><!-- c - d --><img src="x" alt="" /></div>`,
    `<div ${xhtml}>&amp;&lt;&gt;&quot;&apos;&#160;&#xA0;</div>`,
    `<div\n${xhtml}\t>\r\n</div >`,
  ]) {
    test(JSON.stringify(div), () => {
      assert.equal(divText(div), div);
      contentOf(div);
    });
  }
});

test('without a namespace: it is put in, nothing else is changed', () => {
  assert.equal(divText('<div class="x"><p>a</p></div>'), `<div ${xhtml} class="x"><p>a</p></div>`);
  assert.equal(divText('<div/>'), `<div ${xhtml}/>`);
});

describe('mended', () => {
  const cases: [string, string, string][] = [
    ['entities of HTML', `<div ${xhtml}>a&nbsp;b&copy;&uuml;&euro;&Omega;</div>`, `<div ${xhtml}>a\u00a0b©ü€Ω</div>`],
    [
      'symbols, arrows and spaces of HTML 4',
      '<div>a&thinsp;&rArr;&nbsp;b &isin;&there4;&thetasym;&rlm;&diams;</div>',
      `<div ${xhtml}>a\u2009⇒\u00a0b ∈∴ϑ\u200f♦</div>`,
    ],
    [
      'the first and the last of Latin 1',
      '<div>&nbsp;&yuml;&sup2;&frac12;&times;&divide;</div>',
      `<div ${xhtml}>\u00a0ÿ²½×÷</div>`,
    ],
    [
      'unknown entities and bare ampersands',
      '<div>&nope; a & b &#0; &#xD800; ]]></div>',
      `<div ${xhtml}>&amp;nope; a &amp; b \ufffd \ufffd ]]&gt;</div>`,
    ],
    ['tags that nobody closed', `<div ${xhtml}><p>a<br>b<p>c</div>`, `<div ${xhtml}><p>a<br/>b<p>c</p></p></div>`],
    ['tags that nobody opened', '<div>a</p></b>b</div>', `<div ${xhtml}>ab</div>`],
    ['tags that cross', '<div><b>1<i>2</b>3</i></div>', `<div ${xhtml}><b>1<i>2</i></b>3</div>`],
    ['capital letters', '<DIV><P CLASS=x>a</P></DIV>', `<div ${xhtml}><p class="x">a</p></div>`],
    [
      'attributes without quotes or values',
      '<div><td colspan=2 nowrap title=\'a "b" & <c>\'>x</td></div>',
      `<div ${xhtml}><td colspan="2" nowrap="" title="a &quot;b&quot; &amp; &lt;c&gt;">x</td></div>`,
    ],
    ['repeated attributes', '<div><p id="1" id="2">x</p></div>', `<div ${xhtml}><p id="1">x</p></div>`],
    [
      'elements and attributes of others',
      '<div><o:p x:y="1" xml:lang="de">a</o:p><p xml:lang="de" x:y="1">b</p></div>',
      `<div ${xhtml}>a<p xml:lang="de">b</p></div>`,
    ],
    ['other namespaces', '<div xmlns="urn:x"><p xmlns="urn:y">a</p></div>', `<div ${xhtml}><p>a</p></div>`],
    ['a second root', `<div ${xhtml}>a</div><div>b</div>`, `<div ${xhtml}>a<div>b</div></div>`],
    ['text after the end', `<div ${xhtml}>a</div>b`, `<div ${xhtml}>ab</div>`],
    [
      'CDATA, comments, instructions, declarations',
      '<!DOCTYPE x><div><![CDATA[a<b]]><!-- c --><?d e?><!F>g</div>',
      `<div ${xhtml}><div>a&lt;bg</div></div>`,
    ],
    ['a < that is text', '<div>1 < 2 and <3</div>', `<div ${xhtml}>1 &lt; 2 and &lt;3</div>`],
    ['a tag that ends nowhere', '<div><p class="x', `<div ${xhtml}>&lt;p class="x</div>`],
    ['no div', 'text & <b>more</b>', `<div ${xhtml}>text &amp; <b>more</b></div>`],
    ['a div that ends nowhere', '<div class=', `<div ${xhtml}>&lt;div class=</div>`],
    [
      'what leaves the resource',
      '<div></div></text><name><family value="x"/></name>',
      `<div ${xhtml}><name><family value="x"/></name></div>`,
    ],
    ['control characters', '<div>a\u0001\u0000b\ud800c</div>', `<div ${xhtml}>a\ufffd\ufffdb\ufffdc</div>`],
  ];
  for (const [name, div, expected] of cases) {
    test(name, () => {
      assert.equal(divText(div), expected);
      contentOf(expected);
    });
  }

  test('depth beyond 200: the tags are left out, the text stays', () => {
    const { tags, text } = contentOf(divText(`<div>${'<b>'.repeat(100_000)}x${'</b>'.repeat(100_000)}y</div>`));
    assert.equal(tags.length, 200);
    assert.equal(text, 'xy');
  });

  test('a megabyte of anything ends', () => {
    for (const part of [
      '<',
      '<a ',
      '<a x=',
      '<a x="',
      '<a x=\'"',
      '</',
      '<!--',
      '<![CDATA[',
      '<?',
      '&',
      '&#',
      '&amp',
      '<b></i>',
      '<p/ ',
      '/ ',
    ]) {
      contentOf(divText(`<div>${part.repeat(1_000_000 / part.length)}</div>`));
    }
  });
});

test('whatever comes in, one well-formed div of XHTML goes out, with all of its plain text', () => {
  const next = random(20_240_601);
  const parts = [
    '<div>',
    '</div>',
    '<p>',
    '</p>',
    '<p class="a">',
    "<p class='a'",
    '<br>',
    '<br/>',
    '<B>',
    '</b>',
    '<!--',
    '-->',
    '<![CDATA[',
    ']]>',
    '<?x',
    '?>',
    '&',
    '&nbsp;',
    '&lt;',
    '&#65;',
    '&#x1F600;',
    '&#0;',
    ';',
    '"',
    "'",
    '<',
    '>',
    '/',
    '=',
    ' ',
    '\n',
    'xmlns="urn:x"',
    'xmlns:a="urn:x"',
    '<a:b>',
    ' a:b="c"',
    '\u0001',
    '\ud800',
    '\u{1f600}',
    '</text>',
    `<div ${xhtml}>`,
  ];
  for (let round = 0; round < 20_000; round++) {
    const length = next(14);
    let div = next(3) === 0 ? '' : `<div ${xhtml}>`;
    for (let at = 0; at < length; at++) div += parts[next(parts.length)];
    if (next(3) > 0) div += '</div>';
    const out = divText(div);
    try {
      contentOf(out);
    } catch (error) {
      assert.fail(`${JSON.stringify(div)} → ${JSON.stringify(out)}: ${error}`);
    }
  }
});

test('words stay, in their order, whatever tags are around them', () => {
  const next = random(7);
  const tags = ['<p>', '</p>', '<b>', '</i>', '<br>', '<td colspan=3>', '</div>', '<div>', '</p x>', '<o:p>'];
  for (let round = 0; round < 2000; round++) {
    const words = Array.from({ length: 1 + next(10) }, (_, n) => `word${n}`);
    const div = `<div>${words.map((word) => tags[next(tags.length)] + word + tags[next(tags.length)]).join('')}</div>`;
    assert.equal(contentOf(divText(div)).text, words.join(''), div);
  }
});
