// The command line itself: help does nothing but help, and what is not understood is refused before anything is done.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import packageJson from '../package.json' with { type: 'json' };
import { commands } from './commands.ts';

/** Runs it where the embedded database would come into a folder that is not there yet. */
function cerebra(t: TestContext, ...args: string[]): { status: number | null; output: string; left: string[] } {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'cerebra-commands-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const { DATABASE_URL, ...environment } = process.env;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [path.join(import.meta.dirname, 'cerebra.ts'), ...args],
    {
      cwd: folder,
      env: { ...environment, DATA_DIR: path.join(folder, 'data'), LOG_LEVEL: 'silent' },
      encoding: 'utf8',
    },
  );
  return { status, output: stdout + stderr, left: readdirSync(folder) };
}

for (const { name } of commands) {
  test(`${name} --help tells how it is used, and does nothing`, (t) => {
    const { status, output, left } = cerebra(t, name, '--help');
    assert.equal(output.startsWith(`Usage: cerebra ${name}`), true, output);
    assert.equal(output.split('Usage:').length, 2, output);
    assert.equal(status, 0);
    assert.deepEqual(left, []);
  });
}

test('a command that takes nothing refuses what follows it', (t) => {
  for (const name of ['migrate', 'docs']) {
    assert.deepEqual(cerebra(t, name, '--dry-run'), {
      status: 1,
      output: `'--dry-run' is not understood: this command takes only --help\n`,
      left: [],
    });
  }
});

test('--version tells that of the server, of FHIR and of Node', (t) => {
  assert.deepEqual(cerebra(t, '--version'), {
    status: 0,
    output: `Cerebra ${packageJson.version}, FHIR R4 (4.0.1), Node ${process.versions.node}\n`,
    left: [],
  });
});

test('without a command, and with one that there is not, the commands are listed', (t) => {
  const help = cerebra(t);
  assert.equal(help.status, 0);
  for (const { name, summary } of commands)
    assert.match(help.output, new RegExp(`^ +${name} +${RegExp.escape(summary)}$`, 'm'));
  assert.deepEqual(cerebra(t, 'halt'), {
    status: 2,
    output: `There is no command 'halt'.\n\n${help.output}`,
    left: [],
  });
});
