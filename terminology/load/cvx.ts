// CVX, the CDC's codes of vaccines, as text and as XML: https://www2a.cdc.gov/vaccines/iis/iisstandards/vaccines.asp?rpt=cvx
import { CerebraError } from '#platform';
import type { SystemWriter } from '../write-system.ts';
import { quoted } from './faults.ts';
import { type Format, type LoadContext, newSystem, type PropertyDefinition } from './format.ts';
import { findFile, type Release, type ReleaseFile } from './release.ts';
import { readRows } from './table.ts';
import { readXml } from './xml.ts';

const URL = 'http://hl7.org/fhir/sid/cvx';

/** The list has some 300; what has more is another file. */
const ROWS_MAX = 100_000;

interface Vaccine {
  line: number;
  code: string;
  short: string;
  full: string;
  note: string;
  status: string;
  nonvaccine: string;
  /** As it stands. */
  updated: string;
}

const properties: readonly PropertyDefinition[] = [
  { code: 'status', type: 'code', description: 'VaccineStatus: Active, Inactive, Never Active, Non-US or Pending' },
  { code: 'note', type: 'string', description: 'Notes' },
  { code: 'nonvaccine', type: 'boolean', description: 'The code is for something that is no vaccine' },
  { code: 'updated', type: 'dateTime', description: 'When the CDC last changed it' },
];

/** `2010/09/30` and `9/30/2010` as `2010-09-30`; undefined for anything else. */
export function dateOf(text: string): string | undefined {
  const [, year, month, day] = /^(\d{4})[/-](\d{1,2})[/-](\d{1,2})\b/.exec(text) ?? [];
  if (year) return `${year}-${month!.padStart(2, '0')}-${day!.padStart(2, '0')}`;
  const [, first, second, last] = /^(\d{1,2})\/(\d{1,2})\/(\d{4})\b/.exec(text) ?? [];
  return last && `${last}-${first!.padStart(2, '0')}-${second!.padStart(2, '0')}`;
}

/** Columns of the text file, which has no header: code, short description, full name, note, status, nonvaccine, date. */
const COLUMNS = 7;

async function fromText(file: ReleaseFile, { faults }: LoadContext): Promise<Vaccine[]> {
  const found: Vaccine[] = [];
  for await (const rows of readRows(file, '|', faults)) {
    for (const { line, fields } of rows) {
      const [code = '', short = '', full = '', note = '', status = '', nonvaccine = '', updated = ''] = fields.map(
        (each) => each.trim(),
      );
      if (line === 1 && /^cvx/i.test(code)) continue;
      if (fields.length < COLUMNS - 1) {
        faults.tell(file.name, line, `${fields.length} fields, a row of CVX has ${COLUMNS}: the row is left out`);
      } else found.push({ line, code, short, full, note, status, nonvaccine, updated });
    }
    if (found.length > ROWS_MAX) throw new CerebraError('too-large', `${file.name}: more than ${ROWS_MAX} rows`);
  }
  return found;
}

/** An element each, or pairs of <Name> and <Value>: the CDC has published both. */
async function fromXml(file: ReleaseFile): Promise<Vaccine[]> {
  const found: Vaccine[] = [];
  let row = new Map<string, string>();
  let name = '';
  const get = (...names: string[]): string =>
    names.map((each) => row.get(each)).find((each) => each !== undefined) ?? '';
  const end = (line: number): Vaccine => ({
    line,
    code: get('cvxcode'),
    short: get('shortdescription'),
    full: get('fullvaccinename'),
    note: get('notes', 'note'),
    status: get('status', 'vaccinestatus'),
    nonvaccine: get('nonvaccine'),
    updated: get('lastupdated', 'updatedate'),
  });
  const events = {
    open: () => undefined,
    close(element: string, text: string, line: number) {
      const key = element.toLowerCase();
      const value = text.replace(/\s+/g, ' ').trim();
      if (key === 'cvxinfo') {
        found.push(end(line));
        row = new Map();
      } else if (key === 'name') name = value.replace(/[ _]/g, '').toLowerCase();
      else if (key === 'value') row.set(name, value);
      else row.set(key.replace(/_/g, ''), value);
      if (found.length > ROWS_MAX) throw new CerebraError('too-large', `${file.name}: more than ${ROWS_MAX} rows`);
    },
  };
  await readXml(file, events, async () => undefined);
  return found;
}

/** The number of the concept; undefined, and told, when it can't be one. */
function add(writer: SystemWriter, file: ReleaseFile, vaccine: Vaccine, { faults }: LoadContext): number | undefined {
  const { line, code, short, full, status } = vaccine;
  const inactive = /^(inactive|never active)$/i.test(status);
  const isCode = /^\d{1,4}$/.test(code);
  const n = isCode ? writer.add({ code, display: short || full, inactive, status: status || undefined }) : undefined;
  if (!isCode) faults.tell(file.name, line, `${quoted(code)} is no CVX code`);
  else if (n === undefined) faults.tell(file.name, line, `the code ${code} is there already`);
  return n;
}

function write(writer: SystemWriter, n: number, vaccine: Vaccine): void {
  const { short, full, note, status, nonvaccine } = vaccine;
  if (full !== '' && full !== short) {
    writer.designation(n, {
      language: 'en',
      useSystem: URL,
      useCode: 'full-name',
      useDisplay: 'Full vaccine name',
      value: full,
    });
  }
  if (note !== '') writer.property(n, { code: 'note', type: 'string', value: note });
  if (status !== '') writer.property(n, { code: 'status', type: 'code', value: status });
  if (/^(true|false)$/i.test(nonvaccine)) {
    writer.property(n, { code: 'nonvaccine', type: 'boolean', value: nonvaccine.toLowerCase() });
  }
  const updated = dateOf(vaccine.updated);
  if (updated) writer.property(n, { code: 'updated', type: 'dateTime', value: updated });
}

const NAMED = /^(iis)?cvx[\w.-]*\.(txt|xml)$/i;

const fileOf = (release: Release): ReleaseFile | undefined =>
  findFile(release, NAMED) ?? (release.files.length === 1 ? release.files[0] : undefined);

async function read(release: Release, context: LoadContext): Promise<void> {
  const file = fileOf(release);
  if (!file) throw new CerebraError('invalid', `${release.name}: the release has no CVX file`);
  const vaccines = await (/\.xml$/i.test(file.name) ? fromXml(file) : fromText(file, context));
  if (vaccines.length === 0) throw new CerebraError('invalid', `${file.name}: there is no CVX code in it`);
  const last = vaccines.reduce(
    (latest, { updated }) => ((dateOf(updated) ?? '') > latest ? dateOf(updated)! : latest),
    '',
  );
  const version = context.version ?? last.replaceAll('-', '');
  const about = { url: URL, version, name: 'CVX', title: 'CVX codes of vaccines', caseSensitive: true, properties };
  await context.system(newSystem(about), async (writer) => {
    for (const vaccine of vaccines) {
      const n = add(writer, file, vaccine, context);
      if (n !== undefined) write(writer, n, vaccine);
    }
    await writer.drain();
  });
}

export const cvx: Format = {
  name: 'cvx',
  title: 'CVX: cvx.txt or its XML, of the CDC',
  fits: (release) => findFile(release, NAMED) !== undefined,
  reads: (release) => [fileOf(release)].filter((file) => file !== undefined),
  read,
};
