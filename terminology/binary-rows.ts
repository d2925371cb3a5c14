// Rows of integers in COPY's binary format: https://www.postgresql.org/docs/current/sql-copy.html (Binary Format). Neither
// side has to write or read digits: with arrays of ancestors and millions of pairs that is most of what text takes.

export interface BinaryRows {
  /** A row begins, of so many columns. */
  row(columns: number): void;
  int(value: number): void;
  ints(values: readonly number[]): void;
  readonly length: number;
  /** What was written, as one whole COPY. */
  take(): Uint8Array<ArrayBuffer>;
  /** Begins anew in the same buffer. */
  clear(): void;
}

const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');
/** Behind the signature: flags, and the length of what else the header has. */
const HEADER_BYTES = SIGNATURE.length + 8;
const FIRST_BYTES = 64 * 1024;
const INT4_BYTES = 4;
/** https://www.postgresql.org/docs/current/catalog-pg-type.html */
const INT4_TYPE = 23;

export function createBinaryRows(): BinaryRows {
  let bytes = new Uint8Array(FIRST_BYTES);
  let view = new DataView(bytes.buffer);
  let length = HEADER_BYTES;
  bytes.set(SIGNATURE);
  const room = (more: number): void => {
    if (length + more <= bytes.length) return;
    const larger = new Uint8Array(Math.max(bytes.length * 2, length + more));
    larger.set(bytes);
    bytes = larger;
    view = new DataView(bytes.buffer);
  };
  const short = (value: number): void => {
    room(2);
    view.setInt16(length, value);
    length += 2;
  };
  const long = (value: number): void => {
    view.setInt32(length, value);
    length += 4;
  };
  return {
    row: short,
    int(value) {
      room(8);
      long(INT4_BYTES);
      long(value);
    },
    ints(values) {
      const { length: count } = values;
      // Dimensions (none of an array without elements), whether some are null, the type; length and first index; elements.
      const size = count === 0 ? 12 : 20 + 8 * count;
      room(4 + size);
      for (const each of [size, count === 0 ? 0 : 1, 0, INT4_TYPE]) long(each);
      if (count === 0) return;
      long(count);
      long(1);
      for (let i = 0; i < count; i++) {
        long(INT4_BYTES);
        long(values[i]!);
      }
    },
    get length() {
      return length;
    },
    take() {
      short(-1);
      length -= 2;
      return bytes.slice(0, length + 2);
    },
    clear() {
      length = HEADER_BYTES;
    },
  };
}
