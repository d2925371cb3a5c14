// Narrative.div in full: https://hl7.org/fhir/R4/narrative.html#xhtml, chapters 7-11 and 15 of https://www.w3.org/TR/html401/.
// ../narrative.ts is the quick check on each write; this tells what is wrong, and where links go.

import { allowedElements, isActive, narrativeLengthMax, tagEnd } from '../narrative.ts';
import { shown } from '../report.ts';
import { type Fault, fault } from './fault.ts';

const namespace = 'http://www.w3.org/1999/xhtml';
const faultsMax = 20;

const anywhere =
  'title style class id idref lang xml:lang xml:space dir accesskey tabindex align valign char charoff span width height bgcolor';
const tables = 'abbr axis headers scope rowspan colspan nowrap summary border frame rules cellspacing cellpadding';
const byElement: Record<string, string> = {
  a: 'href name charset type hreflang rel rev shape coords',
  area: 'shape coords href nohref alt',
  img: 'src alt longdesc usemap ismap border name hspace vspace',
  map: 'name',
  div: 'xmlns',
  blockquote: 'cite',
  q: 'cite',
  del: 'cite datetime',
  ins: 'cite datetime',
  ol: 'type start compact',
  ul: 'type compact',
  dl: 'compact',
  li: 'type value',
  br: 'clear',
  hr: 'noshade size',
  pre: 'space',
};
for (const name of ['table', 'caption', 'col', 'colgroup', 'thead', 'tbody', 'tfoot', 'tr', 'th', 'td'])
  byElement[name] = tables;

const general = new Set(anywhere.split(' '));
const allowedAttributes = new Map(
  Object.entries(byElement).map(([element, names]) => [element, new Set(names.split(' '))]),
);
/** Those that browsers follow or load. */
const urls = new Set(['href', 'src', 'cite', 'longdesc', 'usemap']);

