// Which messages are mapped and what is read of each, as a chapter of docs/hl7-mapping.md.
import { messageMaps } from '../map.ts';
import { codeOf } from '../message-map.ts';
import type { GroupElement } from '../structure/grammar.ts';
import { structures } from '../structure/structures.ts';
import { cell, table } from './markdown.ts';

/** `PATIENT_RESULT{ PID … }+`, in one line. */
function grammarText({ elements }: GroupElement): string {
  return elements
    .map((element) => {
      const sign = element.repeats ? (element.required ? '+' : '*') : element.required ? '' : '?';
      return element.kind === 'segment' ? `${element.name}${sign}` : `${element.name}{${grammarText(element)}}${sign}`;
    })
    .join(' ');
}

export function structuresChapter(): string {
  const maps = messageMaps.toSorted((a, b) => (a.structures[0] < b.structures[0] ? -1 : 1));
  const rows = maps.map((map) => {
    const events = map.events.map((event) => `${codeOf(map)}^${event}`).join(', ');
    return [map.structures.join(', '), events, map.reads.join(' ')];
  });
  const grammars = [...structures].map(([name, structure]) => [name, cell(`\`${grammarText(structure)}\``)]);
  return `${table(['structure', 'messages', 'segments that are read'], rows)}
${table(['structure', 'segments and groups'], grammars)}`;
}
