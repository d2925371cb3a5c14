import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it, type TestContext } from 'node:test';
import type { CerebraError } from '../../errors.ts';
import { testLog, waitFor } from '../../testing/index.ts';
import { processExists } from './lock.ts';
import { supervise } from './supervise.ts';

type Launch = (onSpawn: (child: ChildProcess) => void) => Promise<ChildProcess>;

/** Something that runs until it is told to end, in place of PostgreSQL; `up` tells which have become ready. */
function standIn(): { launch: Launch; up: number[] } {
  const up: number[] = [];
  const launch: Launch = async (onSpawn) => {
    const child = spawn(process.execPath, ['-e', `process.stdout.write('up'); setInterval(() => {}, 60_000)`], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    onSpawn(child);
    await once(child.stdout!, 'data');
    up.push(child.pid!);
    return child;
  };
  return { launch, up };
}

async function supervised(t: TestContext, launch: Launch, startsMax: number) {
  const lost: CerebraError[] = [];
  // However slow the machine is: all starts are within it.
  const windowMs = 3_600_000;
  const running = await supervise({ launch, startsMax, windowMs, log: testLog(), onLost: (error) => lost.push(error) });
  t.after(() => running.stop());
  const givenUp = async () => {
    await waitFor(() => lost.length > 0, 'it to be given up');
    return lost[0]!;
  };
  return { running, lost, givenUp };
}

describe('supervise', () => {
  it('starts again what ended by itself, and gives up where that does not help', async (t) => {
    const { launch, up } = standIn();
    const { running, lost, givenUp } = await supervised(t, launch, 2);
    for (const starts of [2, 3]) {
      process.kill(running.pid, 'SIGKILL');
      await waitFor(() => up.length === starts, 'another process');
      assert.equal(running.pid, up.at(-1));
    }
    assert.equal(lost.length, 0);
    process.kill(running.pid, 'SIGKILL');
    const { code, message } = await givenUp();
    assert.equal(code, 'unavailable');
    assert.equal(message, 'Embedded PostgreSQL stays down: it ended by itself (SIGKILL)');
  });

  it('tries a failed start again, and says at last why it failed', async (t) => {
    const { launch } = standIn();
    let starts = 0;
    const failing: Launch = (onSpawn) => {
      starts++;
      return starts === 1 ? launch(onSpawn) : Promise.reject(new Error(`no space left, start ${starts}`));
    };
    const { running, givenUp } = await supervised(t, failing, 2);
    process.kill(running.pid, 'SIGKILL');
    assert.equal((await givenUp()).message, 'Embedded PostgreSQL stays down: no space left, start 3');
  });

  it('leaves ended what was stopped', async (t) => {
    const { running, lost } = await supervised(t, standIn().launch, 5);
    const { pid } = running;
    await Promise.all([running.stop(), running.stop()]);
    assert.equal(processExists(pid), false);
    assert.equal(running.pid, pid);
    assert.deepEqual(lost, []);
  });

  it('throws what the first start throws', async () => {
    const launch = () => Promise.reject(new Error('no such program'));
    await assert.rejects(supervise({ launch, log: testLog(), onLost: () => assert.fail() }), /no such program/);
  });
});
