// A part that was prepared before the search parameters changed, indexed anew from the bodies that it brings.
import { parseJson, type Resource } from '#fhir-model';
import type { Store } from '../store/store.ts';
import type { KnownTerms } from '../store/tokens.ts';
import { tableRows } from './rows.ts';
import { createTermBook } from './term-book.ts';
import type { Part, TableRows } from './types.ts';

const utf8 = new TextDecoder();

/** The columns of row `i`; of JSON text only backslashes are escaped (platform/db/row-text.ts). */
function columnsOf({ bytes, ends }: TableRows, i: number): string[] {
  const line = utf8.decode(bytes.subarray(i === 0 ? 0 : ends[i - 1]!, ends[i]! - 1));
  return line.split('\t');
}

/** Nothing is known to be stored: each resource brings all of its terms. */
const bringAll: KnownTerms = { has: () => false };

/** The same resources, each with the terms that it has, so that any of them may be left out. */
export const eachByItself = (store: Store, part: Part): Part => indexedAnew(store, part, bringAll);

/** The same resources with the rows of the search parameters that are in force now. */
export function indexedAnew(store: Store, part: Part, terms = createTermBook([]).part()): Part {
  const rows = part.tables.find(({ into }) => into.startsWith('resource '))!;
  const many = part.resources.map(({ type, id, key }, i) => {
    const columns = columnsOf(rows, i);
    const body = columns.at(-1)!.replaceAll('\\\\', '\\');
    const resource = parseJson(body).exact as Resource;
    return { resource, id, key, typeCode: store.layout.codeOf(type), rid: BigInt(columns[0]!) };
  });
  const { registry, clock } = store;
  const { epoch } = registry;
  const { tables } = tableRows(many, clock.now(), registry, terms);
  return { ...part, tables, epoch };
}
