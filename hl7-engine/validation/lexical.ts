// What values of primitive types look like: HL7 v2.9 chapter 2A
export type Lexical = (text: string) => string | undefined;

// One way to read a run of digits: with two, 40,000 of them before a letter took 5 s.
const number = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)$/;
const setId = /^\d{1,10}$/;
const zone = '(?:[+-]\\d{4})?';
const dateTime = new RegExp(`^\\d{4}(?:\\d\\d(?:\\d\\d(?:\\d\\d(?:\\d\\d(?:\\d\\d(?:\\.\\d{1,4})?)?)?)?)?)?${zone}$`);
const date = /^\d{4}(?:\d\d(?:\d\d)?)?$/;
const time = new RegExp(`^\\d\\d(?:\\d\\d(?:\\d\\d(?:\\.\\d{1,4})?)?)?${zone}$`);

const forms: Readonly<Record<string, { form: RegExp; told: string }>> = {
  NM: { form: number, told: 'a number: digits with an optional sign and decimal point' },
  SI: { form: setId, told: 'a sequence number: digits' },
  DT: { form: date, told: 'a date: YYYY[MM[DD]]' },
  TM: { form: time, told: 'a time: HH[MM[SS[.S[S[S[S]]]]]][+/-ZZZZ]' },
  DTM: { form: dateTime, told: 'a time: YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]' },
};

/** What is wrong with a value's form; undefined for types whose values have any. */
export function formFault(type: string): Lexical | undefined {
  const known = Object.hasOwn(forms, type) ? forms[type] : undefined;
  if (known === undefined) return undefined;
  const { form, told } = known;
  return (text) => (form.test(text) ? undefined : `not ${told}`);
}

/** As formFault, and dates and times must be in the calendar and on the clock. */
export function valueFault(type: string): Lexical | undefined {
  const fault = formFault(type);
  if (fault === undefined || type === 'NM' || type === 'SI') return fault;
  const inRange = type === 'TM' ? isTime : isDateTime;
  return (text) => fault(text) ?? (inRange(text) ? undefined : 'no day of the calendar or no time of the clock');
}

function isDateTime(text: string): boolean {
  const [digits = ''] = /^\d+/.exec(text) ?? [];
  const [year, month, day] = [digits.slice(0, 4), digits.slice(4, 6), digits.slice(6, 8)].map(Number);
  if (digits.length >= 6 && (month! < 1 || month! > 12)) return false;
  if (digits.length >= 8 && (day! < 1 || day! > daysOf(year!, month!))) return false;
  // `202601-0500`: behind a month stands its offset.
  return isTime(text.slice(Math.min(digits.length, 8)));
}

const daysOf = (year: number, month: number): number => new Date(Date.UTC(year, month, 0)).getUTCDate();

/** HH up to 23, MM up to 59, SS up to 60 for leap seconds, offsets up to 14 hours. */
function isTime(text: string): boolean {
  const [, hours = '0', minutes = '0', seconds = '0'] = /^(\d\d)?(\d\d)?(\d\d)?/.exec(text) ?? [];
  const [, offsetHours = '0', offsetMinutes = '0'] = /[+-](\d\d)(\d\d)$/.exec(text) ?? [];
  if (Number(hours) > 23 || Number(minutes) > 59 || Number(seconds) > 60) return false;
  return Number(offsetHours) <= 14 && Number(offsetMinutes) <= 59;
}
