// Regular expressions of conformance statements: they meet whatever a sender writes, so each takes time linear in the text.
import { compilePattern } from '#platform';
import { ProfileFault } from './profile-fault.ts';

/** Whether the whole text is matched. */
export type Matches = (text: string) => boolean;

/** A pattern looks no further: of a longer text it would match the beginning. */
const textLengthMax = 65_536;
const options = { anyEscapes: true, textLengthMax };

/** `^(?!\s*$).+`: look-around at the beginning, which says what the text must or must not begin with. */
const lookAhead = /^\^?\(\?([!=])((?:[^()\\]|\\.)*)\)/;

/**
 * As Java's String.matches, for which profiles are written. Look-ahead is possible at the beginning, elsewhere and
 * look-behind and `\1` not. Throws ProfileFault.
 */
export function wholeMatch(source: string): Matches {
  try {
    const ahead = lookAhead.exec(source);
    if (ahead === null) {
      const pattern = compilePattern(`^(?:${source})$`, options);
      return (text) => text.length <= textLengthMax && pattern.test(text);
    }
    const [whole, sign, within = ''] = ahead;
    const begins = compilePattern(`^(?:${within})`, options);
    const rest = wholeMatch(source.slice(whole.length));
    return (text) => begins.test(text) === (sign === '=') && rest(text);
  } catch (error) {
    throw new ProfileFault(`the regular expression "${source.slice(0, 100)}"`, (error as Error).message);
  }
}
