// A gate in the database: whoever changes a row that meets a condition stands there, in the midst of its transaction, while it is
// shut. What is killed then is killed in the midst of its work, however fast it is.
import type { Db } from '#platform';
import { waitFor } from '#platform/testing';

const name = 'at the gate';
const standing = `from pg_stat_activity where datname = current_database() and application_name = '${name}'`;

const stands = async (db: Db): Promise<boolean> => (await db.query({ text: `select 1 ${standing}` })).length > 0;

/** Of updates of the table that meet `when`. It stays shut when the database is started again. */
export async function shutGate(db: Db, table: string, when: string): Promise<void> {
  const text = `create table if not exists shut_gate (is_shut boolean);
    insert into shut_gate values (true);
    create or replace function stand_at_gate() returns trigger language plpgsql as $$ begin
      perform set_config('application_name', '${name}', true);
      while exists (select from shut_gate) loop perform pg_sleep(0.02); end loop;
      return new;
    end $$;
    create or replace trigger gate before update on ${table} for each row when (${when}) execute function stand_at_gate()`;
  await db.query({ text });
}

export const gateReached = (db: Db): Promise<unknown> => waitFor(() => stands(db), 'somebody to stand at the gate');

/** Those who stand there have been killed: PostgreSQL would learn of it only when it answers them. */
export const endThoseAtGate = (db: Db): Promise<unknown> =>
  waitFor(async () => {
    await db.query({ text: `select pg_terminate_backend(pid) ${standing}` });
    return !(await stands(db));
  }, 'nobody to stand at the gate');

/** Whoever stands there goes on. */
export const openGate = (db: Db): Promise<unknown> => db.query({ text: 'delete from shut_gate' });
