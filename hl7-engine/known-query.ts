// Parameters of an operator's question: one that is not known is told, since without it the answer would be to another question.
import { CerebraError } from '#platform';

/** Throws CerebraError `invalid-parameter`. */
export function assertKnownQuery(query: URLSearchParams, known: readonly string[]): void {
  const others = [...new Set(query.keys())].filter((name) => !known.includes(name));
  if (others.length === 0) return;
  const names = others.map((name) => name.slice(0, 64)).join(', ');
  throw new CerebraError('invalid-parameter', `There is no parameter ${names} here: there are ${known.join(', ')}`);
}
