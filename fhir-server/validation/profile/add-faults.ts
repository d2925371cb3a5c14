// What the pure rules find, as issues of a run.
import type { Fault } from '../rules/fault.ts';
import { addIssue, type Run } from './run.ts';

export function addFaults(run: Run, faults: readonly Fault[]): void {
  for (const { severity, code, expression: path, message, id } of faults) {
    addIssue(run, { severity, code, diagnostics: `${path}: ${message}`, expression: [path], messageId: id });
  }
}
