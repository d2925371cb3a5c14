// RxNorm's RRF files: https://www.nlm.nih.gov/research/umls/rxnorm/docs/techdoc.html, with FHIR's view of them,
// https://hl7.org/fhir/R4/rxnorm.html: codes are the RXCUIs of the source RXNORM, and there is no subsumption.
import { CerebraError } from '#platform';
import type { SystemWriter } from '../write-system.ts';
import { quoted } from './faults.ts';
import { type Format, type LoadContext, newSystem, type PropertyDefinition } from './format.ts';
import { ownText } from './own-text.ts';
import { findFile, needFile, type Release, type ReleaseFile } from './release.ts';
import { type Row, readRows } from './table.ts';

const URL = 'http://www.nlm.nih.gov/research/umls/rxnorm';
const SOURCE = 'RXNORM';

/** Columns of each file, which has no header; each row ends with a separator. */
const RXNCONSO = 'RXCUI LAT TS LUI STT SUI ISPREF RXAUI SAUI SCUI SDUI SAB TTY CODE STR SRL SUPPRESS CVF'.split(' ');
const RXNREL = 'RXCUI1 RXAUI1 STYPE1 REL RXCUI2 RXAUI2 STYPE2 RELA RUI SRUI SAB SL DIR RG SUPPRESS CVF'.split(' ');
const RXNSAT = 'RXCUI LUI SUI RXAUI STYPE CODE ATUI SATUI ATN SAB ATV SUPPRESS CVF'.split(' ');
const RXNSTY = 'RXCUI TUI STN STY ATUI CVF'.split(' ');

/** Other names of a concept, never its display. */
const SYNONYMS = new Set(['SY', 'TMSY', 'ET', 'PSN']);

const properties: readonly PropertyDefinition[] = [
  { code: 'TTY', type: 'code', description: 'Term type, RXNCONSO.TTY: SCD, SBD, IN, …' },
  { code: 'STY', type: 'Coding', description: 'Semantic type, RXNSTY: its TUI and its name' },
  { code: 'SAB', type: 'code', description: 'Source: always RXNORM' },
  { code: 'SUPPRESS', type: 'code', description: 'RXNCONSO.SUPPRESS of the name that is the display: N, O, Y or E' },
  { code: 'REL', type: 'code', description: 'RXNREL.REL, when the relationship has no name of its own (RELA)' },
  { code: 'NDC', type: 'string', description: 'RXNSAT: National Drug Code, as are other attributes by their ATN' },
];

const needed = {
  RXNCONSO: /^rxnconso\.rrf$/i,
  RXNREL: /^rxnrel\.rrf$/i,
  RXNSAT: /^rxnsat\.rrf$/i,
  RXNSTY: /^rxnsty\.rrf$/i,
};

interface RrfRow {
  line: number;
  get(column: string): string;
}

/** Rows that are too short or too long are told as faults and left out. */
async function* readRrf(file: ReleaseFile, columns: string[], { faults }: LoadContext): AsyncGenerator<RrfRow[]> {
  const place = new Map(columns.map((column, i) => [column, i]));
  const isWhole = ({ line, fields }: Row): boolean => {
    // The separator at the end makes one more, which is empty.
    if (fields.length === columns.length + 1 || fields.length === columns.length) return true;
    faults.tell(file.name, line, `${fields.length - 1} fields, there are ${columns.length}: the row is left out`);
    return false;
  };
  for await (const rows of readRows(file, '|', faults)) {
    yield rows.filter(isWhole).map(({ line, fields }) => ({ line, get: (column) => fields[place.get(column)!]! }));
  }
}

interface Name {
  text: string;
  type: string;
  suppress: string;
  rank: number;
}

/** The name that is the display: none of the synonyms, and one that is not suppressed if there is one. */
const rankOf = (type: string, suppress: string): number => (SYNONYMS.has(type) ? 0 : 2) + (suppress === 'N' ? 1 : 0);

async function readNames(file: ReleaseFile, context: LoadContext): Promise<Map<string, Name>> {
  const names = new Map<string, Name>();
  for await (const rows of readRrf(file, RXNCONSO, context)) {
    for (const { line, get } of rows) {
      if (get('SAB') !== SOURCE) continue;
      const [code, type, suppress] = [get('RXCUI'), get('TTY'), get('SUPPRESS')];
      if (!/^\d{1,8}$/.test(code)) {
        context.faults.tell(file.name, line, `${quoted(code)} is no RXCUI`);
        continue;
      }
      const rank = rankOf(type, suppress);
      const known = names.get(code);
      if (!known || known.rank < rank) names.set(code, { text: ownText(get('STR')), type, suppress, rank });
    }
  }
  if (names.size === 0)
    throw new CerebraError('invalid', `${file.name}: there is no row of the source ${SOURCE} in it`);
  return names;
}

