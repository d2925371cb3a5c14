// Which ContactPoint is used: https://hl7.org/fhir/R4/datatypes.html#ContactPoint
import { type Json, type JsonObject, objectsOf } from '#fhir-model';
import { isMailAddress } from '../channels/mail-address.ts';
import { isWithin } from './availability.ts';

/** Where somebody is reached. */
export type ContactKind = 'email' | 'sms' | 'url';

const kinds: Record<ContactKind, (contact: JsonObject) => string | undefined> = {
  email: ({ system, value }) => {
    const address = String(value).replace(/^mailto:/i, '');
    return system === 'email' && isMailAddress(address) ? address : undefined;
  },
  // A mobile phone takes short messages, whatever its entry says of them.
  sms: ({ system, use, value }) =>
    system === 'sms' || (system === 'phone' && use === 'mobile') ? telephone(value) : undefined,
  url: ({ system, value }) => (system === 'url' && URL.canParse(String(value)) ? String(value) : undefined),
};

/**
 * E.164 (`+15550100`): blanks, dashes and brackets are left out, `00` is `+`. Without a country code it can't be called. The 0 of
 * `+49 (0)171 123` is for those who call from within the country, but in Italy and San Marino part of the number.
 */
export function telephone(value: Json | undefined): string | undefined {
  const digits = String(value ?? '')
    .replace(/^(tel|sms):/i, '')
    .replace(/^(\s*(?:\+|00)(?!\s*(?:39|378))[\s\d.-]{1,5})\(0\)/, '$1')
    .replace(/[\s().-]/g, '')
    .replace(/^00/, '+');
  return /^\+[1-9]\d{6,14}$/.test(digits) ? digits : undefined;
}

const isSms = ({ system }: JsonObject): boolean => system === 'sms';
const rankOf = ({ rank }: JsonObject): number => (typeof rank === 'number' ? rank : Number.MAX_SAFE_INTEGER);

/** The best address of that kind: least rank first, an entry for short messages before a mobile phone; undefined if none is in use. */
export function contactOf(
  telecom: Json | undefined,
  kind: ContactKind,
  atMs: number,
  timeZone: string,
): string | undefined {
  const usable = objectsOf(telecom)
    .filter(({ use, period }) => use !== 'old' && isWithin(period, atMs, timeZone))
    .filter((contact) => kinds[kind](contact) !== undefined)
    .sort((a, b) => rankOf(a) - rankOf(b) || Number(isSms(b)) - Number(isSms(a)));
  return usable[0] && kinds[kind](usable[0]);
}
