// The XML of conformance profiles as trees: elements with attributes and text, no namespaces.
import { SaxesParser } from 'saxes';
import { ProfileFault } from './profile-fault.ts';

export interface XmlElement {
  name: string;
  attributes: Readonly<Record<string, string>>;
  children: XmlElement[];
  /** All text directly in it, trimmed. */
  text: string;
  line: number;
}

const elementsMax = 500_000;
const depthMax = 64;

/** Throws ProfileFault for what is not well-formed, has a DOCTYPE (no entity is ever resolved), is too deep or too large. */
export function readXml(text: string): XmlElement {
  const parser = new SaxesParser();
  const stack: XmlElement[] = [];
  let root: XmlElement | undefined;
  let count = 0;
  parser.on('doctype', () => {
    throw new ProfileFault('', 'has a DOCTYPE: leave it out');
  });
  parser.on('error', (error) => {
    throw new ProfileFault('', `is no XML: ${error.message.slice(0, 200)}`);
  });
  parser.on('opentag', ({ name, attributes }) => {
    if (++count > elementsMax) throw new ProfileFault('', `has more than ${elementsMax} elements`);
    if (stack.length >= depthMax) throw new ProfileFault('', 'is nested too deeply');
    const local = name.slice(name.indexOf(':') + 1);
    const element: XmlElement = { name: local, attributes, children: [], text: '', line: parser.line };
    stack.at(-1)?.children.push(element);
    root ??= element;
    stack.push(element);
  });
  parser.on('closetag', () => {
    const element = stack.pop()!;
    element.text = element.text.trim();
  });
  parser.on('text', (piece) => {
    const element = stack.at(-1);
    if (element !== undefined) element.text += piece;
  });
  parser.on('cdata', (piece) => {
    const element = stack.at(-1);
    if (element !== undefined) element.text += piece;
  });
  parser.write(text.replace(/^\ufeff/, '')).close();
  if (root === undefined) throw new ProfileFault('', 'is empty');
  return root;
}

export const childrenOf = (element: XmlElement | undefined, name: string): XmlElement[] =>
  element?.children.filter((child) => child.name === name) ?? [];

export const childOf = (element: XmlElement | undefined, name: string): XmlElement | undefined =>
  element?.children.find((child) => child.name === name);

/** Throws ProfileFault where the attribute is missing or empty. */
export function attribute(element: XmlElement, name: string): string {
  const value = element.attributes[name];
  if (value === undefined || value === '') {
    throw new ProfileFault(`<${element.name}> in line ${element.line}`, `needs the attribute ${name}`);
  }
  return value;
}