async function writeConcepts(writer: SystemWriter, names: ReadonlyMap<string, Name>): Promise<void> {
  for (const [code, { text, type, suppress }] of names) {
    const n = writer.add({ code, display: text, inactive: suppress !== 'N' })!;
    writer.property(n, { code: 'TTY', type: 'code', value: type });
    writer.property(n, { code: 'SAB', type: 'code', value: SOURCE });
    writer.property(n, { code: 'SUPPRESS', type: 'code', value: suppress });
    await writer.drain();
  }
}

/** What is not the display. */
async function writeSynonyms(
  writer: SystemWriter,
  file: ReleaseFile,
  names: ReadonlyMap<string, Name>,
  context: LoadContext,
): Promise<void> {
  // What is wrong with this file was told when it was read for the names.
  const silent: LoadContext = {
    ...context,
    faults: { ...context.faults, tell: () => undefined, note: () => undefined },
  };
  for await (const rows of readRrf(file, RXNCONSO, silent)) {
    for (const { get } of rows) {
      const n = get('SAB') === SOURCE ? writer.numberOf(get('RXCUI')) : undefined;
      if (n === undefined || names.get(get('RXCUI'))!.text === get('STR')) continue;
      writer.designation(n, { language: 'en', useSystem: URL, useCode: get('TTY'), value: get('STR') });
    }
    await writer.drain();
  }
}

/** "RXCUI2 has the relationship RELA to RXCUI1". */
async function writeRelations(writer: SystemWriter, file: ReleaseFile, context: LoadContext): Promise<void> {
  for await (const rows of readRrf(file, RXNREL, context)) {
    for (const { line, get } of rows) {
      if (get('SAB') !== SOURCE || get('STYPE1') !== 'CUI' || get('STYPE2') !== 'CUI' || get('SUPPRESS') === 'O')
        continue;
      const n = writer.numberOf(get('RXCUI2'));
      if (n === undefined) context.faults.tell(file.name, line, `there is no concept ${quoted(get('RXCUI2'))}`);
      else writer.property(n, { code: get('RELA') || 'REL', type: 'code', value: get('RXCUI1') });
    }
    await writer.drain();
  }
}

/** Attributes of RxNorm's own concepts; those of other sources' atoms are under other licences. */
async function writeAttributes(writer: SystemWriter, file: ReleaseFile, context: LoadContext): Promise<void> {
  for await (const rows of readRrf(file, RXNSAT, context)) {
    for (const { get } of rows) {
      const n = get('SAB') === SOURCE && get('SUPPRESS') !== 'O' ? writer.numberOf(get('RXCUI')) : undefined;
      if (n !== undefined && get('ATN') !== '') {
        writer.property(n, { code: get('ATN'), type: 'string', value: get('ATV') });
      }
    }
    await writer.drain();
  }
}

async function writeSemanticTypes(writer: SystemWriter, file: ReleaseFile, context: LoadContext): Promise<void> {
  const system = 'http://www.nlm.nih.gov/research/umls/semantic-types';
  for await (const rows of readRrf(file, RXNSTY, context)) {
    for (const { get } of rows) {
      const n = writer.numberOf(get('RXCUI'));
      if (n !== undefined) {
        writer.property(n, { code: 'STY', type: 'Coding', value: get('TUI'), system, display: get('STY') });
      }
    }
    await writer.drain();
  }
}

/** `RxNorm_full_01022024.zip` → `01022024`, as FHIR wants it. */
const versionOf = (release: Release): string =>
  /(?<!\d)(\d{8})(?!\d)/.exec(`${release.name} ${release.files[0]?.name ?? ''}`)?.[1] ?? '';

const rest = [
  ['RXNREL', writeRelations],
  ['RXNSAT', writeAttributes],
  ['RXNSTY', writeSemanticTypes],
] as const;

async function read(release: Release, context: LoadContext): Promise<void> {
  const consoFile = needFile(release, needed.RXNCONSO, 'RXNCONSO.RRF');
  const names = await readNames(consoFile, context);
  const version = context.version ?? versionOf(release);
  const about = { url: URL, version, name: 'RxNorm', title: 'RxNorm', caseSensitive: false, properties };
  await context.system(newSystem(about), async (writer) => {
    await writeConcepts(writer, names);
    await writeSynonyms(writer, consoFile, names, context);
    for (const [name, writeFile] of rest) {
      const file = findFile(release, needed[name]);
      if (file) await writeFile(writer, file, context);
      else context.faults.note(release.name, undefined, `there is no ${name}.RRF: what it tells is missing`);
    }
  });
}

export const rxnorm: Format = {
  name: 'rxnorm',
  title: 'RxNorm: a full or prescribable release with its RRF files',
  fits: (release) => findFile(release, needed.RXNCONSO) !== undefined,
  reads: (release) =>
    [...Object.values(needed), needed.RXNCONSO]
      .map((each) => findFile(release, each))
      .filter((file) => file !== undefined),
  read,
};
