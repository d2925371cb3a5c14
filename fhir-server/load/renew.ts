// A part that was prepared before the search parameters changed, indexed anew from the bodies that it brings.
import { parseJson, type Resource } from '#fhir-model';
import type { Store } from '../store/store.ts';
import { tableRows } from './rows.ts';
import { createTermBook } from './term-book.ts';
import type { Part, TableRows } from './types.ts';

const utf8 = new TextDecoder();

/** The columns of row `i`; of JSON text only backslashes are escaped (platform/db/row-text.ts). */
function columnsOf({ bytes, ends }: TableRows, i: number): string[] {
  const line = utf8.decode(bytes.subarray(i === 0 ? 0 : ends[i - 1]!, ends[i]! - 1));
  return line.split('\t');
}

/** The same resources with the rows of the search parameters that are in force now. */
export function indexedAnew(store: Store, part: Part): Part {
  const rows = part.tables.find(({ into }) => into.startsWith('resource '))!;
  const many = part.resources.map(({ type, id, key }, i) => {
    const columns = columnsOf(rows, i);
    const body = columns.at(-1)!.replaceAll('\\\\', '\\');
    const resource = parseJson(body).exact as Resource;
    return { resource, id, key, typeCode: store.layout.codeOf(type), rid: BigInt(columns[0]!) };
  });
  const { registry, clock } = store;
  const { epoch } = registry;
  const { tables } = tableRows(many, clock.now(), registry, createTermBook([]).part());
  return { ...part, tables, epoch };
}
