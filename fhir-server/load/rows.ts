// The rows of resources as COPY takes them, all that a create writes: resource, index rows, change row.
import type { IndexValue, Resource } from '#fhir-model';
import { createRowText, field, jsonField, type RowText } from '#platform';
import { bodyText } from '../store/body.ts';
import { factArray, indexRows, tokenArray } from '../store/index-rows.ts';
import { indexTables } from '../store/index-sql.ts';
import type { KnownTerms } from '../store/tokens.ts';
import type { TableRows } from './types.ts';

export interface NewResource {
  resource: Resource;
  typeCode: number;
  id: string;
  key: string;
  rid: bigint;
}

interface Target {
  into: string;
  whole: boolean;
  text: RowText;
  ends: Uint32Array<ArrayBuffer>;
}

const RESOURCE = 'resource (rid, key, seq, updated, version, type, id, tokens, facts, body)';
const CHANGE = 'change (seq, updated, version, type, op, id, epoch)';

/** Row by row from columns. */
function writeIndexRows(text: RowText, rid: bigint, columns: unknown[][]): void {
  const first = columns[0]!;
  for (let row = 0; row < first.length; row++) {
    let line = String(rid);
    for (const column of columns) line += `\t${field(column[row])}`;
    text.write(`${line}\n`);
  }
}

export interface Indexing {
  extract(resource: Resource): IndexValue[];
  /** Of what extract() yields. */
  readonly epoch: number;
}

/**
 * Version 1 of each, at `updatedMs`. What runs through here is most of a load's work: 15 µs a resource of 1.4 kB beside
 * 11 for parsing, 7 for validation and 24 for the index values.
 */
export function tableRows(
  many: NewResource[],
  updatedMs: number,
  { extract, epoch }: Indexing,
  terms: KnownTerms,
): { tables: TableRows[]; texts: string[] } {
  const target = (into: string, whole = false): Target => ({
    ...{ into, whole, text: createRowText() },
    ends: new Uint32Array(many.length),
  });
  const resources = target(RESOURCE);
  const changes = target(CHANGE);
  const indexes = indexTables.map(({ table, columns, kept }) => target(`${table} (rid, ${columns})`, kept));
  const all = [resources, changes, ...indexes];
  const updated = new Date(updatedMs).toISOString();
  const texts: string[] = [];
  many.forEach(({ resource, typeCode, id, key, rid }, i) => {
    const { prefix, suffix } = bodyText(resource, id, updatedMs);
    const body = `${prefix}1${suffix}`;
    const rows = indexRows(extract(resource), terms);
    const hashes = `${tokenArray(rows)}\t${factArray(rows)}`;
    resources.text.write(`${rid}\t${key}\t${rid}\t${updated}\t1\t${typeCode}\t${id}\t${hashes}\t${jsonField(body)}\n`);
    changes.text.write(`${rid}\t${updated}\t1\t${typeCode}\tc\t${id}\t${epoch}\n`);
    indexTables.forEach((table, t) => {
      writeIndexRows(indexes[t]!.text, rid, table.values(rows));
    });
    for (const { text, ends } of all) ends[i] = text.length;
    texts.push(body);
  });
  return { tables: all.map(({ into, whole, text, ends }) => ({ into, whole, bytes: text.take(), ends })), texts };
}
