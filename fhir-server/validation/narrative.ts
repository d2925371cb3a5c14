// Narrative.div: https://hl7.org/fhir/R4/narrative.html, its rules txt-1 (basic formatting, nothing that runs) and txt-2 (some
// content). Walks from tag to tag: one regular expression over the whole would overflow its stack on a hostile body.

export const allowedElements = new Set(
  (
    'div p br hr h1 h2 h3 h4 h5 h6 a b i em strong small big tt sub sup span code pre blockquote q cite samp kbd var dfn abbr acronym ' +
    'address bdo del ins img map area ul ol li dl dt dd table caption col colgroup thead tbody tfoot tr th td'
  ).split(' '),
);
/** Ours: the specification has none. 45 MB, tags and entities, kept the thread for two seconds. */
export const narrativeLengthMax = 8 * 1024 * 1024;
const controlCharacter = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/;
const elementName = /\/?([A-Za-z][\w:.-]{0,30})(?=[\s/>])/y;
const attribute = /\s*(?:([^\s=/"'<>]+)\s*(?:=\s*("[^"]*"|'[^']*'))?|\/)/y;
const activeScheme = /^(?:javascript|vbscript|data:text\/html)/;

/** The index of the `>` that ends the tag, -1 if there is none; a `>` in quotes doesn't count. */
export function tagEnd(div: string, start: number): number {
  let quote = '';
  for (let at = start; at < div.length; at++) {
    const character = div.charAt(at);
    if (quote !== '') quote = character === quote ? '' : quote;
    else if (character === '"' || character === "'") quote = character;
    else if (character === '<') return -1;
    else if (character === '>') return at;
  }
  return -1;
}

/** A URL as a browser would see its scheme: entities resolved, white space and control characters gone. */
function schemeText(quoted: string): string {
  const start = quoted.slice(1, 200);
  const resolved = start.replace(/&#(x?)([0-9a-f]{1,8});?/gi, (_all, hex: string, digits: string) => {
    const code = Number.parseInt(digits, hex === '' ? 10 : 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : '';
  });
  return resolved
    .replace(/&(?:colon|Tab|NewLine);/g, (entity) => (entity === '&colon;' ? ':' : ''))
    .replace(/[\u0000-\u0020]/g, '')
    .toLowerCase();
}

/** Whether a browser would run it, or fetch a document for it. */
export const isActive = (quoted: string): boolean =>
  // A scheme has a colon, perhaps as an entity: most attributes have neither, and cost nothing then.
  (quoted.includes(':') || quoted.includes('&')) && activeScheme.test(schemeText(quoted));

function isPassive(attributes: string): boolean {
  attribute.lastIndex = 0;
  let done = 0;
  for (let match = attribute.exec(attributes); match !== null; match = attribute.exec(attributes)) {
    done = attribute.lastIndex;
    const [, name = '', quoted = ''] = match;
    if (/^on/i.test(name) || isActive(quoted)) return false;
  }
  return attributes.slice(done).trim() === '';
}

/** Whether the tag that starts at `start`, after its `<`, is one a narrative may have. */
function isAllowedTag(div: string, start: number, end: number): boolean {
  elementName.lastIndex = start;
  const name = elementName.exec(div)?.[1];
  return name !== undefined && allowedElements.has(name) && isPassive(div.slice(elementName.lastIndex, end));
}

/** Whether this is a div that a narrative may hold. Tags need not be balanced. */
export function isNarrative(value: unknown): boolean {
  if (typeof value !== 'string' || value.length > narrativeLengthMax || controlCharacter.test(value)) return false;
  const div = value.trim();
  if (!/^<div[\s>/]/.test(div) || !(div.endsWith('</div>') || div.endsWith('/>'))) return false;
  let content = false;
  let at = 0;
  for (let open = div.indexOf('<'); open !== -1; open = div.indexOf('<', at)) {
    content ||= div.slice(at, open).trim() !== '' || div.startsWith('<img', open);
    const comment = div.startsWith('<!--', open);
    const end = comment ? div.indexOf('-->', open + 4) : tagEnd(div, open + 1);
    if (end === -1 || (!comment && !isAllowedTag(div, open + 1, end))) return false;
    at = comment ? end + 3 : end + 1;
  }
  return content;
}
