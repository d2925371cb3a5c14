// What an acknowledgment says: MSA and ERR, HL7 v2.9 chapter 2.13.8 and 2.13.5; when there is one, chapter 2.9.3
import { ackPlan } from '../message/ack.ts';
import { type Hl7Message, tryParse } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';
import { fromXml, isXml } from '../message/v2xml/read.ts';
import { unframed } from '../mllp/frame.ts';

/** HL7 table 0008. */
const positive = new Set(['AA', 'CA']);
const negative = new Set(['AE', 'AR', 'CE', 'CR']);

export interface Answer {
  /** MSA-1. */
  code: string;
  accepted: boolean;
  /** CA, CE, CR: of enhanced mode's first acknowledgment. */
  commit: boolean;
  /** MSA-2; '' where there is none. */
  controlId: string;
  /** What the receiver says of it: MSA-3 and ERR, cut. */
  text: string;
  message: Hl7Message;
}

const textMax = 500;

/** undefined: it is no acknowledgment, or one with a code that table 0008 does not have. */
export function readAnswer(raw: Buffer): Answer | undefined {
  // Receivers that know MLLP alone put its block characters around what they answer over HTTP, too.
  const content = unframed(raw);
  const message = isXml(content) ? xmlMessage(content) : tryParse(content);
  const code = message?.get('MSA-1')?.toUpperCase();
  if (message === undefined || code === undefined || !(positive.has(code) || negative.has(code))) return undefined;
  return {
    code,
    accepted: positive.has(code),
    commit: code.startsWith('C'),
    controlId: message.get('MSA-2')?.trim() ?? '',
    text: textOf(message),
    message,
  };
}

/** v2.xml; undefined for any other XML, such as a page that tells of a fault. */
function xmlMessage(raw: Buffer): Hl7Message | undefined {
  try {
    return fromXml(raw);
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}

/** What has no control id (no HL7) is answered by whatever comes. */
export function isAnswerTo(controlId: string, answer: Answer): boolean {
  const sent = controlId.trim();
  return sent === '' || sent === answer.controlId;
}

/** As an operator is told of it. */
export const refusalText = (answer: Answer): string =>
  `Refused with ${answer.code}${answer.text === '' ? '' : `: ${answer.text}`}`;

/** `AE: MRN unknown (101 Required field missing, PID-3)`: the parts that are there. */
function textOf(message: Hl7Message): string {
  const condition = [message.get('ERR-3.1') ?? message.get('MSA-6.1'), message.get('ERR-3[1].2')].filter(Boolean);
  const said = [...new Set([message.get('MSA-3'), message.get('ERR-8'), message.get('ERR-7')])].filter(Boolean);
  const text = [said.join('; '), condition.length === 0 ? '' : `(${condition.join(' ')})`].filter(Boolean).join(' ');
  return text.slice(0, textMax);
}

/** What the receiver of a message is to send back for it. */
export interface Expected {
  /**
   * `answer`: one, and nothing is delivered without. `objection`: only where something is wrong: silence is assent.
   * `nothing`: none.
   */
  first: 'answer' | 'objection' | 'nothing';
  /** Where the answer is a CA, an application acknowledgment follows. */
  second: boolean;
}

/** By MSH-15 and MSH-16; original mode without them, and for what is no HL7. */
export function expectedAnswer(body: Buffer): Expected {
  const plan = ackPlan(tryParse(body), 'auto');
  const wanted = [plan.commit, plan.application];
  // Receivers that are set to enhanced mode answer CA first to a message of original mode, too.
  const second = plan.application !== 'never';
  // Who answers success alone leaves a failure unsaid: without an answer the message goes once more.
  if (wanted.includes('always') || wanted.includes('success')) return { first: 'answer', second };
  return { first: wanted.includes('error') ? 'objection' : 'nothing', second: false };
}
