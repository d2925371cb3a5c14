// ICD-10-CM: https://www.cdc.gov/nchs/icd/icd-10-cm/files.html. The tabular list (XML) has the hierarchy and the notes, the
// order file the codes that may be billed and both descriptions of each. Either is enough; together they are complete.
import { CerebraError } from '#platform';
import type { SystemWriter } from '../write-system.ts';
import { quoted } from './faults.ts';
import { type Format, type LoadContext, newSystem, type PropertyDefinition } from './format.ts';
import { readTabular, type TabularEntry, type TabularList } from './icd10cm-tabular.ts';
import { readLines } from './lines.ts';
import { findFile, type Release, type ReleaseFile } from './release.ts';

const URL = 'http://hl7.org/fhir/sid/icd-10-cm';
const TABULAR = /icd-?10-?cm[-_]tabular.*\.xml$/i;
const ORDER = /icd-?10-?cm[-_]order.*\.txt$/i;

/** ICD-10-CM has 98,000 codes. */
const CODES_MAX = 1_000_000;

const note = (code: string, description: string): PropertyDefinition => ({ code, type: 'string', description });

const properties: readonly PropertyDefinition[] = [
  { code: 'kind', type: 'code', description: 'chapter, section or code' },
  { code: 'billable', type: 'boolean', description: 'The code may be submitted; others are headings' },
  { code: 'order', type: 'integer', description: 'Number in the order file' },
  note('includes', 'Note: includes'),
  note('excludes1', 'Note: not coded here'),
  note('excludes2', 'Note: not included here'),
  note('codeFirst', 'Note: code first'),
  note('codeAlso', 'Note: code also'),
  note('useAdditionalCode', 'Note: use additional code'),
  note('notes', 'Note'),
  note('sevenChrNote', 'Note on the seventh character'),
];

interface Ordered {
  line: number;
  order: string;
  billable: boolean;
  short: string;
  long: string;
}

/** `A000` → `A00.0` */
const dotted = (code: string): string => (code.length > 3 ? `${code.slice(0, 3)}.${code.slice(3)}` : code);

/**
 * Columns, from 1: 1–5 order, 7–13 code without its dot, 15 whether it may be billed, 17–76 short and 78– long description.
 */
async function readOrder(file: ReleaseFile, { faults }: LoadContext): Promise<Map<string, Ordered>> {
  const found = new Map<string, Ordered>();
  const take = (text: string, line: number): void => {
    const [, order, bare = '', flag] = /^(\d{5}) ([A-Z0-9]{3,7}) {1,5}([01]) /.exec(text) ?? [];
    const code = dotted(bare);
    const [short, long] = [text.slice(16, 76).trim(), text.slice(77).trim()];
    if (order === undefined) faults.tell(file.name, line, `not a row of the order file: ${quoted(text)}`);
    else if (found.has(code)) faults.tell(file.name, line, `the code ${code} is there already`);
    else found.set(code, { line, order, billable: flag === '1', short, long: long || short });
  };
  for await (const { from, texts } of readLines(file, faults)) {
    for (const [i, text] of texts.entries()) if (text.trim() !== '') take(text, from + i);
    if (found.size > CODES_MAX) throw new CerebraError('too-large', `${file.name}: more than ${CODES_MAX} codes`);
  }
  if (found.size === 0) throw new CerebraError('invalid', `${file.name}: there is no row of an order file in it`);
  return found;
}

const USE_SHORT = { language: 'en', useSystem: URL, useCode: 'short', useDisplay: 'Short description' };
const USE_INCLUSION = { language: 'en', useSystem: URL, useCode: 'inclusionTerm', useDisplay: 'Inclusion term' };

function writeOrdered(writer: SystemWriter, n: number, { order, billable, short, long }: Ordered): void {
  writer.property(n, { code: 'billable', type: 'boolean', value: String(billable) });
  writer.property(n, { code: 'order', type: 'integer', value: String(Number(order)) });
  if (short !== long) writer.designation(n, { ...USE_SHORT, value: short });
}

