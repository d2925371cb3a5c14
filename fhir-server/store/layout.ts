// Names and numbers of the store's tables (migrations/0001_store.sql).
import { CerebraError, type Queryable } from '#platform';
import { hash64, hashOnce } from './hash.ts';

/** The resource types in the order of their codes; read once at start, so that SQL and code can't disagree. */
export interface Layout {
  codeOf(type: string): number;
  nameOf(code: number): string;
  has(type: string): boolean;
}

export async function readLayout(db: Queryable): Promise<Layout> {
  const rows = await db.query<{ code: number; name: string }>({ text: 'select code, name from resource_type' });
  const codes = new Map(rows.map((row) => [row.name, row.code]));
  const names = new Map(rows.map((row) => [row.code, row.name]));
  return {
    codeOf(type) {
      const code = codes.get(type);
      if (code === undefined) throw new CerebraError('not-found', `Unknown resource type '${type}'`);
      return code;
    },
    nameOf: (code) => names.get(code) ?? '',
    has: (type) => codes.has(type),
  };
}

/** Table of the current versions; `type` has passed Layout.codeOf, so the name is one of a closed list. */
export const currentTable = (type: string): string => `r_${type.toLowerCase()}`;
export const historyTable = (type: string): string => `h_${type.toLowerCase()}`;

/** `key` of a resource: what reference rows point at. */
export const resourceKey = (type: string, id: string): string => hash64(`${type}/${id}`);
/** The same of a new one. */
export const newKey = (type: string, id: string): string => hashOnce(`${type}/${id}`);
