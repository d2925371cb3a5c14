// Data types and concept maps, as chapters of docs/hl7-mapping.md.
import type { ConceptMap } from '../codes/concept-map.ts';
import { conceptMaps } from '../codes/concept-maps.ts';
import { conceptMapsElsewhere } from '../codes/elsewhere.ts';
import { typesElsewhere } from '../types/elsewhere.ts';
import { dataTypes } from '../types/registry.ts';
import { cell, table } from './markdown.ts';

export function typesChapter(): string {
  const rows = Object.entries(dataTypes).map(([name, { yields, guide }]) => [
    name,
    yields,
    cell(guide.join(', ') || 'ours'),
  ]);
  const others = Object.entries(typesElsewhere).map(([name, why]) => [cell(name), cell(why)]);
  return `${table(['map', 'becomes', 'data type maps of the guide'], rows)}
Components that these maps of the guide have and ours do not: check digits (CX-2, XCN-11, XON-4), since R4 has no extension for them;
the census tract (XAD-10), whose extension is one of a street line; assigning facilities (CX-6, XCN-14, XON-8), for which the guide names none.

Data type maps of the guide that no table names:

${table(['data type map', 'where it is done, or why not'], others)}`;
}

export function conceptMapsChapter(): string {
  const rows = [...conceptMaps.values()].map((map) => [
    cell(map.name),
    map.table,
    map.system,
    `${map.codes.size}`,
    [...map.without].join(' ') || '',
    oursText(map),
    map.otherwise ?? '',
  ]);
  const others = Object.entries(conceptMapsElsewhere).map(([name, why]) => [cell(name), cell(why)]);
  return `${table(['concept map', 'HL7 table', 'codes of', 'codes', 'without equivalent', 'ours', 'any other code'], rows)}
Concept maps of the guide that are not here:

${table(['concept map', 'why not'], others)}`;
}

function oursText({ ours, codes }: ConceptMap): string {
  return cell([...ours].map((from) => `${from} → ${codes.get(from)?.code ?? 'none'}`).join(', '));
}
