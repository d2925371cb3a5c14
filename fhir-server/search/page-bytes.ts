// A page ends after 32 MB of bodies, see pageBody(). Adding up their lengths takes PostgreSQL 30 to 40 µs for 20 rows, a
// quarter of the whole: so first each body is only compared with its share of the page, and it is added up when one is
// larger.
import { PAGE_BYTES_MAX, pageBody } from '../store/sql.ts';

/** Few, since the share stands in the text of prepared statements. */
const ROWS = [32, 128, 1024];

const share = (limit: number): number => Math.floor(PAGE_BYTES_MAX / (ROWS.find((rows) => limit <= rows) ?? limit));

/** `body` of `row`, null where it is not to be had this way: larger than its share, or (when weighed) beyond the page. */
export const bodyOf = (asked: { limit: number; weighed?: boolean }, row: string, order: string): string =>
  asked.weighed
    ? pageBody(row, order)
    : `case when octet_length(${row}.body) <= ${share(asked.limit)} then ${row}.body end as body`;