function writeEntry(writer: SystemWriter, entry: TabularEntry, ordered: Ordered | undefined, isLeaf: boolean): boolean {
  const { code, kind, display, parent, notes } = entry;
  // Chapters and sections are no codes that anybody records.
  const n = writer.add({ code, display: ordered?.long ?? display, abstract: kind !== 'code' });
  if (n === undefined) return false;
  writer.property(n, { code: 'kind', type: 'code', value: kind });
  if (parent !== undefined) writer.parent(n, parent);
  for (const { kind: of, text } of notes) {
    if (of === 'inclusionTerm') writer.designation(n, { ...USE_INCLUSION, value: text });
    else writer.property(n, { code: of, type: 'string', value: text });
  }
  if (ordered) writeOrdered(writer, n, ordered);
  else if (kind === 'code') writer.property(n, { code: 'billable', type: 'boolean', value: String(isLeaf) });
  return true;
}

/** The longest code above that is there: without its last character, and without the X that fills up to the seventh. */
function parentOf(writer: SystemWriter, code: string): string | undefined {
  for (let shorter = code.slice(0, -1); shorter.length >= 3; shorter = shorter.slice(0, -1)) {
    if (!shorter.endsWith('.') && writer.numberOf(shorter) !== undefined) return shorter;
  }
  return undefined;
}

/** Those that the tabular list does not have: all with a seventh character, or all when there is no such list. */
async function writeRest(writer: SystemWriter, order: ReadonlyMap<string, Ordered>): Promise<void> {
  for (const [code, ordered] of order) {
    if (writer.numberOf(code) !== undefined) continue;
    const parent = parentOf(writer, code);
    const n = writer.add({ code, display: ordered.long })!;
    writer.property(n, { code: 'kind', type: 'code', value: 'code' });
    if (parent !== undefined) writer.parent(n, parent);
    writeOrdered(writer, n, ordered);
    await writer.drain();
  }
}

async function writeTabular(
  writer: SystemWriter,
  file: ReleaseFile,
  list: TabularList,
  order: ReadonlyMap<string, Ordered> | undefined,
  { faults }: LoadContext,
): Promise<void> {
  const above = new Set(list.entries.map(({ parent }) => parent));
  for (const entry of list.entries) {
    // With the order file the codes with a seventh character are those that it has.
    if (order && entry.isSeventh && !order.has(entry.code)) continue;
    if (!writeEntry(writer, entry, order?.get(entry.code), !above.has(entry.code))) {
      faults.tell(file.name, entry.line, `the code ${entry.code} is there already`);
    }
    if (order && entry.kind === 'code' && !order.has(entry.code)) {
      faults.note(file.name, entry.line, `the code ${entry.code} is not in the order file`);
    }
    await writer.drain();
  }
}

const yearOf = (release: Release): string | undefined =>
  release.files
    .map(({ name }) => /icd-?10-?cm.*?(?<!\d)(20\d\d)(?!\d)/i.exec(name)?.[1])
    .find((year) => year !== undefined);

async function read(release: Release, context: LoadContext): Promise<void> {
  const [tabularFile, orderFile] = [findFile(release, TABULAR), findFile(release, ORDER)];
  if (!tabularFile && !orderFile) {
    throw new CerebraError('invalid', `${release.name}: neither the tabular list (XML) nor the order file is there`);
  }
  const order = orderFile && (await readOrder(orderFile, context));
  const list = tabularFile && (await readTabular(tabularFile, context.faults));
  const version = context.version ?? list?.version ?? yearOf(release) ?? '';
  const about = { url: URL, version, name: 'ICD10CM', title: 'ICD-10-CM', caseSensitive: false };
  await context.system(newSystem({ ...about, hierarchyMeaning: 'is-a', properties }), async (writer) => {
    if (list) await writeTabular(writer, tabularFile, list, order, context);
    if (order) await writeRest(writer, order);
  });
}

export const icd10cm: Format = {
  name: 'icd-10-cm',
  title: 'ICD-10-CM: the tabular list (XML), the order file, or both',
  fits: (release) => findFile(release, TABULAR) !== undefined || findFile(release, ORDER) !== undefined,
  reads: (release) => [TABULAR, ORDER].map((each) => findFile(release, each)).filter((file) => file !== undefined),
  read,
};
