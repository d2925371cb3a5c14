// References of documents, messages and collections: that they lead to an entry, and that each entry is led to.
// https://hl7.org/fhir/R4/documents.html#content, https://hl7.org/fhir/R4/messaging.html, https://hl7.org/fhir/R4/bundle.html#references
import { isAbsolute } from '#fhir-model';
import { textOf } from '../json.ts';
import { shown } from '../report.ts';
import {
  type Entries,
  type Entry,
  entriesMeant,
  namesakes,
  type Reference,
  referencesIn,
} from './bundle-references.ts';
import { type Fault, fault } from './fault.ts';

/** Of a Composition, what has to be in the document; Composition.relatesTo leads to other documents. */
const ofDocument = /\.resource\.(?:subject|encounter|author|attester|custodian|event|section)\b/;
const ofMessage = /\.resource\.focus\b/;
const inExtension = /\.(?:modifierE|e)xtension\[/;

/** Types whose references may lead to what the server has. */
const openTypes = new Set(['searchset', 'history']);

type Links = ReadonlyMap<Entry, readonly (Reference & { meant: readonly Entry[] })[]>;

function linksOf(entries: Entries): Links {
  return new Map(
    entries.all.map((entry) => [
      entry,
      referencesIn(entry.resource, `${entry.at}.resource`).map((reference) => ({
        ...reference,
        meant: entriesMeant(entries, entry, reference.text),
      })),
    ]),
  );
}

/** The references of the first entry that must lead to another one. */
function mandatory(type: string, entry: Entry, first: Entry | undefined): RegExp | undefined {
  if (entry !== first) return undefined;
  if (type === 'document' && entry.resource?.resourceType === 'Composition') return ofDocument;
  return type === 'message' && entry.resource?.resourceType === 'MessageHeader' ? ofMessage : undefined;
}

function unresolvedFault(entries: Entries, type: string, from: Entry, { text, at }: Reference): Fault | undefined {
  const name = shown(text);
  if (text.startsWith('urn:')) {
    return fault('warning', 'not-found', 'bundle-urn-unresolved', at, `no entry has the fullUrl '${name}'`);
  }
  if (isAbsolute(text) || type === 'transaction' || type === 'batch') return undefined;
  if (from.fullUrl === undefined) {
    const message = `'${name}' is relative, which means nothing in an entry without fullUrl`;
    return fault('error', 'required', 'bundle-relative-reference', at, message);
  }
  const [like] = namesakes(entries, text);
  if (like === undefined) return undefined;
  const message = `'${name}' does not lead to ${like.at}, whose fullUrl is '${shown(like.fullUrl ?? '')}'`;
  return fault('warning', 'not-found', 'bundle-reference-base', at, message);
}

function referenceFaults(entries: Entries, links: Links, type: string): Fault[] {
  const faults: Fault[] = [];
  const [first] = entries.all;
  for (const [entry, references] of links) {
    const must = mandatory(type, entry, first);
    for (const reference of references) {
      const { text, at, meant } = reference;
      if (meant.length > 1) {
        const message = `${meant.length} entries are meant by '${shown(text)}'`;
        faults.push(fault('error', 'invalid', 'bundle-reference-ambiguous', at, message));
      } else if (meant.length === 0 && must?.test(at) === true && !inExtension.test(at)) {
        const message = `a ${type} contains what '${shown(text)}' leads to`;
        faults.push(fault('error', 'not-found', 'bundle-reference-absent', at, message));
      } else if (meant.length === 0) {
        const found = unresolvedFault(entries, type, entry, reference);
        if (found !== undefined) faults.push(found);
      }
    }
  }
  return faults;
}

function reachedFrom(first: Entry, links: Links): Set<Entry> {
  const reached = new Set([first]);
  // Thousands of references may each mean the same thousands of entries.
  const lists = new Set<readonly Entry[]>();
  for (const entry of reached) {
    for (const { meant } of links.get(entry) ?? []) {
      if (lists.has(meant)) continue;
      lists.add(meant);
      for (const one of meant) reached.add(one);
    }
  }
  return reached;
}

/** Provenance points at what it is about, so nothing needs to lead to it. */
function unreachedFaults(entries: Entries, links: Links, type: string): Fault[] {
  const [first] = entries.all;
  if (first === undefined) return [];
  const reached = reachedFrom(first, links);
  const severity = type === 'document' ? 'warning' : 'information';
  const left = entries.all.filter((entry) => !reached.has(entry) && entry.resource?.resourceType !== 'Provenance');
  return left.map(({ at, resource }) => {
    const message = `nothing leads from the first entry to this ${shown(textOf(resource?.resourceType) ?? 'one')}`;
    return fault(severity, 'informational', 'bundle-unreached', at, message);
  });
}

/** What is wrong with the references of a Bundle of that type. */
export function linkFaults(entries: Entries, type: string): Fault[] {
  if (openTypes.has(type) || type.endsWith('-response')) return [];
  const links = linksOf(entries);
  const faults = referenceFaults(entries, links, type);
  return type === 'document' || type === 'message' ? [...faults, ...unreachedFaults(entries, links, type)] : faults;
}
