// The tabular list of ICD-10-CM: chapters, sections and codes, which nest, with their notes.
import { CerebraError, ownValue } from '#platform';
import { type Faults, quoted } from './faults.ts';
import type { ReleaseFile } from './release.ts';
import { readXml } from './xml.ts';

export interface TabularNote {
  /** The element: `includes`, `excludes1`, `inclusionTerm`, … */
  kind: string;
  text: string;
}

export interface TabularEntry {
  line: number;
  kind: 'chapter' | 'section' | 'code';
  /** Of a chapter its number, of a section its range (`A00-A09`). */
  code: string;
  display: string;
  parent: string | undefined;
  notes: TabularNote[];
  /** Made of a code and a seventh character. */
  isSeventh: boolean;
}

export interface TabularList {
  version: string | undefined;
  /** In the order of the file, each behind what is above it. */
  entries: TabularEntry[];
}

const NOTES = new Set(
  'includes excludes1 excludes2 codeFirst codeAlso useAdditionalCode notes inclusionTerm sevenChrNote'.split(' '),
);
const KINDS: Record<string, TabularEntry['kind']> = { chapter: 'chapter', section: 'section', diag: 'code' };

const ENTRIES_MAX = 2_000_000;

interface Open {
  entry: TabularEntry;
  hasChildren: boolean;
  /** Seventh characters by what they say; those of an entry above where it has none. */
  seventh: Map<string, string> | undefined;
}

const plain = (text: string): string => text.replace(/\s+/g, ' ').trim();

/** The seventh character stands seventh: `S00.0` and `A` become `S00.0XXA`. */
const withSeventh = (code: string, character: string): string => {
  const bare = code.replace('.', '').padEnd(6, 'X');
  return `${bare.slice(0, 3)}.${bare.slice(3)}${character}`;
};

function* sevenths({ entry, seventh }: Open): Generator<TabularEntry> {
  for (const [character, text] of seventh ?? []) {
    const code = withSeventh(entry.code, character);
    yield { ...entry, code, display: `${entry.display}, ${text}`, parent: entry.code, notes: [], isSeventh: true };
  }
}

interface State {
  list: TabularList;
  open: Open[];
  /** The kind of note that its <note> elements are of. */
  note: string | undefined;
  character: string | undefined;
}

function begin(state: State, kind: TabularEntry['kind'], id: string | undefined, line: number): void {
  const above = state.open.at(-1);
  if (above) above.hasChildren = true;
  const parent = above?.entry.code;
  const entry: TabularEntry = { line, kind, code: id ?? '', display: '', parent, notes: [], isSeventh: false };
  state.list.entries.push(entry);
  state.open.push({ entry, hasChildren: false, seventh: above?.seventh });
}

function end({ list, open }: State): void {
  const done = open.pop()!;
  // Only the last codes of a branch are completed by a seventh character.
  if (done.entry.kind === 'code' && !done.hasChildren) list.entries.push(...sevenths(done));
}

function closeInside(state: State, own: Open, name: string, text: string): void {
  const { entry } = own;
  if (name === 'name') entry.code ||= plain(text);
  else if (name === 'desc') entry.display ||= plain(text);
  else if (name === 'note' && state.note && plain(text) !== '')
    entry.notes.push({ kind: state.note, text: plain(text) });
  else if (name === 'extension' && state.character) own.seventh?.set(state.character, plain(text));
  else if (name === state.note) state.note = undefined;
}

function openInside(state: State, own: Open, name: string, attributes: Record<string, string>): void {
  if (NOTES.has(name)) state.note = name;
  else if (name === 'sevenChrDef') own.seventh = new Map();
  else if (name === 'extension') state.character = attributes.char;
}

/** Entries without a code are told as faults and left out. */
export async function readTabular(file: ReleaseFile, faults: Faults): Promise<TabularList> {
  const state: State = { list: { version: undefined, entries: [] }, open: [], note: undefined, character: undefined };
  const events = {
    open(name: string, attributes: Record<string, string>, line: number) {
      const kind = ownValue(KINDS, name);
      const own = state.open.at(-1);
      if (kind) begin(state, kind, attributes.id, line);
      else if (own) openInside(state, own, name, attributes);
      if (state.list.entries.length > ENTRIES_MAX) {
        throw new CerebraError('too-large', `${file.name}: more than ${ENTRIES_MAX} codes`);
      }
    },
    close(name: string, text: string) {
      const own = state.open.at(-1);
      if (ownValue(KINDS, name)) end(state);
      else if (own) closeInside(state, own, name, text);
      else if (name === 'version') state.list.version = plain(text) || undefined;
    },
  };
  await readXml(file, events, async () => undefined);
  const entries = state.list.entries.filter(({ code, kind, line }) => {
    if (code !== '') return true;
    faults.tell(file.name, line, `a ${quoted(kind)} without a name: it is left out`);
    return false;
  });
  if (entries.length === 0) throw new CerebraError('invalid', `${file.name}: there is no code in it`);
  return { version: state.list.version, entries };
}
