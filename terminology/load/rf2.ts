// SNOMED CT's release files: https://confluence.ihtsdotools.org/display/DOCRELFMT, with FHIR's view of them,
// https://hl7.org/fhir/R4/snomedct.html. The snapshot is read, of all modules that are in the release.
import { CerebraError } from '#platform';
import type { SystemWriter } from '../write-system.ts';
import { quoted } from './faults.ts';
import { type Format, type LoadContext, newSystem } from './format.ts';
import { ownText } from './own-text.ts';
import { filesLike, type Release } from './release.ts';
import { editionOf } from './rf2-edition.ts';
import { isId, rf2Files, SNOMED } from './rf2-files.ts';
import { writeRefsets, writeRelationships } from './rf2-links.ts';
import { createTerms, type Terms, writeDescriptions } from './rf2-terms.ts';
import { readTable } from './table.ts';

/** Fully defined: https://confluence.ihtsdotools.org/display/DOCGLOSS/Defined+concept */
const DEFINED = '900000000000073002';

const properties = [
  { code: 'moduleId', type: 'code', description: 'The module that the concept is in' },
  { code: 'sufficientlyDefined', type: 'boolean', description: 'Whether its definition is enough to recognise it' },
  { code: 'effectiveTime', type: 'dateTime', description: 'When this state of the concept came into effect' },
  { code: 'memberOf', type: 'code', description: 'Simple reference sets that the concept is an active member of' },
];

const columns = ['id', 'effectiveTime', 'active', 'moduleId', 'definitionStatusId'] as const;

/** `20240131` → `2024-01-31` */
const dateOf = (time: string): string => `${time.slice(0, 4)}-${time.slice(4, 6)}-${time.slice(6, 8)}`;

async function writeConcepts(writer: SystemWriter, release: Release, terms: Terms, { faults }: LoadContext) {
  for (const file of filesLike(release, rf2Files.concept)) {
    for await (const records of readTable<(typeof columns)[number]>(file, '\t', columns, [], faults)) {
      for (const { line, values } of records) {
        const { id, effectiveTime, active, moduleId, definitionStatusId } = values;
        const [display, definition] = [terms.displayOf(id), terms.definitionOf(id)];
        const n = isId(id)
          ? writer.add({ code: ownText(id), display, definition, inactive: active !== '1' })
          : undefined;
        if (n === undefined) {
          faults.tell(
            file.name,
            line,
            isId(id) ? `the concept ${id} is there already` : `${quoted(id)} is no concept id`,
          );
          continue;
        }
        if (display === undefined) faults.note(file.name, line, `the concept ${id} has no description that is active`);
        const defined = String(definitionStatusId === DEFINED);
        writer.property(n, { code: 'moduleId', type: 'code', value: moduleId });
        writer.property(n, { code: 'sufficientlyDefined', type: 'boolean', value: defined });
        if (/^\d{8}$/.test(effectiveTime)) {
          writer.property(n, { code: 'effectiveTime', type: 'dateTime', value: dateOf(effectiveTime) });
        }
      }
      await writer.drain();
    }
  }
}

async function read(release: Release, context: LoadContext): Promise<void> {
  for (const [called, pattern] of Object.entries({ Concept: rf2Files.concept, Description: rf2Files.description })) {
    if (filesLike(release, pattern).length > 0) continue;
    throw new CerebraError('invalid', `${release.name}: the release has no Snapshot file sct2_${called}_…`);
  }
  const version = context.version ?? (await editionOf(release, context));
  const about = {
    url: SNOMED,
    version,
    name: 'SNOMEDCT',
    title: 'SNOMED CT',
    valueSet: 'http://snomed.info/sct?fhir_vs',
  };
  const system = newSystem({
    ...about,
    caseSensitive: true,
    hierarchyMeaning: 'is-a',
    compositional: true,
    properties,
  });
  await context.system(system, async (writer) => {
    const terms = await createTerms(release, context);
    await writeConcepts(writer, release, terms, context);
    await writeDescriptions(writer, release, terms, context);
    await writeRelationships(writer, release, context);
    await writeRefsets(writer, release, context);
  });
}

export const rf2: Format = {
  name: 'rf2',
  title: 'SNOMED CT: an RF2 release (its Snapshot) as ZIP archive or unpacked',
  fits: (release) => filesLike(release, rf2Files.concept).length > 0,
  reads: (release) => [...Object.values(rf2Files), rf2Files.description].flatMap((each) => filesLike(release, each)),
  read,
};
