// What SNOMED CT's concepts are called: descriptions, text definitions and the language reference sets that prefer some.
// https://confluence.ihtsdotools.org/display/DOCRELFMT/4.2.2+Description+File+Specification
import { CerebraError } from '#platform';
import type { SystemWriter } from '../write-system.ts';
import { quoted } from './faults.ts';
import type { LoadContext } from './format.ts';
import { createIdTable, type IdTable } from './id-table.ts';
import { ownText } from './own-text.ts';
import { filesLike, type Release } from './release.ts';
import { isId, rf2Files, SNOMED } from './rf2-files.ts';
import { readTable, type TableRow } from './table.ts';

const FSN = '900000000000003001';
const SYNONYM = '900000000000013009';
const PREFERRED = '900000000000548007';
/** US English, the dialect that every International Edition has. */
const US_ENGLISH = '900000000000509007';
const GB_ENGLISH = '900000000000508004';

/** Dialects of the two reference sets that every edition has; others are known by their descriptions' languages. */
const DIALECTS: Record<string, string> = { [US_ENGLISH]: 'en-US', [GB_ENGLISH]: 'en-GB' };

/** A description is preferred in so many language reference sets as an integer has bits. */
const LANGUAGES_MAX = 30;

const descriptionColumns = ['id', 'active', 'conceptId', 'languageCode', 'typeId', 'term'] as const;
type DescriptionRow = TableRow<(typeof descriptionColumns)[number]>;

/** Which descriptions are preferred where: a bit for each language reference set. */
interface Preferences {
  refsets: string[];
  masks: IdTable;
}

async function readPreferences(release: Release, { faults }: LoadContext): Promise<Preferences> {
  const refsets: string[] = [];
  const masks = createIdTable();
  const columns = ['active', 'refsetId', 'referencedComponentId', 'acceptabilityId'] as const;
  for (const file of filesLike(release, rf2Files.language)) {
    for await (const records of readTable<(typeof columns)[number]>(file, '\t', columns, [], faults)) {
      for (const { line, values } of records) {
        const { active, refsetId, referencedComponentId: id, acceptabilityId } = values;
        if (active !== '1' || acceptabilityId !== PREFERRED) continue;
        if (!isId(id)) {
          faults.tell(file.name, line, `${quoted(id)} is no description's id`);
          continue;
        }
        if (!refsets.includes(refsetId)) refsets.push(refsetId);
        if (refsets.length > LANGUAGES_MAX) {
          throw new CerebraError(
            'too-large',
            `${file.name}:${line}: more than ${LANGUAGES_MAX} language reference sets`,
          );
        }
        masks.set(id, (masks.get(id) ?? 0) | (1 << refsets.indexOf(refsetId)));
      }
    }
  }
  return { refsets, masks };
}

export interface Terms {
  displayOf(id: string): string | undefined;
  definitionOf(id: string): string | undefined;
  preferences: Preferences;
}

/** How good a description is as the display; 0: not at all. */
function rankOf({ typeId }: DescriptionRow['values'], mask: number, bit: number): number {
  if (typeId === SYNONYM) return mask & bit ? 5 : mask !== 0 ? 4 : 2;
  return typeId === FSN ? 3 : 0;
}

interface Best {
  text: Map<string, string>;
  rank: IdTable;
}

async function readDisplays(release: Release, preferences: Preferences, bit: number, { faults }: LoadContext) {
  const best: Best = { text: new Map(), rank: createIdTable() };
  const silent = { ...faults, tell: () => undefined, note: () => undefined };
  for (const file of filesLike(release, rf2Files.description)) {
    const table = readTable<(typeof descriptionColumns)[number]>(file, '\t', descriptionColumns, [], silent);
    for await (const records of table) {
      for (const { values } of records) {
        const { id, active, conceptId, term } = values;
        if (active !== '1' || !isId(id) || !isId(conceptId)) continue;
        const rank = rankOf(values, preferences.masks.get(id) ?? 0, bit);
        if (rank <= (best.rank.get(conceptId) ?? 0)) continue;
        best.rank.set(conceptId, rank);
        best.text.set(ownText(conceptId), ownText(term));
      }
    }
  }
  return best.text;
}

