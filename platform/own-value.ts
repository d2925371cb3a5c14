/**
 * What the table itself has under a word that came from outside: every plain object also answers to `constructor`, `toString` and
 * `__proto__`, with functions and objects where a value is expected.
 */
export function ownValue<Value>(
  table: Readonly<Record<string, Value>> | undefined,
  word: string | undefined,
): Value | undefined {
  return table !== undefined && word !== undefined && Object.hasOwn(table, word) ? table[word] : undefined;
}
