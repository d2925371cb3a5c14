// Alerts as operators list them: pages by (raised, id), the latest first.
import { CerebraError, type Queryable } from '#platform';
import { rankOf, severities } from '../rules/rule.ts';
import type { Severity } from '../seams.ts';
import type { AlertRow } from './row.ts';
import { columns, rowOf, type StoredRow } from './rows.ts';

export interface AlertFilter {
  /** `open`: active or acknowledged. */
  status?: string | undefined;
  subject?: string | undefined;
  rule?: string | undefined;
  /** Of that severity or above. */
  severity?: string | undefined;
  /** `next` of the page before. */
  after?: string | undefined;
  limit: number;
}

const open = ['active', 'acknowledged'];

// Only the conditions that were asked for: a text for each combination, so that the planner sees which index serves it.
export async function listAlerts(db: Queryable, filter: AlertFilter): Promise<{ rows: AlertRow[]; next?: string }> {
  const values: unknown[] = [];
  const conditions: string[] = [];
  const add = (condition: (place: string) => string, value: unknown) => {
    if (value === undefined) return;
    values.push(value);
    conditions.push(condition(`$${values.length}`));
  };
  const { status, severity, subject, rule, after, limit } = filter;
  add((place) => `status = any (${place})`, status === undefined ? undefined : status === 'open' ? open : [status]);
  add((place) => `subject = ${place}`, subject);
  add((place) => `rule = ${place}`, rule);
  add((place) => `severity = any (${place})`, severity && severities.slice(rankOf(severity as Severity)));
  if (after !== undefined) {
    const [ms, id] = cursorOf(after);
    values.push(ms, id);
    conditions.push(`(raised_at, id) < (to_timestamp($${values.length - 1}::float8 / 1000), $${values.length})`);
  }
  values.push(limit + 1);
  const where = conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`;
  const query = `select ${columns} from alert ${where} order by raised_at desc, id desc limit $${values.length}`;
  const rows = (await db.query<StoredRow>({ text: query }, values)).map(rowOf);
  const last = rows[limit - 1];
  return rows.length > limit && last ? { rows: rows.slice(0, limit), next: `${last.raisedMs}_${last.id}` } : { rows };
}

function cursorOf(after: string): [number, string] {
  const found = /^(\d{1,15})_([0-9a-f-]{36})$/.exec(after);
  if (found) return [Number(found[1]), found[2]!];
  throw new CerebraError('invalid-parameter', 'after must be `next` of the page before', { expression: ['after'] });
}
