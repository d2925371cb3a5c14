// What a message says: by default nothing of the patient.
import type { Severity } from '../alerts/seams.ts';
import { oneLine } from '../one-line.ts';

export type NoticeKind = 'alert' | 'acknowledged' | 'cleared' | 'closed';

/** One alert in a message. */
export interface NoticeItem {
  /** Without anything of the patient. */
  title: string;
  severity: Severity;
  /** Only where the step asks for it. */
  detail?: string;
  /** Leads to the page on which it is acknowledged; none in a message about its end. */
  link?: string;
  /** Digits that acknowledge it in a reply. */
  code: string;
}

export interface Notice extends NoticeItem {
  kind: NoticeKind;
  /** The same for each attempt. */
  id: string;
  /** The same for all messages about this alert since it was raised: `alert/run`. */
  alert: string;
  /** How often it got worse since, or began anew after its chain had come to its end. */
  risen?: number;
  rule: string;
  /** The step's. */
  step: string;
  raisedMs: number;
  /** An email address, a telephone number in E.164 form, a URL; '' where the endpoint has it. */
  address: string;
  /** Others that are told in the same message, since there were too many; `more`: those not listed. */
  others: NoticeItem[];
  more: number;
  /** Host name of this server, where the message comes from. */
  source: string;
  /** Of a mail: to whom a reply acknowledges it. */
  replyTo?: string;
  /** Where receivers may answer, `https://c.example.org/alerts/replies/`; none where nobody outside could call. */
  replies?: string;
}

const endings = { acknowledged: 'Acknowledged', cleared: 'Over', closed: 'Closed' } as const;

/** `[critical] Critically high potassium` */
export const headline = ({ kind, severity, title }: Pick<Notice, 'kind' | 'severity' | 'title'>): string =>
  oneLine(kind === 'alert' ? `[${severity}] ${title}` : `${endings[kind]}: ${title}`);

/** At most so many characters (UTF-16), with an ellipsis where some are left out; no half of a pair. */
export function shorten(text: string, charactersMax: number): string {
  if (text.length <= charactersMax) return text;
  return `${text.slice(0, charactersMax - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

/** The alerts of a digest and how many there are beyond. */
export const digestHead = ({ others, more }: Notice): string =>
  `${others.length + 1 + more} alerts since the last message`;
export const itemsOf = (notice: Notice): NoticeItem[] => [notice, ...notice.others];
