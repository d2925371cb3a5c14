// Mends narratives that are not well-formed XML: HTML entities, tags that nobody closed, bare ampersands. Whatever comes
// in, one well-formed div comes out, its text complete. https://hl7.org/fhir/R4/narrative.html#xhtml

import { escapeText } from './escape.ts';
import { xhtmlNamespace } from './model.ts';

/** U+00A0 to U+00FF, in order: https://www.w3.org/TR/html401/sgml/entities.html#h-24.2 */
const latin1 = (
  'nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute micro para middot ' +
  'cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml ' +
  'Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig ' +
  'agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ' +
  'ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml'
).split(' ');

/** https://www.w3.org/TR/html401/sgml/entities.html#h-24.3, #h-24.4 */
const others: Record<string, string> = Object.fromEntries(
  (
    'Alpha:Α Beta:Β Gamma:Γ Delta:Δ Epsilon:Ε Zeta:Ζ Eta:Η Theta:Θ Iota:Ι Kappa:Κ Lambda:Λ Mu:Μ Nu:Ν Xi:Ξ Omicron:Ο Pi:Π Rho:Ρ ' +
    'Sigma:Σ Tau:Τ Upsilon:Υ Phi:Φ Chi:Χ Psi:Ψ Omega:Ω alpha:α beta:β gamma:γ delta:δ epsilon:ε zeta:ζ eta:η theta:θ iota:ι kappa:κ ' +
    'lambda:λ mu:μ nu:ν xi:ξ omicron:ο pi:π rho:ρ sigmaf:ς sigma:σ tau:τ upsilon:υ phi:φ chi:χ psi:ψ omega:ω bull:• hellip:… ' +
    'prime:′ Prime:″ trade:™ larr:← uarr:↑ rarr:→ darr:↓ harr:↔ part:∂ prod:∏ sum:∑ minus:− radic:√ infin:∞ asymp:≈ ne:≠ equiv:≡ ' +
    'le:≤ ge:≥ OElig:Œ oelig:œ Scaron:Š scaron:š Yuml:Ÿ fnof:ƒ circ:ˆ tilde:˜ ndash:– mdash:— lsquo:‘ rsquo:’ sbquo:‚ ldquo:“ ' +
    'rdquo:” bdquo:„ dagger:† Dagger:‡ permil:‰ lsaquo:‹ rsaquo:› euro:€ ensp:\u2002 emsp:\u2003 thinsp:\u2009 zwnj:\u200c ' +
    'zwj:\u200d lrm:\u200e rlm:\u200f thetasym:ϑ upsih:ϒ piv:ϖ oline:‾ frasl:⁄ weierp:℘ image:ℑ real:ℜ alefsym:ℵ crarr:↵ ' +
    'lArr:⇐ uArr:⇑ rArr:⇒ dArr:⇓ hArr:⇔ forall:∀ exist:∃ empty:∅ nabla:∇ isin:∈ notin:∉ ni:∋ lowast:∗ prop:∝ ang:∠ and:∧ or:∨ ' +
    'cap:∩ cup:∪ int:∫ there4:∴ sim:∼ cong:≅ sub:⊂ sup:⊃ nsub:⊄ sube:⊆ supe:⊇ oplus:⊕ otimes:⊗ perp:⊥ sdot:⋅ lceil:⌈ rceil:⌉ ' +
    'lfloor:⌊ rfloor:⌋ lang:\u2329 rang:\u232a loz:◊ spades:♠ clubs:♣ hearts:♥ diams:♦'
  )
    .split(' ')
    .map((pair) => pair.split(':') as [string, string]),
);

const characters = new Map<string, string>([
  ...latin1.map((name, index): [string, string] => [name, String.fromCharCode(0xa0 + index)]),
  ...Object.entries(others),
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
]);

const entity = /&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([A-Za-z][A-Za-z0-9]{1,9}));/g;

function characterOf(whole: string, decimal?: string, hex?: string, name?: string): string {
  if (name !== undefined) return characters.get(name) ?? whole;
  const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal);
  return code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd';
}

/** Entities resolved, then what XML forbids escaped: a bare `&` or `<` stays what the reader sees. */
const textOf = (html: string): string => escapeText(html.replace(entity, characterOf));

