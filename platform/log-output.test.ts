import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync } from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { createLogOutput, type LogDescriptor } from './log-output.ts';
import { waitFor } from './testing/index.ts';

const fault = (code: string) => Object.assign(new Error(code), { code });

/** A file that takes nothing while `refusal` is set, and else as many bytes at a time as it is told. */
function file(bytesAtOnce = Number.POSITIVE_INFINITY) {
  const parts: Buffer[] = [];
  const state = {
    calls: 0,
    refusal: undefined as string | undefined,
    get written() {
      return Buffer.concat(parts).toString();
    },
  };
  const take = (bytes: Buffer): number => {
    state.calls++;
    if (state.refusal) throw fault(state.refusal);
    const part = bytes.subarray(0, bytesAtOnce);
    parts.push(Buffer.from(part));
    return part.length;
  };
  const descriptor: LogDescriptor = {
    writeSync: take,
    write: (bytes, done) => {
      setImmediate(() => {
        let written: number;
        try {
          written = take(bytes);
        } catch (error) {
          return done(error as Error, 0);
        }
        done(null, written);
      });
    },
  };
  return { state, descriptor };
}

const lostLine = (lost: number) => `${lost} lost\n`;

describe('log output', () => {
  it('writes all in order, however little is taken at a time', async () => {
    const { state, descriptor } = file(3);
    const output = createLogOutput({ lostLine, descriptor });
    for (const line of ['one\n', 'zwö\n', 'three\n']) output.write(line);
    await waitFor(() => state.written.endsWith('three\n'), 'the last line');
    assert.equal(
      Buffer.from(state.written).toString().replaceAll('\ufffd', ''),
      state.written.replaceAll('\ufffd', ''),
    );
    assert.match(state.written, /^one\nzw.*\nthree\n$/);
  });

  it('keeps what a full disk does not take, up to its limit, and tells what was lost', async () => {
    const { state, descriptor } = file();
    const output = createLogOutput({ lostLine, descriptor, keptBytesMax: 8 });
    state.refusal = 'ENOSPC';
    for (const line of ['one\n', 'two\n', 'three\n', 'four\n']) output.write(line);
    await waitFor(() => state.calls > 1, 'another attempt');
    assert.equal(state.written, '');
    state.refusal = undefined;
    await waitFor(() => state.written.includes('lost'), 'what was lost');
    output.write('five\n');
    await waitFor(() => state.written.endsWith('five\n'), 'the next record');
    assert.equal(state.written, 'one\ntwo\n2 lost\nfive\n');
  });

  it('leaves off where nobody reads any more', async () => {
    const { state, descriptor } = file();
    const output = createLogOutput({ lostLine, descriptor });
    state.refusal = 'EPIPE';
    output.write('one\n');
    await waitFor(() => state.calls === 1, 'the attempt');
    state.refusal = undefined;
    output.write('two\n');
    output.flushSync();
    assert.deepEqual([state.written, state.calls], ['', 1]);
  });

  it('at the end writes what waits, once, or gives it up', () => {
    const { state, descriptor } = file(3);
    const output = createLogOutput({ lostLine, descriptor: { ...descriptor, write: () => undefined } });
    output.write('under way\n');
    output.write('waits\n');
    state.refusal = 'ENOSPC';
    output.flushSync();
    assert.deepEqual([state.written, state.calls], ['', 1]);
    state.refusal = undefined;
    output.flushSync();
    output.flushSync();
    assert.equal(state.written, 'waits\n');
  });
});

/** How a process ends whose standard output is on a full disk, and what else it says. */
async function onFullDisk(script: string): Promise<[code: number, told: string]> {
  const from = (name: string) => JSON.stringify(path.join(import.meta.dirname, name));
  const head = `import { createLog } from ${from('log.ts')}; import { endOnUncaught } from ${from('lifecycle.ts')};
    const log = createLog({ level: 'info' }); endOnUncaught(log);`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', head + script], {
    stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'],
  });
  const [[code], told] = await Promise.all([once(child, 'close'), text(child.stderr!)]);
  return [code as number, told];
}

describe('a process whose log is on a full disk', { skip: !existsSync('/dev/full') && 'there is no /dev/full' }, () => {
  it('goes on, and ends when it is told to', async () => {
    const script = `import { write } from 'node:fs';
      for (let i = 0; i < 3; i++) { log.info('x'); await new Promise((end) => write(1, 'x', end)); }
      console.error('alive'); process.exit(0);`;
    assert.deepEqual(await onFullDisk(script), [0, 'alive\n']);
  });
  it('ends for an error that nobody caught', async () => {
    assert.deepEqual(await onFullDisk(`log.info('x'); setImmediate(() => { throw new Error('y'); });`), [1, '']);
  });
});

describe('a process whose log goes to a reader that stands still', () => {
  it('ends when it is told to', async (t) => {
    const from = JSON.stringify(path.join(import.meta.dirname, 'log.ts'));
    // Ten times what a pipe holds. Turns of the event loop are left to the writing.
    const script = `import { createLog } from ${from}; const log = createLog({ level: 'info' });
      for (let i = 0; i < 2_000; i++) { log.info('x'.repeat(300)); await new Promise((turn) => setImmediate(turn)); }
      process.exit(0);`;
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => child.kill('SIGKILL'));
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });
});
