// Against a double of PostgreSQL that answers the wish for TLS: https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-SSL
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { createSecureContext, TLSSocket } from 'node:tls';
import { CerebraError, connectDb, readConfig } from '#platform';
import { testLog } from '#platform/testing';
import { explain } from './explain.ts';

async function failure(
  t: TestContext,
  answer: (socket: Socket) => void,
  { password = ':secret', more = '?sslmode=verify-full' } = {},
): Promise<{ port: number; text: string }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => answer(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const DATABASE_URL = `postgres://cerebra${password}@127.0.0.1:${port}/cerebra${more}`;
  const db = connectDb({ url: DATABASE_URL, poolMax: 1, log: testLog() });
  t.after(async () => {
    await db.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const error = await db.query({ text: 'select 1' }).then(
    () => assert.fail('expected a refusal'),
    (cause: unknown) => cause,
  );
  return { port, text: explain(error, readConfig({ DATABASE_URL })) };
}

test('a database that speaks no TLS is told with what to do', async (t) => {
  const { port, text } = await failure(t, (socket) => socket.end('N'));
  assert.equal(
    text,
    `The database at 127.0.0.1:${port}/cerebra (DATABASE_URL) speaks no TLS: turn it on there, or leave sslmode out of DATABASE_URL`,
  );
});

const noOpenssl = existsSync('/usr/bin/openssl') ? false : 'there is no /usr/bin/openssl';

test('a certificate that is not trusted is told with what to do', { skip: noOpenssl }, async (t) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'cerebra-explain-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => path.join(folder, name)) as [string, string];
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc', '-days', '2'];
  execFileSync('openssl', [...request, '-subj', '/CN=127.0.0.1', '-keyout', key, '-out', cert], { stdio: 'ignore' });
  const secureContext = createSecureContext({ key: readFileSync(key), cert: readFileSync(cert) });
  const { port, text } = await failure(t, (socket) => {
    socket.write('S');
    new TLSSocket(socket, { isServer: true, secureContext }).on('error', () => undefined);
  });
  assert.equal(
    text,
    `The database at 127.0.0.1:${port}/cerebra (DATABASE_URL) shows a certificate that is not trusted: self-signed certificate. Name its authority, as sslmode=verify-full&sslrootcert=/path/ca.crt in DATABASE_URL or as a file in NODE_EXTRA_CA_CERTS`,
  );
});

test('a password that is asked for and not given is told with how to write it', async (t) => {
  // https://www.postgresql.org/docs/18/protocol-message-formats.html: AuthenticationSASL
  const mechanisms = Buffer.from('SCRAM-SHA-256\0\0');
  const sasl = Buffer.alloc(9 + mechanisms.length);
  sasl.write('R');
  sasl.writeInt32BE(8 + mechanisms.length, 1);
  sasl.writeInt32BE(10, 5);
  mechanisms.copy(sasl, 9);
  const challenge = Buffer.from(`r=,s=${Buffer.from('salt').toString('base64')},i=4096`);
  const next = Buffer.alloc(9 + challenge.length);
  next.write('R');
  next.writeInt32BE(8 + challenge.length, 1);
  next.writeInt32BE(11, 5);
  challenge.copy(next, 9);
  const ask = (socket: Socket) => {
    socket.write(sasl);
    socket.once('data', () => socket.write(next));
  };
  const { port, text } = await failure(t, ask, { password: '', more: '' });
  assert.equal(
    text,
    `The database at 127.0.0.1:${port}/cerebra (DATABASE_URL) wants a password: write it into DATABASE_URL, postgres://user:password@host/name, @ : / ? # and % in it as %40 %3A %2F %3F %23 and %25`,
  );
});

test('a file of DATABASE_URL that is not there is told by its parameter', async (t) => {
  const more = '?sslmode=verify-full&sslrootcert=/nowhere/ca.crt';
  const { text } = await failure(t, (socket) => socket.destroy(), { more });
  assert.equal(text, 'DATABASE_URL names a file with sslrootcert that cannot be read (ENOENT): /nowhere/ca.crt');
});

test('embedded PostgreSQL that ended while the database was migrated: where it says why', () => {
  const gone = new CerebraError('unavailable', 'The database is not available');
  const error = new CerebraError('internal', 'Migration 0001_store.sql failed: The database is not available', {
    cause: gone,
  });
  const log = path.resolve('/somewhere/postgres/postgres.log');
  assert.equal(
    explain(error, readConfig({ DATA_DIR: '/somewhere' })),
    `Migration 0001_store.sql failed: The database is not available: the end of ${log} tells why`,
  );
});

/** https://www.postgresql.org/docs/18/protocol-message-formats.html: ErrorResponse */
function errorResponse(state: string, message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0C${state}\0M${message}\0\0`);
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeInt32BE(4 + fields.length, 1);
  return Buffer.concat([head, fields]);
}

for (const [state, message, advice] of [
  ['28P01', 'password authentication failed', 'check user and password in DATABASE_URL, and pg_hba.conf there'],
  [
    '3D000',
    'database "cerebra" does not exist',
    "create it (CREATE DATABASE name ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0), or name another one",
  ],
  [
    '42501',
    'permission denied for schema public',
    'make the user of DATABASE_URL the owner of the database (ALTER DATABASE name OWNER TO user)',
  ],
  [
    '53300',
    'sorry, too many clients already',
    'raise max_connections there, or the limit of the user or database, or lower POOL_MAX',
  ],
  [
    '25006',
    'cannot execute CREATE TABLE in a read-only transaction',
    'name the primary server, not a standby, and a database that is not set to read-only',
  ],
  [
    '08P01',
    'unsupported startup parameter: statement_timeout',
    'name PostgreSQL itself, not a pooler such as PgBouncer: prepared statements need sessions of their own',
  ],
] as const) {
  test(`a refusal of the database is told with what to do: ${message}`, async (t) => {
    const { port, text } = await failure(t, (socket) => socket.end(errorResponse(state, message)), { more: '' });
    const told = `The database at 127.0.0.1:${port}/cerebra (DATABASE_URL) refuses: ${message}. What to do: ${advice}`;
    assert.equal(text, told);
  });
}
