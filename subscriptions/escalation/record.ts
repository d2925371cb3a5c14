// Writes down what became of a message or a step: rows, Communications and AuditEvents in one transaction.
import type { AccessScope, Resource, ResourceWriter } from '#fhir-model';
import { CerebraError, type Db, isCerebraError, type Log, type Tx } from '#platform';
import { type Audit, auditEventOf } from '../alerts/audit.ts';
import type { ClaimedMessage, HeldMessage } from './messages.ts';
import type { ClaimedEscalation } from './state.ts';

export interface Recorder {
  db: Db;
  writer: ResourceWriter;
  scope: AccessScope;
  log: Log;
}

type Written = Resource & { id: string };

/**
 * Where the store refuses a Communication for what it says the rest is written without it: somebody was told, and must not be
 * told again and again.
 */
export async function record(
  { db, writer, scope, log }: Recorder,
  id: string,
  { communications, audits }: { communications: Written[]; audits: Audit[] },
  within: (tx: Tx) => Promise<void>,
): Promise<void> {
  const events = audits.map(auditEventOf);
  for (const resources of [[...communications, ...events], events]) {
    try {
      await writer.createIfAbsent(resources, { scope, within });
      return;
    } catch (err) {
      if (!isRefusal(err)) throw err;
      log.error(
        { err, id },
        'what became of a message is recorded without all of its resources: the store refuses one',
      );
    }
  }
  await db.tx(within);
}

const isRefusal = (err: unknown): boolean =>
  isCerebraError(err) && err.status < 500 && !isCerebraError(err, 'version-conflict');

/** Changes what is ours along with its AuditEvent; false, with nothing written, where `change` finds that it is another's. */
export async function recordOwn(
  recorder: Recorder,
  audit: Audit,
  change: (tx: Tx) => Promise<boolean>,
): Promise<boolean> {
  const within = async (tx: Tx): Promise<void> => {
    if (!(await change(tx))) throw new CerebraError('version-conflict', 'Another server has taken it over');
  };
  try {
    await record(recorder, audit.key, { communications: [], audits: [audit] }, within);
    return true;
  } catch (err) {
    if (isCerebraError(err, 'version-conflict')) return false;
    throw err;
  }
}

type Told = Pick<ClaimedMessage, 'kind' | 'channel' | 'number'> & HeldMessage;

/** A message that was sent, given up, or not needed any more. Of the last there is no Communication. */
export function messageAudit(
  kind: 'message-sent' | 'message-failed' | 'message-skipped',
  message: Told,
  atMs: number,
): Audit {
  const { id, alert, run, number, channel, recipient, facts } = message;
  return {
    ...{ kind, atMs, key: id, alert: { ...facts, id: alert } },
    to: recipient === '' ? channel : recipient,
    about: kind === 'message-skipped' ? [] : [`Communication/${id}`],
    detail: { run, step: number, channel, tells: message.kind },
  };
}

/** A step that reaches nobody, or the end of the chain. */
export const stepAudit = (
  kind: 'step-skipped' | 'chain-exhausted',
  { alert, run, steps, facts, nowMs }: ClaimedEscalation,
): Audit => {
  const step = kind === 'step-skipped' ? steps + 1 : steps;
  return {
    ...{ kind, atMs: nowMs, key: `${alert}|${run}|${step}`, alert: { ...facts, id: alert } },
    detail: { run, step },
  };
};