const tagName = /^(\/?)\s*([A-Za-z][\w:.-]{0,30})(?=[\s/]|$)/;
const attribute = /\s*(?:([^\s=/"'<>]+)\s*(?:=\s*("[^"]*"|'[^']*'|[^\s"'>]+))?|(\/))/y;
const entity = /&(#\d{1,7};|#x[0-9a-fA-F]{1,6};|[A-Za-z][A-Za-z0-9]{1,31};)?/g;
const xmlEntities = new Set(['lt;', 'gt;', 'amp;', 'quot;', 'apos;']);
const activeStyle = /expression\s*\(|javascript:|vbscript:|-moz-binding|behaviou?r\s*:|@import/i;

export interface NarrativeLinks {
  /** Values of `id` and of an anchor's `name`, in order; one that stands twice is there twice. */
  readonly ids: string[];
  /** What `href="#…"` points to. */
  readonly anchors: string[];
  /** What `src="#…"` points to: contained resources. */
  readonly images: string[];
}

interface Walk {
  readonly div: string;
  readonly expression: string;
  readonly faults: Fault[];
  readonly open: string[];
  readonly links: NarrativeLinks;
  content: boolean;
}

function add(walk: Walk, code: string, id: string, message: string): void {
  const known = walk.faults.some((one) => one.message === message);
  if (!known && walk.faults.length < faultsMax) walk.faults.push(fault('error', code, id, walk.expression, message));
}

/** XML has five entities and those by number; it has no `&nbsp;`. */
function checkText(walk: Walk, text: string): void {
  walk.content ||= text.trim() !== '';
  if (!text.includes('&')) return;
  for (const [all, name] of text.matchAll(entity)) {
    if (name === undefined) add(walk, 'structure', 'xhtml-entity', "an & that is text is written '&amp;'");
    else if (!name.startsWith('#') && !xmlEntities.has(name)) {
      walk.faults.push(
        fault(
          'warning',
          'structure',
          'xhtml-entity',
          walk.expression,
          `XML has no entity '${shown(all)}': use the character`,
        ),
      );
    }
    if (walk.faults.length >= faultsMax) return;
  }
}

function takeLink(walk: Walk, element: string, name: string, value: string): void {
  if (name === 'id' || (name === 'name' && element === 'a')) walk.links.ids.push(value);
  if (!value.startsWith('#') || value.length === 1) return;
  if (name === 'href') walk.links.anchors.push(value.slice(1));
  if (name === 'src') walk.links.images.push(value.slice(1));
}

function checkAttribute(walk: Walk, element: string, name: string, quoted: string): void {
  const allowed = general.has(name) || allowedAttributes.get(element)?.has(name) === true;
  if (!allowed)
    add(
      walk,
      'invalid',
      'xhtml-attribute',
      `'${shown(name)}' is no attribute that a <${element}> of a narrative may have`,
    );
  if (!/^["']/.test(quoted)) {
    add(walk, 'structure', 'xhtml-syntax', `the attribute '${shown(name)}' of <${element}> needs a value in quotes`);
    return;
  }
  const value = quoted.slice(1, -1);
  if (urls.has(name) && isActive(quoted))
    add(walk, 'invalid', 'xhtml-active', `'${name}' of <${element}> holds active content`);
  if (name === 'style' && activeStyle.test(value))
    add(walk, 'invalid', 'xhtml-active', `'style' of <${element}> holds active content`);
  if (value.includes('<'))
    add(walk, 'structure', 'xhtml-syntax', `'<' in the attribute '${shown(name)}' is written '&lt;'`);
  if (name === 'xmlns' && value !== namespace) {
    add(walk, 'invalid', 'xhtml-namespace', `the namespace of a narrative is ${namespace}, found '${shown(value)}'`);
  }
  takeLink(walk, element, name, value);
}

/** Whether the tag closes itself. */
function checkAttributes(walk: Walk, element: string, text: string): boolean {
  const seen = new Set<string>();
  let closed = false;
  let done = 0;
  attribute.lastIndex = 0;
  for (let match = attribute.exec(text); match !== null; match = attribute.exec(text)) {
    done = attribute.lastIndex;
    const [, name, quoted = ''] = match;
    closed = name === undefined;
    if (name === undefined) continue;
    if (seen.has(name))
      add(walk, 'structure', 'xhtml-syntax', `the attribute '${shown(name)}' stands twice in <${element}>`);
    seen.add(name);
    checkAttribute(walk, element, name, quoted);
  }
  if (text.slice(done).trim() !== '')
    add(walk, 'structure', 'xhtml-syntax', `the attributes of <${element}> can't be read`);
  if (walk.open.length === 0 && !seen.has('xmlns')) {
    add(walk, 'invalid', 'xhtml-namespace', `the div needs xmlns="${namespace}"`);
  }
  return closed;
}

function checkTag(walk: Walk, text: string): void {
  const match = tagName.exec(text);
  if (match === null) {
    add(walk, 'structure', 'xhtml-syntax', `'<${shown(text)}>' is no tag`);
    return;
  }
  const [whole, end, name = ''] = match;
  if (end === '/') {
    const open = walk.open.pop();
    if (open !== name)
      add(walk, 'structure', 'xhtml-syntax', `</${name}> closes ${open === undefined ? 'nothing' : `<${open}>`}`);
    return;
  }
  if (!allowedElements.has(name))
    add(walk, 'invalid', 'xhtml-element', `<${shown(name)}> is no element that a narrative may have`);
  walk.content ||= name === 'img';
  if (!checkAttributes(walk, name, text.slice(whole.length))) walk.open.push(name);
}

/** The index after what begins at `open`; -1 when it has no end. */
function checkMarkup(walk: Walk, open: number): number {
  const { div } = walk;
  if (div.startsWith('<!--', open)) {
    const end = div.indexOf('-->', open + 4);
    return end === -1 ? -1 : end + 3;
  }
  if (div.startsWith('<![CDATA[', open)) {
    const end = div.indexOf(']]>', open);
    if (end !== -1) walk.content ||= div.slice(open + 9, end).trim() !== '';
    return end === -1 ? -1 : end + 3;
  }
  const end = tagEnd(div, open + 1);
  if (end === -1) return -1;
  checkTag(walk, div.slice(open + 1, end));
  return end + 1;
}

function walkThrough(walk: Walk): void {
  const { div } = walk;
  let at = 0;
  for (let open = div.indexOf('<'); open !== -1 && walk.faults.length < faultsMax; open = div.indexOf('<', at)) {
    checkText(walk, div.slice(at, open));
    if (walk.open.length === 0 && at > 0) add(walk, 'structure', 'xhtml-root', 'nothing may follow the div');
    const after = checkMarkup(walk, open);
    if (after === -1) {
      add(walk, 'structure', 'xhtml-syntax', `what begins with '${shown(div.slice(open, open + 20))}' has no end`);
      return;
    }
    at = after;
  }
  if (div.slice(at).trim() !== '') add(walk, 'structure', 'xhtml-root', 'nothing may follow the div');
  const left = walk.open.at(-1);
  if (left !== undefined) add(walk, 'structure', 'xhtml-syntax', `<${left}> is never closed`);
}

export interface NarrativeReport {
  faults: Fault[];
  links: NarrativeLinks;
}

/**
 * What is wrong with a div, at most 20 faults, in time that grows with its length alone. `contained` are the ids that an
 * image may point to.
 */
export function checkNarrative(div: string, expression: string, contained: ReadonlySet<string>): NarrativeReport {
  const links: NarrativeLinks = { ids: [], anchors: [], images: [] };
  const walk: Walk = { div: div.trim(), expression, faults: [], open: [], links, content: false };
  if (div.length > narrativeLengthMax) add(walk, 'too-long', 'xhtml-length', 'a narrative has at most 8 MB');
  else if (!/^<div[\s>/]/.test(walk.div)) add(walk, 'structure', 'xhtml-root', 'a narrative is one <div> element');
  else {
    walkThrough(walk);
    if (!walk.content) add(walk, 'invariant', 'txt-2', 'txt-2: the narrative has some text or an image');
    checkLinks(walk, contained);
  }
  return { faults: walk.faults, links };
}

function checkLinks(walk: Walk, contained: ReadonlySet<string>): void {
  const ids = new Set(walk.links.ids);
  for (const id of new Set(walk.links.anchors)) {
    if (walk.faults.length >= faultsMax) return;
    if (!ids.has(id) && !contained.has(id)) {
      const message = `the link '#${shown(id)}' points to nothing in this narrative`;
      // Published examples, cut out of larger pages, have such links: they harm nobody.
      walk.faults.push(fault('warning', 'invalid', 'xhtml-link', walk.expression, message));
    }
  }
  for (const id of walk.links.images) {
    if (!contained.has(id))
      add(walk, 'invalid', 'xhtml-image', `the image '#${shown(id)}' is not among the contained resources`);
  }
}
