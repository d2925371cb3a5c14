// Numbers of resource_seq in store, so that threads need not wait for the database.
import type { Db, Statement } from '#platform';

const BLOCK = 10_000;

const take: Statement = {
  name: 'load_numbers',
  text: `select nextval('resource_seq') as n from generate_series(1, $1::int)`,
};

/** What is left over at the end are gaps in the sequence, which it has anyway. */
export function createNumbers(db: Db): (count: number) => Promise<BigInt64Array<ArrayBuffer>> {
  let reserve: bigint[] = [];
  let last: Promise<unknown> = Promise.resolve();
  const give = async (count: number): Promise<BigInt64Array<ArrayBuffer>> => {
    if (reserve.length < count) {
      const rows = await db.query<{ n: bigint }>(take, [Math.max(BLOCK, count)]);
      reserve = [...reserve, ...rows.map((row) => row.n)];
    }
    const given = BigInt64Array.from(reserve.slice(0, count));
    reserve = reserve.slice(count);
    return given;
  };
  return (count) => {
    const answer = last.then(() => give(count));
    last = answer.catch(() => undefined);
    return answer;
  };
}
