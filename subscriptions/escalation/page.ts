// The page behind a message's link. It has no scripts, and looking at it changes nothing: programs that look at links before
// people do must not acknowledge anything.
import type { AdminResponse } from '#platform';
import type { Severity } from '../alerts/seams.ts';

export interface PageAlert {
  title: string;
  severity: Severity;
  raisedMs: number;
  detail?: string;
  /** Whose message it was is not known: the page asks for a name. */
  asksName: boolean;
  /** From which step on messages tell of it as it is now: sent back with the button. */
  fromStep: number;
}

const headers = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy':
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  // With `no-referrer` browsers would send `Origin: null` with the form, which is refused as one of a foreign page.
  'Referrer-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'X-Robots-Tag': 'noindex, nofollow',
};

const style = `body{font:18px/1.5 system-ui,sans-serif;max-width:34em;margin:2em auto;padding:0 1em;color:#1b1b1b}
h1{font-size:1.4em}.severity{text-transform:uppercase;font-weight:bold;letter-spacing:.05em}.critical,.high{color:#b00020}
button{font:inherit;padding:.7em 1.4em;border:0;border-radius:.4em;background:#0b5cad;color:#fff;cursor:pointer}
input{font:inherit;padding:.4em;width:100%;box-sizing:border-box;margin:.3em 0 1em}`;

const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);

function page(status: number, title: string, main: string): AdminResponse {
  const text = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title><style>${style}</style></head>
<body><main>${main}</main></body></html>
`;
  return { status, text: { type: 'text/html; charset=utf-8', text }, headers };
}

const heading = ({ title, severity, raisedMs, detail }: PageAlert): string =>
  `<p class="severity ${severity}">${severity}</p><h1>${escaped(title)}</h1>
<p>Raised <time>${new Date(raisedMs).toISOString()}</time></p>${detail === undefined ? '' : `<p>${escaped(detail)}</p>`}`;

/** With the button that acknowledges it. `isWorse`: who pressed it had seen something less severe. */
export const alertPage = (alert: PageAlert, isWorse = false): AdminResponse =>
  page(
    200,
    alert.title,
    `${heading(alert)}${isWorse ? '<p><strong>It got worse since: this is what it is now.</strong></p>' : ''}
<form method="post"><input type="hidden" name="step" value="${alert.fromStep}"><input type="hidden" name="severity" value="${alert.severity}">${
      alert.asksName ? '<label>Your name<input name="name" maxlength="100" autocomplete="name" required></label>' : ''
    }<button type="submit">Acknowledge: I take care of it</button></form>`,
  );

export const acknowledgedPage = (alert: PageAlert): AdminResponse =>
  page(200, 'Acknowledged', `${heading(alert)}<p><strong>Acknowledged. Nobody else is called.</strong></p>`);

const states: Record<string, string> = {
  acknowledged: 'Somebody has acknowledged this alert already.',
  cleared: 'This alert is over.',
  closed: 'This alert was closed.',
  snoozed: 'Somebody has put this alert off for a while. If it still stands then, it is told anew.',
  renewed: 'This alert has been told anew since: acknowledge it by the newest message.',
};

/** `state`: of the escalation, or what has become of the alert since. */
export const overPage = (alert: PageAlert, state: string): AdminResponse =>
  page(200, 'Nothing to do', `${heading(alert)}<p><strong>${states[state] ?? states.closed}</strong></p>`);

export const expiredPage = (): AdminResponse =>
  page(410, 'Link expired', '<h1>This link has expired</h1><p>The alert can be acknowledged in the application.</p>');

export const unknownPage = (): AdminResponse =>
  page(404, 'No such link', '<h1>There is no such link</h1><p>Perhaps it was not copied as a whole.</p>');
