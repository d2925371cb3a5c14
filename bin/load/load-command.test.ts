// What `cerebra load` takes and tells.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { LoadFault, LoadProgress, LoadSummary } from '#fhir-server';
import { CerebraError, isCerebraError } from '#platform';
import { stoppedText } from './loader.ts';
import { loadArguments, loadUsage } from './options.ts';
import { createProgressView } from './progress.ts';
import { createFaultTeller, faultRecord, faultText, knownText, summaryText } from './report.ts';
import { count, duration, size } from './text.ts';

describe('arguments', () => {
  test('have defaults', () => {
    const { threads, ...rest } = loadArguments(['a', 'b.ndjson'])!;
    assert.ok(threads >= 1 && threads <= 8);
    const expected = {
      names: ['a', 'b.ndjson'],
      existing: 'skip',
      validate: true,
      again: false,
      errorsFile: undefined,
    };
    assert.deepEqual(rest, expected);
  });

  test('are all taken', () => {
    const all = ['--existing', 'update', '--no-validate', '--errors', 'e', '--again', '--threads', '3', 'x'];
    assert.deepEqual(loadArguments(all), {
      ...{ names: ['x'], existing: 'update', validate: false, again: true, threads: 3, errorsFile: 'e' },
    });
    assert.equal(loadArguments(['--help', '--threads', '3']), undefined);
  });

  test('are told with every kind of file that is read, and how long one that is read at once may be', () => {
    for (const kind of ['.ndjson', '.jsonl', '.json', '.gz', '256 MiB'])
      assert.equal(loadUsage.includes(kind), true, kind);
  });

  for (const [args, text] of [
    [[], 'Which files?'],
    [['--existing', 'maybe', 'x'], '--existing maybe: allowed is skip or update'],
    [['--threads', '0', 'x'], '--threads 0: allowed is 1 to 64'],
    [['--threads', '65', 'x'], '--threads 65: allowed is 1 to 64'],
    [['--threads', 'two', 'x'], '--threads two: allowed is 1 to 64'],
    [['--nonsense', 'x'], "Unknown option '--nonsense'"],
    [['--errors'], "Option '--errors <value>' argument missing"],
  ] as const) {
    test(`are refused: ${args.join(' ')}`, () => {
      assert.throws(
        () => loadArguments([...args]),
        (error) => isCerebraError(error, 'config') && error.message.startsWith(text) && /\nUsage: /.test(error.message),
      );
    });
  }
});

test('a load that the database stopped says that the same command goes on', () => {
  assert.equal(
    stoppedText(new CerebraError('unavailable', 'The database is not available')),
    'The load stopped: The database is not available\nWhat is loaded stays: when that is mended, the same command goes on from there',
  );
  assert.equal(stoppedText(new CerebraError('config', 'a.zip: no release')), 'The load stopped: a.zip: no release');
});

const counts = (created: number, refused = 0) => ({ created, updated: 0, present: 0, refused });
const progress = (bytesDone: number, created: number, refused = 0): LoadProgress => ({
  ...{ bytesTotal: 10_000_000, bytesDone, counts: counts(created, refused), filesDone: 0 },
});

function view(isTTY: boolean) {
  const written: string[] = [];
  const clock = { ms: 0 };
  const shown = createProgressView({ isTTY, write: (text) => written.push(text) }, () => clock.ms);
  return { written, clock, shown };
}

describe('the progress', () => {
  test('is a line every five seconds where it is written to a file', () => {
    const { written, clock, shown } = view(false);
    shown.show(progress(0, 0));
    for (clock.ms = 1_000; clock.ms <= 10_000; clock.ms += 1_000) {
      shown.show(progress(clock.ms * 500, clock.ms / 2, clock.ms > 5_000 ? 3 : 0));
    }
    shown.end();
    assert.deepEqual(written, [
      '[------------------------]   0 %  0 B of 10.0 MB  0 resources  0/s\n',
      '[######------------------]  25 %  2.5 MB of 10.0 MB  2,500 resources  500/s  15 s left\n',
      '[############------------]  50 %  5.0 MB of 10.0 MB  5,003 resources  500/s  3 refused  10 s left\n',
    ]);
  });

  test('is drawn over on a terminal, below what else there is to say', () => {
    const { written, clock, shown } = view(true);
    shown.show(progress(0, 0));
    clock.ms = 50;
    shown.show(progress(1_000_000, 100));
    clock.ms = 1_000;
    shown.show(progress(5_000_000, 500));
    shown.say('a.ndjson:3: wrong');
    shown.end();
    const bar = '[############------------]  50 %  5.0 MB of 10.0 MB  500 resources  500/s  1 s left';
    assert.deepEqual(written.slice(1), [`\r\x1b[2K${bar}`, '\r\x1b[2K', 'a.ndjson:3: wrong\n', bar, '\r\x1b[2K']);
  });

  test('counts what an earlier load did as done, not as this one’s rate', () => {
    const { written, clock, shown } = view(false);
    shown.show(progress(8_000_000, 0));
    clock.ms = 5_000;
    shown.show(progress(9_000_000, 1_000));
    assert.match(written[1]!, /90 % {2}9\.0 MB of 10\.0 MB {2}1,000 resources {2}200\/s {2}5 s left/);
  });
});