const attributeOf = (value: string): string => textOf(value).replace(/"/g, '&quot;');

const voidElements = new Set(['br', 'hr', 'img', 'col', 'area']);
const openTag = /<([A-Za-z][\w.:-]{0,60})(?=[\s/>])/y;
const closeTag = /<\/([A-Za-z][\w.:-]{0,60})[^<>]*>/y;
const attributePart = /[\s/]*([^\s=/"'<>]+)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s"'<>]+))?/y;
const tagEnd = /([\s/]*)>/y;
const nameOfElement = /^[a-z][a-z0-9]*$/;
const nameOfAttribute = /^(?:[a-z][a-z0-9_.-]*|xml:lang|xml:space)$/;

interface Mend {
  readonly html: string;
  at: number;
  text: string;
  readonly open: string[];
}

function match(pattern: RegExp, mend: Mend): RegExpExecArray | null {
  pattern.lastIndex = mend.at;
  const found = pattern.exec(mend.html);
  if (found !== null) mend.at = pattern.lastIndex;
  return found;
}

function takeAttributes(mend: Mend): string {
  const seen = new Set(['xmlns']);
  let text = '';
  for (let found = match(attributePart, mend); found !== null; found = match(attributePart, mend)) {
    const [, given = '', value = ''] = found;
    const name = given.toLowerCase();
    if (seen.has(name) || !nameOfAttribute.test(name)) continue;
    seen.add(name);
    const bare = /^["']/.test(value) ? value.slice(1, -1) : value;
    text += ` ${name}="${attributeOf(bare)}"`;
  }
  return text;
}

/** Narratives nest some ten levels. Beyond this a tag is left out, its content stays. */
export const divDepthMax = 200;

function open(mend: Mend, name: string, attributes: string, empty: boolean): void {
  const root = mend.open.length === 0;
  if (mend.open.length === divDepthMax) return;
  const close = empty && !root ? '/' : '';
  mend.text += `<${name}${root ? ` xmlns="${xhtmlNamespace}"` : ''}${attributes}${close}>`;
  if (close === '') mend.open.push(name);
}

/** The document's own div stands open until the end: what follows its `</div>` is still content. */
function close(mend: Mend, name: string): void {
  const index = mend.open.lastIndexOf(name);
  if (index < 1) return;
  for (let depth = mend.open.length; depth > index; depth--) mend.text += `</${mend.open.pop()}>`;
}

/** A tag that starts at `mend.at`; false when it is none, so that its `<` is text. */
function takeTag(mend: Mend): boolean {
  const start = mend.at;
  const closing = match(closeTag, mend)?.[1];
  if (closing !== undefined) {
    close(mend, closing.toLowerCase());
    return true;
  }
  const name = match(openTag, mend)?.[1]?.toLowerCase();
  if (name === undefined) return false;
  const attributes = takeAttributes(mend);
  const end = match(tagEnd, mend);
  if (end === null) {
    mend.at = start;
    return false;
  }
  const empty = voidElements.has(name) || (end[1] ?? '').includes('/');
  if (nameOfElement.test(name)) open(mend, name, attributes, empty);
  return true;
}

/** Comments, declarations and instructions are no content; CDATA is text. */
function takeOther(mend: Mend): boolean {
  const { html, at } = mend;
  const skipTo = (end: string, from: number): number => {
    const found = html.indexOf(end, from);
    return found === -1 ? html.length : found + end.length;
  };
  if (html.startsWith('<!--', at)) mend.at = skipTo('-->', at + 4);
  else if (html.startsWith('<![CDATA[', at)) {
    mend.at = skipTo(']]>', at + 9);
    mend.text += escapeText(html.slice(at + 9, mend.at).replace(/]]>$/, ''));
  } else if (html.startsWith('<!', at) || html.startsWith('<?', at)) mend.at = skipTo('>', at + 2);
  else return false;
  return true;
}

/** One well-formed div with the text and the tags of `html`, as far as they are tags. */
export function repairDiv(html: string): string {
  const mend: Mend = { html, at: 0, text: '', open: [] };
  if (!/^<div[\s>/]/i.test(html)) {
    mend.text = `<div xmlns="${xhtmlNamespace}">`;
    mend.open.push('div');
  }
  while (mend.at < html.length) {
    const next = html.indexOf('<', mend.at);
    const end = next === -1 ? html.length : next;
    mend.text += textOf(html.slice(mend.at, end));
    mend.at = end;
    if (end === html.length || takeOther(mend) || takeTag(mend)) continue;
    if (mend.open.length === 0) return repairDiv(`<div>${html}</div>`);
    mend.text += '&lt;';
    mend.at++;
  }
  while (mend.open.length > 0) mend.text += `</${mend.open.pop()}>`;
  return mend.text;
}
