// The floor's tables and statements: what a hand-written endpoint for just this one purpose would do.
import pg from 'pg';
import type { Connection } from '#platform';

export const tablesSql = `
  create table naked_write (id text primary key, body text not null);
  create table naked_frame (id bigint generated always as identity primary key, raw bytea not null);
  create table naked_observation (
    id text primary key, patient text not null, code text not null, at timestamptz not null, body text not null);
  create table naked_patient (id text primary key, identifier text not null, body text not null);
`;

/** After the rows are in. */
export const indexesSql = `
  create index on naked_observation (patient, at desc);
  create index on naked_observation (code, id desc);
  create index on naked_patient (identifier);
`;

export const statements = {
  create: { name: 'create', text: 'insert into naked_write (id, body) values ($1, $2)' },
  createMany: {
    name: 'create_many',
    text: 'insert into naked_write (id, body) select * from unnest($1::text[], $2::text[])',
  },
  update: { name: 'update', text: 'update naked_observation set body = $2 where id = $1' },
  read: { name: 'read', text: 'select body from naked_observation where id = $1' },
  byCode: { name: 'by_code', text: 'select body from naked_observation where code = $1 order by id desc limit 20' },
  byPatient: {
    name: 'by_patient',
    text: 'select body from naked_observation where patient = $1 order by at desc limit 20',
  },
  byIdentifier: { name: 'by_identifier', text: 'select body from naked_patient where identifier = $1' },
  frame: { name: 'frame', text: 'insert into naked_frame (raw) values ($1)' },
} as const;

export function connectPool(connection: Connection, poolMax: number): pg.Pool {
  return new pg.Pool({ ...connection, password: connection.password ?? '', max: poolMax, idleTimeoutMillis: 60_000 });
}
