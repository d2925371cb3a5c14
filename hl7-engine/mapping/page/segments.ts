// What becomes of each segment and field, as a chapter of docs/hl7-mapping.md.
import type { Dictionary, FieldDefinition } from '../../message/dictionary.ts';
import type { Row } from '../table/row.ts';
import { allTables, type SegmentTable } from '../table/table.ts';
import { segmentMapsElsewhere } from './guide-segments.ts';
import { cell, table } from './markdown.ts';

/** Where a field goes, or why it does not; a segment's field may go to several places. */
interface FieldUse {
  target: string;
  row: Row;
}

/** By segment and field; rows of one segment's table may read another's fields. */
function fieldUses(): ReadonlyMap<string, readonly FieldUse[]> {
  const uses = new Map<string, FieldUse[]>();
  for (const { segment, target, rows } of allTables()) {
    for (const row of rows) {
      for (const source of row.sources) {
        const key = `${source.segment ?? segment}-${source.field}`;
        uses.set(key, [...(uses.get(key) ?? []), { target, row }]);
      }
    }
  }
  return uses;
}

function segmentNames(): string[] {
  return [...new Set(allTables().map(({ segment }) => segment))];
}

/** Fields of the newest version that has the segment; the fields that a table names and no version has, are at the end. */
export function fieldsOf(dictionary: Dictionary, segment: string): readonly (FieldDefinition | undefined)[] {
  for (const version of dictionary.versions.toReversed()) {
    const fields = dictionary.fieldsOf(version, segment);
    if (fields !== undefined) return fields;
  }
  return [];
}

/** Fields of which no table says anything, as `PID-3`. */
export function undecidedFields(dictionary: Dictionary): string[] {
  const uses = fieldUses();
  return segmentNames().flatMap((segment) =>
    fieldsOf(dictionary, segment).flatMap((field, index) => {
      const name = `${segment}-${index + 1}`;
      return field === undefined || uses.has(name) ? [] : [name];
    }),
  );
}

/** What the guide has and no table here is called after. */
export function segmentMapsTable(): string {
  const rows = Object.entries(segmentMapsElsewhere).map(([name, where]) => [cell(name), cell(where)]);
  return table(['segment map', 'where it is done, or why not'], rows);
}

export function segmentsChapter(dictionary: Dictionary): string {
  const uses = fieldUses();
  return segmentNames()
    .map((segment) => segmentSection(dictionary, segment, uses))
    .join('\n');
}

function segmentSection(
  dictionary: Dictionary,
  segment: string,
  uses: ReadonlyMap<string, readonly FieldUse[]>,
): string {
  const targets = allTables().filter((candidate) => candidate.segment === segment);
  const known = fieldsOf(dictionary, segment);
  const numbers = [...uses.keys()]
    .filter((key) => key.startsWith(`${segment}-`))
    .map((key) => Number(key.slice(segment.length + 1)));
  const count = Math.max(known.length, ...numbers);
  const rows = Array.from({ length: count }, (_, index) => {
    const field = known[index];
    const found = uses.get(`${segment}-${index + 1}`) ?? [];
    return [`${index + 1}`, cell(field?.name ?? ''), field?.type ?? '', found.map(useText).join('<br>') || 'undecided'];
  });
  return `### ${segment}\n\n${intoText(targets)}\n\n${table(['field', 'name', 'type', 'goes to'], rows)}`;
}

function intoText(targets: readonly SegmentTable[]): string {
  const constants = targets.flatMap(({ target, rows }) =>
    rows
      .filter(({ constant }) => constant !== undefined)
      .map((row) => `\`${target}.${row.target}\` is \`${row.constant}\`${conditionText(row)}`),
  );
  const mapped = targets.filter(({ rows }) => rows.some((row) => row.target !== '-'));
  const into = mapped.length === 0 ? 'Not mapped.' : `Becomes ${mapped.map(({ target }) => target).join(', ')}.`;
  return constants.length === 0 ? into : `${into} ${constants.join('; ')}.`;
}

function conditionText({ condition }: Row): string {
  return condition === undefined ? '' : ` if ${cell(condition)}`;
}

function useText({ target, row }: FieldUse): string {
  if (row.target === '-') return `not mapped: ${cell(row.map)}`;
  if (row.target.startsWith('@')) return `${target} (${row.target.slice(1)}): ${cell(row.map)}`;
  const [source] = row.sources;
  const part =
    source?.component === undefined
      ? ''
      : `.${source.component}${source.subcomponent === undefined ? '' : `.${source.subcomponent}`}`;
  const of = part === '' ? '' : `${part} → `;
  return `${of}\`${target}.${cell(elementText(row.target))}\` as ${cell(row.map)}${conditionText(row)}`;
}

/** Without what is set beside it, and with the extensions by their last word. */
function elementText(target: string): string {
  const [path = ''] = target.split(' & ');
  return path.replaceAll(/\[[^\]]*\/([^\]/]+)\]/g, '[$1]');
}