const fault: LoadFault = {
  ...{ name: 'in/a.ndjson', file: 1, line: 7, resources: 1 },
  issues: [
    {
      severity: 'error',
      code: 'required',
      diagnostics: 'Patient.link[0].other: required',
      expression: ['Patient.link[0].other'],
    },
    { severity: 'error', code: 'invalid', diagnostics: 'no good', expression: ['Patient.id'] },
    { severity: 'error', code: 'invalid', diagnostics: 'third' },
    { severity: 'error', code: 'invalid', diagnostics: 'fourth' },
  ],
};

describe('what was refused', () => {
  test('is told with its place and the first reasons', () => {
    assert.equal(
      faultText(fault),
      'in/a.ndjson:7: Patient.link[0].other: required; Patient.id: no good; third; and 1 more',
    );
    const { line: _line, ...inBundle } = { ...fault, entry: 2, issues: fault.issues.slice(2, 3) };
    assert.equal(faultText(inBundle), 'in/a.ndjson entry 2: third');
  });

  test('is recorded with all reasons', () => {
    const { issues } = fault;
    assert.deepEqual(JSON.parse(faultRecord(fault)), { file: 'in/a.ndjson', line: 7, resources: 1, issues });
  });

  test('is told a hundred times, then counted', () => {
    const told: string[] = [];
    const teller = createFaultTeller((text) => told.push(text), faultText);
    for (let i = 0; i < 130; i++) teller.tell(fault);
    assert.deepEqual([told.length, teller.untold()], [100, 30]);
  });
});

test('a file that is known is told with what was refused of it', () => {
  const input = { name: 'a.ndjson', path: '/a.ndjson', bytes: 1, modified: 0n, kind: 'lines', gzip: false } as const;
  const known = (finished: boolean, refused: number): string =>
    knownText(input, { file: 1, finished, counts: counts(1_234, refused), ranges: [] });
  assert.equal(known(false, 0), 'a.ndjson: goes on after 1,234 resources');
  assert.equal(known(false, 3), 'a.ndjson: goes on after 1,234 resources, 3 refused');
  const already = 'a.ndjson: loaded already (1,234 resources, 3 refused); --again loads it from its start';
  assert.equal(known(true, 3), already);
});

test('the summary', () => {
  const summary: LoadSummary = {
    counts: { created: 1_234, updated: 1, present: 0, refused: 2 },
    types: new Map([
      ['Patient', { created: 1_000, updated: 1, present: 0, refused: 0 }],
      ['Claim', { created: 234, updated: 0, present: 0, refused: 0 }],
    ]),
    ...{ files: 3, filesKnown: 1, unreadable: 1, interrupted: true },
  };
  assert.deepEqual(summaryText(summary, 2, 5_000_000).split('\n'), [
    '         created  updated  there already',
    '-------  -------  -------  -------------',
    'Claim        234        0              0',
    'Patient    1,000        1              0',
    'all        1,234        1              0',
    '',
    '3 files, 1 of them loaded before; 1,235 resources, 5.0 MB in 2 s: 618 resources/s, 2.5 MB/s',
    '2 resources refused',
    '1 file not loaded, or not to the end',
    'It was broken off: the same command goes on from here',
  ]);
});

test('numbers as people read them', () => {
  assert.deepEqual([count(1234567), count(0.4)], ['1,234,567', '0']);
  assert.deepEqual([0, 999, 1_000, 123_456, 2.5e9].map(size), ['0 B', '999 B', '1.0 kB', '123 kB', '2.5 GB']);
  assert.deepEqual([0, 59.4, 60, 3_599, 3_600, 90_000].map(duration), [
    ...['0 s', '59 s', '1 min 00 s', '59 min 59 s', '1 h 00 min', '25 h 00 min'],
  ]);
});
