// How long a receiver asks not to be called: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
import type { IncomingHttpHeaders } from 'node:http';

/**
 * Milliseconds from now; undefined where nothing is asked, or nothing that can be read. A date counts from what the answer itself
 * says the time is, so that it makes no difference how far the two clocks are apart; `nowMs` where it says nothing.
 */
export function retryAfterMs(headers: IncomingHttpHeaders, nowMs: () => number): number | undefined {
  const asked = headers['retry-after'];
  if (asked === undefined) return undefined;
  if (/^\d{1,9}$/.test(asked)) return Number(asked) * 1_000;
  const untilMs = dateMs(asked);
  return untilMs === undefined ? undefined : Math.max(0, untilMs - (dateMs(headers.date) ?? nowMs()));
}

/** One of the three forms of an HTTP-date: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7. All of them are in GMT. */
function dateMs(text: string | undefined): number | undefined {
  const form = /^(Mon|Tues?|Wed(nes)?|Thu(rs)?|Fri|Sat(ur)?|Sun)(day)?,? [\w :-]+?( GMT)?$/.exec(text ?? '');
  if (!form) return undefined;
  const ms = Date.parse(form[6] ? text! : `${text} GMT`);
  return Number.isNaN(ms) ? undefined : ms;
}
