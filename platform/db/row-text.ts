// Rows in COPY's text format: https://www.postgresql.org/docs/current/sql-copy.html (Text Format)

const special = /[\\\n\r\t]/;
const escapes: Record<string, string> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** A column's text; null is `\N`. */
export function field(value: unknown): string {
  if (value === null) return '\\N';
  if (typeof value !== 'string') return String(value);
  return special.test(value) ? value.replace(/[\\\n\r\t]/g, (character) => escapes[character]!) : value;
}

/** JSON text holds no raw control characters, only backslashes. */
export const jsonField = (json: string): string => (json.includes('\\') ? json.replaceAll('\\', '\\\\') : json);

export interface RowText {
  write(text: string): void;
  readonly length: number;
  /** What was written, as UTF-8 in a buffer of its own. */
  take(): Uint8Array<ArrayBuffer>;
  /** Begins anew in the same buffer. */
  clear(): void;
}

const FIRST_BYTES = 64 * 1024;

export function createRowText(): RowText {
  let buffer = Buffer.from(new ArrayBuffer(FIRST_BYTES));
  let length = 0;
  return {
    write(text) {
      // A UTF-16 unit has three bytes of UTF-8 at most.
      if (length + text.length * 3 > buffer.length) {
        const larger = Buffer.from(new ArrayBuffer(Math.max(buffer.length * 2, length + text.length * 3)));
        buffer.copy(larger, 0, 0, length);
        buffer = larger;
      }
      length += buffer.write(text, length, 'utf8');
    },
    get length() {
      return length;
    },
    take: () => new Uint8Array(buffer.buffer.slice(0, length)),
    clear() {
      length = 0;
    },
  };
}
