// Extensions that tell where the narrative of a document speaks of an element: https://hl7.org/fhir/extensions/StructureDefinition-narrativeLink.html
import type { Json } from '#fhir-model';
import { isObject, textOf } from '../json.ts';
import { shown } from '../report.ts';
import type { Entries, Entry } from './bundle-references.ts';
import { type Fault, fault } from './fault.ts';
import { checkNarrative } from './narrative.ts';

const narrativeLink = 'http://hl7.org/fhir/StructureDefinition/narrativeLink';

interface Link {
  url: string;
  at: string;
}

function collect(value: Json | undefined, at: string, links: Link[], divs: string[]): void {
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) collect(value[index], `${at}[${index}]`, links, divs);
  }
  if (!isObject(value)) return;
  const url = value.url === narrativeLink ? (textOf(value.valueUrl) ?? textOf(value.valueUri)) : undefined;
  if (url !== undefined) links.push({ url, at });
  for (const name in value) {
    const child = value[name];
    if (name === 'div' && typeof child === 'string') divs.push(child);
    else if (typeof child === 'object') collect(child, `${at}.${name}`, links, divs);
  }
}

/** How often each id stands in the narratives of an entry. */
function idCounts(divs: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const div of divs) {
    for (const id of checkNarrative(div, '', new Set()).links.ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}

/** Links from `#id` of the own narrative or `fullUrl#id` of another entry's that lead nowhere or to two places. */
export function narrativeLinkFaults({ all, byUrl }: Entries): Fault[] {
  const divs = new Map<Entry, string[]>();
  const links: (Link & { from: Entry })[] = [];
  for (const from of all) {
    const own: Link[] = [];
    const texts: string[] = [];
    collect(from.resource, `${from.at}.resource`, own, texts);
    divs.set(from, texts);
    links.push(...own.map((link) => ({ ...link, from })));
  }
  const counts = new Map<Entry, Map<string, number>>();
  const countsOf = (entry: Entry): Map<string, number> => {
    const known = counts.get(entry) ?? idCounts(divs.get(entry) ?? []);
    counts.set(entry, known);
    return known;
  };
  return links.flatMap(({ url, at, from }) => {
    const hash = url.indexOf('#');
    const target = hash <= 0 ? from : byUrl.get(url.slice(0, hash))?.[0];
    if (hash === -1 || (target === undefined && /^https?:/.test(url))) return [];
    const found = target === undefined ? 0 : (countsOf(target).get(url.slice(hash + 1)) ?? 0);
    if (found === 1) return [];
    const where = found === 0 ? 'no place' : `${found} places`;
    return [fault('error', 'not-found', 'narrative-link', at, `'${shown(url)}' leads to ${where} in a narrative`)];
  });
}
