// Escape sequences: HL7 v2.9 chapter 2.7

export interface Delimiters {
  field: string;
  component: string;
  repetition: string;
  /** '' when the message defines none: then nothing is escaped. */
  escape: string;
  subcomponent: string;
  /** '' before v2.7. */
  truncation: string;
}

export const standardDelimiters: Delimiters = {
  field: '|',
  component: '^',
  repetition: '~',
  escape: '\\',
  subcomponent: '&',
  truncation: '',
};

/**
 * Resolves \F\ \S\ \T\ \R\ \E\ \P\ \Xhh…\ and \.br\ (line feed); any other sequence stays as it is. `decode` turns the
 * bytes of \X…\ (one character a byte) into text.
 */
export function unescapeText(text: string, delimiters: Delimiters, decode: (bytes: string) => string): string {
  const mark = delimiters.escape;
  if (mark === '' || !text.includes(mark)) return text;
  let result = '';
  let position = 0;
  for (;;) {
    const start = text.indexOf(mark, position);
    const end = start < 0 ? -1 : text.indexOf(mark, start + 1);
    if (end < 0) return result + text.slice(position);
    const plain = resolve(text.slice(start + 1, end), delimiters, decode);
    // An unknown sequence stays, and its closing mark may be the opening one of the next: `a\b\F\c`.
    result += text.slice(position, start) + (plain ?? text.slice(start, end));
    position = plain === undefined ? end : end + 1;
  }
}

function resolve(sequence: string, delimiters: Delimiters, decode: (bytes: string) => string): string | undefined {
  switch (sequence) {
    case 'F':
      return delimiters.field;
    case 'S':
      return delimiters.component;
    case 'T':
      return delimiters.subcomponent;
    case 'R':
      return delimiters.repetition;
    case 'E':
      return delimiters.escape;
    case 'P':
      return delimiters.truncation || undefined;
    case '.br':
      return '\n';
    default:
      return /^X(?:[0-9A-Fa-f]{2})+$/.test(sequence)
        ? decode(Buffer.from(sequence.slice(1), 'hex').toString('latin1'))
        : undefined;
  }
}

/** The opposite, for text that goes into a field. Line breaks become \.br\. */
export function escapeText(text: string, delimiters: Delimiters): string {
  const mark = delimiters.escape;
  const names = new Map([
    [delimiters.field, 'F'],
    [delimiters.component, 'S'],
    [delimiters.subcomponent, 'T'],
    [delimiters.repetition, 'R'],
    [mark, 'E'],
  ]);
  let result = '';
  for (const character of text.replaceAll('\r\n', '\n')) {
    if (character === '\r' || character === '\n') result += mark === '' ? ' ' : `${mark}.br${mark}`;
    else {
      const name = names.get(character);
      if (name === undefined) result += character;
      else result += mark === '' ? ' ' : mark + name + mark;
    }
  }
  return result;
}
