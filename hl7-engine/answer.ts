// What a query is answered with, in place of the acknowledgment: HL7 v2.9 chapter 5
import type { Inquiry, Responder } from './mapping/context.ts';
import type { Hl7Message } from './message/message.ts';
import { Refusal } from './message/refusal.ts';
import { buildResponse, type ResponseOptions } from './message/response.ts';

export interface Answered {
  ack: Buffer;
  /** The query was understood and is not answered: the answer says so. */
  refusal: Refusal | undefined;
}

/** Throws Refusal AR where this engine has no store to ask. */
export async function answerTo(
  message: Hl7Message,
  respond: Responder,
  inquiry: Inquiry | undefined,
  options: ResponseOptions,
): Promise<Answered> {
  if (inquiry === undefined) throw new Refusal('AR', '200', 'Queries are not answered here: there is no store to ask');
  const response = await respond(inquiry);
  return { ack: buildResponse(message, response, options), refusal: response.refusal };
}
