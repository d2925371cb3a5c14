// `node bench/hl7/validate.ts [--seconds 3] [--profile a.xml]`: messages a second that are read and checked, in one process:
// ORU^R01 of 2 kB by the tables of 2.5.1 (strict), and by a conformance profile. docs/hl7.md has the numbers.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { compileProfile, loadStandardValidator, parseMessage } from '#hl7-engine';
import { messages } from './tokenise.ts';

export interface Measured {
  messages: number;
  /** Of one message, on average. */
  bytes: number;
  messagesPerSecond: number;
  /** Of this thread's CPU time: what a machine with nothing else to do would make. */
  messagesPerCpuSecond: number;
  /** By all of them; what a profile finds says nothing of its speed, that it finds nothing at all might. */
  findings: number;
}

type Check = (raw: Buffer) => number;

/** The first fifth warms up and is not counted. */
export function run(check: Check, seconds: number): Measured {
  const raws = messages();
  const bytes = Math.round(raws.reduce((sum, raw) => sum + raw.length, 0) / raws.length);
  rounds(raws, check, seconds * 200);
  const startedMs = performance.now();
  const startedCpu = process.threadCpuUsage();
  const { count, findings } = rounds(raws, check, seconds * 1000);
  const messagesPerSecond = Math.round((count / (performance.now() - startedMs)) * 1000);
  const { user, system } = process.threadCpuUsage(startedCpu);
  const messagesPerCpuSecond = Math.round((count / (user + system)) * 1e6);
  return { messages: count, bytes, messagesPerSecond, messagesPerCpuSecond, findings };
}

function rounds(raws: readonly Buffer[], check: Check, forMs: number): { count: number; findings: number } {
  const untilMs = performance.now() + forMs;
  let count = 0;
  let findings = 0;
  for (; performance.now() < untilMs; count += raws.length) for (const raw of raws) findings += check(raw);
  return { count, findings };
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { seconds: { type: 'string', default: '3' }, profile: { type: 'string' } } });
  const seconds = Number(values.seconds);
  const tell = (name: string, check: Check): void => {
    const { messagesPerSecond, messagesPerCpuSecond, bytes, findings, messages: count } = run(check, seconds);
    const each = (findings / count).toFixed(1);
    console.log(
      `${name}: ${messagesPerSecond} messages/s of ${bytes} bytes, ${messagesPerCpuSecond} per CPU second, ${each} findings each`,
    );
  };
  const standard = await loadStandardValidator();
  tell('strict', (raw) => standard.check(parseMessage(raw)).length);
  if (values.profile !== undefined) {
    const profile = compileProfile([readFileSync(values.profile, 'utf8')]);
    tell(`profile ${profile.title}`, (raw) => profile.check(parseMessage(raw)).length);
  }
}
