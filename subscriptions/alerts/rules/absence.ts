// A reading that did not come by its time: found when the time is over, or by the first change that is stored after it,
// whichever is looked at first. What is found is the same.
import { type JsonObject, parseJson, type Resource, type VersionKey } from '#fhir-model';
import { isCerebraError } from '#platform';
import type { EvaluationPorts } from './evaluate.ts';
import { encounterOf, type Found, type Happening } from './happening.ts';
import type { SubjectMemory, Watch } from './memory.ts';
import { type Lookups, runQueries } from './query.ts';
import type { Rule } from './rule.ts';

export interface Missed {
  subject: string;
  /** `Observation/1` */
  source: string;
  seenMs: number;
  dueMs: number;
  /** The last reading, where it is still there. */
  resource: Resource | undefined;
}

/**
 * What is found when a reading did not come; undefined where by the rule's conditions, or since the patient's record was merged
 * into another one or deleted, nobody waits for it any more. Throws
 * CerebraError `invalid` for a condition that can't be evaluated on the last reading, others as the reader does.
 */
export async function missedFound(
  rule: Rule,
  missed: Missed,
  lookups: Pick<Lookups, 'search' | 'isGone'>,
): Promise<Found | undefined> {
  const { resource, subject } = missed;
  if (await lookups.isGone(subject)) return undefined;
  if (resource) {
    const variables = { resource, previous: undefined, ...(await runQueries(rule, { resource }, lookups)) };
    const { conditions } = rule.actions[0]!;
    if (!conditions.every((one) => one.holds(resource as JsonObject, variables) === true)) return undefined;
  }
  return absenceFound(rule, missed);
}

function absenceFound(rule: Rule, { subject, source, seenMs, dueMs, resource }: Missed): Found {
  const { title, severity, code } = rule.actions[0]!;
  const encounter = resource && encounterOf(resource);
  const suppressed = resource !== undefined && rule.suppress?.holds(resource as JsonObject, { resource }) === true;
  return {
    ...{ rule: rule.id, subject, key: '', state: 'raised', severity, title, evidence: [source], source },
    ...(code ? { code } : {}),
    ...(encounter === undefined ? {} : { encounter }),
    detail: `nothing since ${new Date(seenMs).toISOString()}`,
    // The next reading ends it, also one that was measured before the time ran out.
    ...{ atMs: seenMs, instantMs: dueMs },
    ...(rule.escalation === undefined ? {} : { escalation: rule.escalation }),
    ...(suppressed ? { suppressed } : {}),
  };
}

/** When the reading is missed; undefined once it was. A window that was made longer meanwhile counts at once. */
export const dueOf = ({ windowMs }: Rule, { seenMs, dueMs }: Pick<Watch, 'seenMs' | 'dueMs'>): number | undefined =>
  dueMs === null ? undefined : Math.max(dueMs, seenMs + windowMs);

/** The version that a reference such as `Observation/1` had. */
export function versionOf(reference: string, version: number): VersionKey {
  const [type = '', id = ''] = reference.split('/');
  return { type, id, version };
}

/**
 * What this change shows to have been missed: it was stored when the time was over already. It does not depend on whether
 * the time was looked at before. `memory` is changed. Throws CerebraError as the reader does.
 */
export async function missedBefore(
  rule: Rule,
  happening: Happening,
  of: { subject: string; memory: SubjectMemory },
  ports: EvaluationPorts,
): Promise<Found[]> {
  const { subject, memory } = of;
  const watch = memory.watch();
  const dueMs = watch && dueOf(rule, watch);
  if (!watch || dueMs === undefined || dueMs > happening.updatedMs) return [];
  const { seenMs, resource: source } = watch;
  memory.setWatch({ ...watch, dueMs: null });
  try {
    const missed: Missed = { subject, source, seenMs, dueMs, resource: await lastReading(watch, ports) };
    const found = await missedFound(rule, missed, ports.lookups);
    if (!found) memory.setWatch(undefined);
    // Just before the change: should it be judged again after a crash, it has been settled.
    const { xid, seq } = happening;
    return found ? [{ ...found, position: { xid, seq: seq - 1n } }] : [];
  } catch (err) {
    if (!isCerebraError(err) || err.status >= 500) throw err;
    ports.log.error({ err, rule: rule.id }, 'a missing reading could not be judged');
    return [];
  }
}

async function lastReading({ resource, version }: Watch, { earlier }: EvaluationPorts): Promise<Resource | undefined> {
  const [body] = await earlier.feed.bodies(earlier.db, [versionOf(resource, version)]);
  return body ? (parseJson(body).exact as Resource) : undefined;
}
