// Jobs for now and then: old delivery records, change rows that every consumer has passed, left-overs of code systems.
import { pruneDeviceDeadLetters } from '#connectors/mqtt';
import type { ResourceReader } from '#fhir-model';
import { removeOldMessages, removeOldNotes } from '#hl7-engine';
import type { Config, Db, Jobs, Log } from '#platform';
import { changeFloor, forgetOldMemory, pruneDeadLetters, pruneDeliveries, pruneEscalations } from '#subscriptions';
import { clearUp } from '#terminology';
import { everything } from './fhir.ts';

const DAY_MS = 24 * 3_600_000;
const INTERVAL_MS = 10 * 60_000;
/** So that no transaction is long: the horizon of the change stream is the oldest running write. */
const BATCH_ROWS = 10_000;

// Only the oldest are looked at: to find that none of a million is old enough took 500 ms, every ten minutes, now 5. By
// their places, since a join with the table may read all of it. Nobody updates them.
const pruneChanges = {
  name: 'prune_changes',
  text: `delete from change where ctid = any (array(
    select c.ctid from (select ctid, updated from change where (xid, seq) < ($1::xid8, $2::bigint) order by xid, seq limit $4) c
    where c.updated < now() - $3 * interval '1 millisecond'))`,
};

/** Deletes change rows below all cursors and older than `keepMs`, in batches. */
export async function forgetChanges(db: Db, keepMs: number): Promise<number> {
  const floor = await changeFloor(db);
  if (!floor) return 0;
  for (let total = 0; ; ) {
    const rows = await db.queryCount(pruneChanges, [floor.xid, floor.seq, keepMs, BATCH_ROWS]);
    total += rows;
    if (rows < BATCH_ROWS) return total;
  }
}

/** Whether the CodeSystem is stored in that version: what the tables have of another one is of no use. */
const isCurrent =
  (reader: ResourceReader) =>
  async (id: string, version: number): Promise<boolean> => {
    const stored = await reader.read('CodeSystem', id, everything);
    return stored?.version === version && !stored.deleted;
  };

export interface MaintenanceParts {
  db: Db;
  config: Config;
  log: Log;
  reader: ResourceReader;
}

export function defineMaintenance(jobs: Jobs, { db, config, log, reader }: MaintenanceParts): void {
  const keepMs = config.DELIVERY_RETENTION_DAYS * DAY_MS;
  jobs.define('maintenance', async () => {
    const deliveries = await pruneDeliveries(db, { keepMs });
    const escalations = await pruneEscalations(db, config.ALERT_HISTORY_DAYS * DAY_MS);
    const changes = await forgetChanges(db, keepMs);
    const codeSystems = await clearUp(db, isCurrent(reader));
    if (deliveries + changes + codeSystems + escalations > 0)
      log.info({ deliveries, changes, codeSystems, escalations }, 'old records removed');
  });
  jobs.define('retention', () => removeOld({ db, config, log }));
  jobs.define('hl7-retention', async () => {
    const { HL7_JOURNAL_DAYS: done, HL7_JOURNAL_FILTERED_DAYS: filtered, HL7_JOURNAL_FAILED_DAYS: failed } = config;
    const removed = await removeOldMessages(db, { done, filtered, failed }, Date.now());
    const notes = await removeOldNotes(db, done, Date.now());
    log.info({ removed, notes }, 'old HL7 messages removed from the journal');
  });
}

/** What is kept for months: once a day is often enough. 0 days of dead letters: they wait for a person, however long. */
export async function removeOld({ db, config, log }: Omit<MaintenanceParts, 'reader'>): Promise<void> {
  const { DEAD_LETTER_DAYS: untold, DEVICE_DEAD_LETTER_DAYS: device } = config;
  const { failed, owed } =
    untold > 0 ? await pruneDeadLetters(db, { keepMs: untold * DAY_MS }) : { failed: 0, owed: 0 };
  const deviceMessages = device > 0 ? await pruneDeviceDeadLetters(db, Date.now() - device * DAY_MS) : 0;
  const remembered = await forgetOldMemory(db, config.ALERT_MEMORY_DAYS * DAY_MS);
  if (failed + deviceMessages + remembered > 0) log.info({ failed, deviceMessages, remembered }, 'old records removed');
  if (owed > 0)
    log.warn({ owed }, 'events that Subscriptions in error were not told are no longer kept (DEAD_LETTER_DAYS)');
}

export async function scheduleMaintenance(jobs: Jobs): Promise<void> {
  await Promise.all([
    jobs.every('maintenance', INTERVAL_MS),
    ...['retention', 'hl7-retention'].map((name) => jobs.every(name, DAY_MS)),
  ]);
}
