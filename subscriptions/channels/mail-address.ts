// Where an email goes and what heads it. https://www.rfc-editor.org/rfc/rfc6068 (mailto),
// https://www.rfc-editor.org/rfc/rfc5322#section-2.2 (header fields)
import { CerebraError } from '#platform';

const addressCharactersMax = 254;
const lineCharactersMax = 998;

/**
 * The one address of `mailto:nurse@example.org`. Throws CerebraError for anything else: several addresses, fields after
 * `?`, and whatever would end a line of the mail's head or of the SMTP session.
 */
export function readMailbox(endpoint: string): string {
  const element = 'Subscription.channel.endpoint';
  const coded = /^mailto:([^?]*)$/i.exec(endpoint)?.[1];
  if (coded === undefined) {
    throw new CerebraError('invalid', `${element} must be mailto: and one address, without fields after a '?'`);
  }
  const address = decode(coded);
  if (address === undefined || !isMailAddress(address)) {
    throw new CerebraError('invalid', `${element} must be mailto: and one address such as nurse@example.org`);
  }
  return address;
}

/** A dot-atom on the left, a host name on the right: https://www.rfc-editor.org/rfc/rfc5321#section-4.1.2 */
export const isMailAddress = (text: string): boolean =>
  text.length <= addressCharactersMax &&
  /^[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*@[a-z0-9-]+(?:\.[a-z0-9-]+)*$/i.test(text);

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** Fields that change neither who gets the mail nor what it is made of. */
const allowed = new Set(['subject', 'importance', 'priority', 'x-priority', 'keywords']);

/** The lines themselves. Throws CerebraError that names the line at fault and never repeats its value. */
export function readMailHeader(lines: string[]): string[] {
  lines.forEach((line, index) => {
    const element = `Subscription.channel.header[${index}]`;
    const [name] = splitMailHeader(line) ?? [''];
    if (!name) throw new CerebraError('invalid', `${element} is not of the form 'Name: value' on one line`);
    const lower = name.toLowerCase();
    if (!allowed.has(lower) && !/^x-(?!cerebra-)/.test(lower)) {
      throw new CerebraError('invalid', `${element}: '${name}' can't be set; Subject and X-… can`);
    }
  });
  return lines;
}

/** `Name: value` taken apart; undefined for what is none, line breaks and other control characters included. */
export function splitMailHeader(line: string): [string, string] | undefined {
  if (line.length > lineCharactersMax || /[\p{Cc}\u2028\u2029]/u.test(line)) return undefined;
  const match = /^([A-Za-z][A-Za-z0-9-]{0,99}):(.*)$/u.exec(line);
  return match ? [match[1]!, match[2]!.trim()] : undefined;
}
