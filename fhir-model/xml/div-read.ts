// Narrative.div out of a document: https://hl7.org/fhir/R4/json.html#xhtml. As it stands in the source, byte for byte; one
// whose namespace is declared outside of it, or with a prefix, is written anew so that it stands on its own.
import type { SaxesAttributeNS, SaxesTagNS } from 'saxes';
import type { CerebraError } from '#platform';
import { escapeAttribute, escapeText } from './escape.ts';
import { xhtmlNamespace } from './model.ts';
import { divDepthMax } from './repair.ts';

export interface DivReader {
  open(tag: SaxesTagNS, refusal: (what: string) => CerebraError): void;
  /** `end`: the offset after the tag. Yields the div when it was its end. */
  close(tag: SaxesTagNS, end: number): string | undefined;
  text(text: string): void;
}

/** As JSON has it: the default namespace is declared on the div itself. */
function standsAlone(tag: SaxesTagNS): boolean {
  return tag.prefix === '' && tag.attributes.xmlns !== undefined;
}

function attributesText(tag: SaxesTagNS): string {
  let text = '';
  for (const name in tag.attributes) {
    const { prefix, value } = tag.attributes[name] as SaxesAttributeNS;
    if (name !== 'xmlns' && prefix !== 'xmlns') text += ` ${name}="${escapeAttribute(value)}"`;
  }
  return text;
}

const notForJson = /<!--[\s\S]*?-->|<!\[CDATA\[([\s\S]*?)\]\]>|<\?[\s\S]*?\?>/g;

/** CDATA becomes text and processing instructions go: a narrative has neither. */
function plain(div: string): string {
  if (!div.includes('<![CDATA[') && !div.includes('<?')) return div;
  return div.replace(notForJson, (found: string, text?: string) =>
    found.startsWith('<!--') ? found : escapeText(text ?? ''),
  );
}

/** Reads the div whose `<` is at `start` of the source. */
export function createDivReader(source: string, start: number): DivReader {
  let depth = 0;
  /** The div written anew; undefined while its source will do. */
  let anew: string | undefined;
  return {
    open(tag, refusal) {
      if (depth === 0 && !standsAlone(tag)) anew = '';
      depth++;
      if (depth > divDepthMax) throw refusal(`the narrative is nested deeper than ${divDepthMax} levels`);
      if (tag.uri !== xhtmlNamespace)
        throw refusal(`<${tag.name.slice(0, 64)}> is not XHTML, as a narrative's elements are`);
      if (anew === undefined) {
        if (tag.prefix !== '') throw refusal(`<${tag.name.slice(0, 64)}>: a narrative's elements have no prefix`);
        return;
      }
      const namespace = depth === 1 ? ` xmlns="${xhtmlNamespace}"` : '';
      anew += `<${tag.local}${namespace}${attributesText(tag)}${tag.isSelfClosing ? '/' : ''}>`;
    },
    close(tag, end) {
      depth--;
      if (anew !== undefined && !tag.isSelfClosing) anew += `</${tag.local}>`;
      return depth === 0 ? (anew ?? plain(source.slice(start, end))) : undefined;
    },
    text(text) {
      if (anew !== undefined) anew += escapeText(text);
    },
  };
}