async function readDefinitions(release: Release, { faults }: LoadContext): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const columns = ['active', 'conceptId', 'term'] as const;
  for (const file of filesLike(release, rf2Files.definition)) {
    for await (const records of readTable<(typeof columns)[number]>(file, '\t', columns, [], faults)) {
      for (const { values } of records) {
        if (values.active === '1' && !found.has(values.conceptId)) {
          found.set(ownText(values.conceptId), ownText(values.term));
        }
      }
    }
  }
  return found;
}

/** The reference set that was asked for, US English, or else the only one or the first. */
function displayBit({ refsets }: Preferences, { language }: LoadContext): number {
  const wanted = language ?? (refsets.includes(US_ENGLISH) ? US_ENGLISH : refsets[0]);
  if (language !== undefined && !refsets.includes(language)) {
    const there = refsets.length === 0 ? 'none' : refsets.join(', ');
    throw new CerebraError(
      'config',
      `--language ${language}: the release has no such language reference set; there is ${there}`,
    );
  }
  return wanted === undefined ? 0 : 1 << refsets.indexOf(wanted);
}

export async function createTerms(release: Release, context: LoadContext): Promise<Terms> {
  const preferences = await readPreferences(release, context);
  if (preferences.refsets.length === 0) {
    const text = 'there is no language reference set: displays are fully specified names';
    context.faults.note(release.name, undefined, text);
  }
  const displays = await readDisplays(release, preferences, displayBit(preferences, context), context);
  const definitions = await readDefinitions(release, context);
  return { displayOf: (id) => displays.get(id), definitionOf: (id) => definitions.get(id), preferences };
}

/** `en-US` where it is preferred in that dialect and not in the other, else the description's own language. */
function languageOf(code: string, mask: number, { refsets }: Preferences): string {
  const dialects = refsets.filter((_, i) => mask & (1 << i)).map((refset) => DIALECTS[refset]);
  const named = dialects.filter((dialect) => dialect?.startsWith(`${code}-`));
  return named.length === 1 ? named[0]! : code;
}

/** https://hl7.org/fhir/R4/valueset-designation-use.html, and what the language prefers among its synonyms. */
const uses: Record<string, { useSystem: string; useCode: string; useDisplay: string }> = {
  fsn: { useSystem: SNOMED, useCode: FSN, useDisplay: 'Fully specified name' },
  synonym: { useSystem: SNOMED, useCode: SYNONYM, useDisplay: 'Synonym' },
  preferred: {
    useSystem: 'http://terminology.hl7.org/CodeSystem/hl7TermMaintInfra',
    useCode: 'preferredForLanguage',
    useDisplay: 'Preferred For Language',
  },
};

function writeDescription(writer: SystemWriter, n: number, { values }: DescriptionRow, preferences: Preferences): void {
  const { id, languageCode, typeId, term } = values;
  const mask = preferences.masks.get(id) ?? 0;
  const use = typeId === FSN ? uses.fsn : mask === 0 ? uses.synonym : uses.preferred;
  writer.designation(n, { language: languageOf(languageCode, mask, preferences), ...use, value: term });
}

/** All active descriptions as designations, the one that is the display too. */
export async function writeDescriptions(
  writer: SystemWriter,
  release: Release,
  { preferences }: Terms,
  { faults }: LoadContext,
): Promise<void> {
  for (const file of filesLike(release, rf2Files.description)) {
    const table = readTable<(typeof descriptionColumns)[number]>(file, '\t', descriptionColumns, [], faults);
    for await (const records of table) {
      for (const record of records) {
        const { id, active, conceptId, typeId } = record.values;
        if (active !== '1') continue;
        const n = writer.numberOf(conceptId);
        if (!isId(id)) faults.tell(file.name, record.line, `${quoted(id)} is no description's id`);
        else if (n === undefined) faults.tell(file.name, record.line, `there is no concept ${quoted(conceptId)}`);
        else if (typeId === FSN || typeId === SYNONYM) writeDescription(writer, n, record, preferences);
      }
      await writer.drain();
    }
  }
}
