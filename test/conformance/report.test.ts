// The floor under the conformance suites only rises.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConformanceResult, ConformanceSuite } from '#platform/testing';
import { below, failureLines, lineOf, pageOf, raised, readFloor, type SuiteReport } from './report.ts';

const suite = (name: string): ConformanceSuite => ({
  ...{ name, title: name },
  absent: () => undefined,
  async *run() {},
});
const passed: ConformanceResult = { name: 'a', outcome: 'passed' };
const failed: ConformanceResult = { name: 'b', outcome: 'failed', why: 'differs' };
const over: ConformanceResult = { name: 'c', outcome: 'passed over', why: 'not offered' };
const report = (name: string, ...results: ConformanceResult[]): SuiteReport => ({
  suite: suite(name),
  results,
  seconds: 1,
});

test('fewer passed than before is told, more raises the floor, and it never falls', () => {
  const reports = [report('x', passed, failed), report('y', passed, passed), report('new', passed)];
  const floor = { x: 2, y: 1, z: 7 };
  assert.deepEqual(below(floor, reports), ['x: 1 passed, 2 did before']);
  assert.deepEqual(raised(floor, reports), { new: 1, x: 2, y: 2, z: 7 });
});

test('a suite that did not run neither falls nor rises', () => {
  const absent: SuiteReport = { ...report('x'), absent: 'no corpus' };
  assert.deepEqual(below({ x: 2 }, [absent]), []);
  assert.deepEqual(raised({ x: 2 }, [absent]), { x: 2 });
  assert.match(lineOf(absent), /^x +not run: no corpus$/);
});

test('what was passed over counts for nothing, and is told', () => {
  const mixed = report('x', passed, failed, over);
  assert.match(lineOf(mixed), /^x +1\/2 {2}50\.0 %, 1 passed over {2}1\.0 s$/);
  assert.deepEqual(failureLines(mixed), ['    b: differs']);
});

test('the page keeps what it said of a suite that did not run', () => {
  const whole = pageOf([report('x', passed, failed), report('y', over), report('z', failed)], '');
  const absent: SuiteReport = { ...report('y'), absent: 'no corpus' };
  const next = pageOf([report('x', passed), absent, report('z', failed)], whole);
  assert.match(next, /^\| x \| `x` \| 1\/1 \| 100\.0 % \| {2}\|$/m);
  assert.equal(next.includes('## x'), false);
  assert.match(next, /^\| y \| `y` \| 0\/0 \| – \| 1 \|$/m);
  assert.match(
    next,
    /## y\n\nPassed over, 1: not offered\.\n\n## z\n\n\| case \| why \|\n\|---\|---\|\n\| b \| differs \|\n$/,
  );
  assert.equal(pageOf([report('x', passed), absent, { ...report('z'), absent: 'no corpus' }], next), next);
});

test('the floor in the project is one', () => {
  const floor = readFloor();
  assert.ok(Object.keys(floor).length > 0);
  for (const [name, least] of Object.entries(floor)) assert.ok(Number.isInteger(least) && least >= 0, name);
});
