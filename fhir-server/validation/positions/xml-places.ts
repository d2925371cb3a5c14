// Where elements stand in an XML text: https://hl7.org/fhir/R4/xml.html. An element's place is its tag's `<`.
import { SaxesParser } from 'saxes';
import { type Wanted, wantedChild } from './wanted.ts';

/** An open element: where it leads, and how often each name has come in it. */
interface Open {
  wanted: Wanted | undefined;
  counts: Map<string, number>;
}

const isResource = (name: string): boolean => /^[A-Z]/.test(name);

/** What the tag leads to; a resource's own tag is no step of a path. */
function enter(parent: Open, name: string, offset: number): Wanted | undefined {
  const { wanted, counts } = parent;
  if (wanted === undefined) return undefined;
  if (isResource(name)) return wanted;
  const child = wantedChild(wanted, name);
  if (child === undefined) return undefined;
  const index = counts.get(name) ?? 0;
  counts.set(name, index + 1);
  child.offset ??= offset;
  const item = child.items.get(index);
  if (item === undefined) return index === 0 ? child : undefined;
  item.offset ??= offset;
  return item;
}

/** Sets the offsets of what is found. Stops where the text is not well-formed. */
export function findInXml(text: string, root: Wanted): void {
  const parser = new SaxesParser({ xmlns: false });
  const open: Open[] = [];
  let start = 0;
  parser.on('error', (error) => {
    throw error;
  });
  parser.on('opentagstart', ({ name }) => {
    start = text.lastIndexOf('<', parser.position - 1);
    const parent = open.at(-1);
    if (parent === undefined) root.offset = start;
    const wanted = parent === undefined ? root : enter(parent, name.replace(/^.*:/, ''), start);
    open.push({ wanted, counts: new Map() });
  });
  parser.on('attribute', ({ name }) => {
    const inside = open.at(-1)?.wanted;
    const attribute = inside === undefined ? undefined : wantedChild(inside, name);
    if (attribute !== undefined) attribute.offset ??= start;
  });
  parser.on('closetag', () => {
    open.pop();
  });
  try {
    parser.write(text).close();
  } catch {
    // What was found before stays.
  }
}
