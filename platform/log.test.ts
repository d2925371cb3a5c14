import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CerebraError } from './errors.ts';
import { createLog } from './log.ts';

interface LogRecord {
  time: string;
  err: { message?: string; code?: string; stack?: string; type?: string; cause?: { message: string } };
}

function capture(options: { level?: string; pretty?: boolean } = {}) {
  const lines: string[] = [];
  const log = createLog({ level: 'info', ...options, destination: { write: (line) => void lines.push(line) } });
  return { log, lines, last: () => JSON.parse(lines.at(-1)!) as LogRecord };
}

describe('log', () => {
  it('writes JSON with level, time and the child’s request id', () => {
    const { log, last } = capture();
    log.child({ requestId: 'r1' }).info({ status: 200 }, 'done');
    const { time, ...record } = last();
    assert.deepEqual(record, { level: 'info', requestId: 'r1', status: 200, msg: 'done' });
    assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  it('leaves out what is below its level', () => {
    const { log, lines } = capture();
    log.debug('x');
    assert.deepEqual(lines, []);
  });

  it('never shows fields that hold personal data', () => {
    const { log, lines } = capture();
    const resource = { resourceType: 'Patient', name: [{ family: 'Testfamily' }] };
    log.info(
      {
        resource,
        body: 'Testfamily',
        message: 'PID|1||Testfamily',
        change: { body: 'Testfamily', patient: 'Testfamily' },
      },
      'x',
    );
    assert.doesNotMatch(lines.join(), /Testfamily/);
    assert.match(lines.join(), /"resource":"\[PHI\]"/);
  });

  it('logs an error with its cause', () => {
    const { log, last } = capture();
    log.error({ err: new CerebraError('unavailable', 'no database', { cause: new Error('ECONNREFUSED') }) }, 'failed');
    const { err } = last();
    assert.equal(err.message, 'no database');
    assert.equal(err.code, 'unavailable');
    assert.equal(err.cause?.message, 'ECONNREFUSED');
    assert.match(err.stack ?? '', /^ {4}at /);
  });

  it('keeps quoted input out of errors', () => {
    const { log, lines } = capture();
    const quoting = [
      Object.assign(new Error('invalid input syntax for type date: "Testfamily"'), { code: '22007' }),
      Object.assign(new Error('duplicate key'), { code: '23505', detail: 'Key (name)=(Testfamily) exists' }),
      new CerebraError('invalid-parameter', 'Testfamily is no date'),
      new Error('outer', { cause: new SyntaxError('Unexpected token T, "Testfamily" is not valid JSON') }),
    ];
    for (const err of quoting) log.error({ err }, 'failed');
    assert.equal(lines.length, 4);
    assert.doesNotMatch(lines.join(), /Testfamily/);
  });

  it('logs what is thrown and is no error by its type only', () => {
    const { log, last } = capture();
    log.error({ err: 'Testfamily' }, 'x');
    assert.deepEqual(last().err, { type: 'string' });
  });

  it('can be readable', () => {
    const { log, lines } = capture({ pretty: true });
    log.warn({ part: 'mllp', count: 2 }, 'slow');
    assert.match(lines[0]!, /^\d\d:\d\d:\d\d\.\d{3} warn {2}slow part=mllp count=2\n$/);
    log.error({ err: new Error('broken') }, 'x');
    assert.match(lines[1]!, /error x\n {4}Error: broken\n {4}at /);
    const forged = 'a\n12:00:00.000 info  all is well\u001b[2J';
    log.info({ sender: forged }, forged);
    const shown = 'a\\u000a12:00:00.000 info  all is well\\u001b[2J';
    assert.equal(lines[2]!.slice(13), `info  ${shown} sender=${shown}\n`);
    log.error({ err: new Error(forged) }, 'x');
    assert.match(lines[3]!, /error x\n {4}Error: a\n {4}12:00:00\.000 info {2}all is well\\u001b\[2J\n {4}at /);
    log.error({ err: 'no error' }, 'x');
    assert.equal(lines[4]!.slice(13), 'error x\n    string: \n');
  });
});
