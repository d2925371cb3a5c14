// SNOMED CT's relationships, concrete values and simple reference sets:
// https://confluence.ihtsdotools.org/display/DOCRELFMT/4.2.3+Relationship+File+Specification
import { REFSET_PROPERTY } from '../ecl.ts';
import type { SystemWriter } from '../write-system.ts';
import { quoted } from './faults.ts';
import type { LoadContext } from './format.ts';
import { filesLike, type Release } from './release.ts';
import { rf2Files } from './rf2-files.ts';
import { readTable } from './table.ts';

const IS_A = '116680003';
/** Stated relationships are what the inferred ones were made of: they are not those of the distribution. */
const STATED = '900000000000010007';

const relationColumns = [
  ...(['active', 'sourceId', 'destinationId', 'relationshipGroup', 'typeId', 'characteristicTypeId'] as const),
];

async function writeConceptRelations(writer: SystemWriter, release: Release, { faults }: LoadContext): Promise<void> {
  for (const file of filesLike(release, rf2Files.relationship)) {
    const table = readTable<(typeof relationColumns)[number]>(file, '\t', relationColumns, [], faults);
    for await (const records of table) {
      for (const { line, values } of records) {
        const { active, sourceId, destinationId, relationshipGroup, typeId, characteristicTypeId } = values;
        if (active !== '1' || characteristicTypeId === STATED) continue;
        const n = writer.numberOf(sourceId);
        if (n === undefined) faults.tell(file.name, line, `there is no concept ${quoted(sourceId)}`);
        else if (writer.numberOf(destinationId) === undefined) {
          faults.tell(file.name, line, `there is no concept ${quoted(destinationId)}`);
        } else if (typeId === IS_A) writer.parent(n, destinationId);
        else
          writer.property(n, {
            code: typeId,
            type: 'code',
            value: destinationId,
            group: Number(relationshipGroup) || 0,
          });
      }
      await writer.drain();
    }
  }
}

const concreteColumns = ['active', 'sourceId', 'value', 'relationshipGroup', 'typeId'] as const;

/** `#5`, `#0.5` and `"text"` */
function concreteValue(text: string): { type: 'integer' | 'decimal' | 'string'; value: string } | undefined {
  const [, digits] = /^#([+-]?\d+(?:\.\d+)?)$/.exec(text) ?? [];
  if (digits !== undefined) return { type: digits.includes('.') ? 'decimal' : 'integer', value: digits };
  return /^".*"$/s.test(text) ? { type: 'string', value: text.slice(1, -1) } : undefined;
}

async function writeConcreteValues(writer: SystemWriter, release: Release, { faults }: LoadContext): Promise<void> {
  for (const file of filesLike(release, rf2Files.concrete)) {
    const table = readTable<(typeof concreteColumns)[number]>(file, '\t', concreteColumns, [], faults);
    for await (const records of table) {
      for (const { line, values } of records) {
        if (values.active !== '1') continue;
        const n = writer.numberOf(values.sourceId);
        const concrete = concreteValue(values.value);
        if (n === undefined) faults.tell(file.name, line, `there is no concept ${quoted(values.sourceId)}`);
        else if (!concrete) faults.tell(file.name, line, `${quoted(values.value)} is no concrete value`);
        else writer.property(n, { code: values.typeId, ...concrete, group: Number(values.relationshipGroup) || 0 });
      }
      await writer.drain();
    }
  }
}

export async function writeRelationships(writer: SystemWriter, release: Release, context: LoadContext): Promise<void> {
  await writeConceptRelations(writer, release, context);
  await writeConcreteValues(writer, release, context);
}

const refsetColumns = ['active', 'refsetId', 'referencedComponentId'] as const;

/** Members that are no concepts (descriptions, relationships) are of no use here and passed over. */
export async function writeRefsets(writer: SystemWriter, release: Release, { faults }: LoadContext): Promise<void> {
  for (const file of filesLike(release, rf2Files.simple)) {
    for await (const records of readTable<(typeof refsetColumns)[number]>(file, '\t', refsetColumns, [], faults)) {
      for (const { values } of records) {
        const n = values.active === '1' ? writer.numberOf(values.referencedComponentId) : undefined;
        if (n !== undefined) writer.property(n, { code: REFSET_PROPERTY, type: 'code', value: values.refsetId });
      }
      await writer.drain();
    }
  }
}
