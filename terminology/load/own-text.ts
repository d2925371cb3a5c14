// V8 makes a part of a string, when it has 13 characters or more, a view of the whole: a name that is kept would keep the 256 kB
// of the file that it was read with, and half a million names all of the file.

const VIEW_CHARACTERS_MIN = 13;

/** The same text, of its own: for what is kept. */
export const ownText = (text: string): string =>
  text.length < VIEW_CHARACTERS_MIN ? text : Buffer.from(text).toString();
