// What a query or a master file is answered with, in place of the acknowledgment: HL7 v2.9 chapters 5 and 8
import type { Inquiry, Responder } from './mapping/context.ts';
import type { Hl7Message } from './message/message.ts';
import type { Refusal } from './message/refusal.ts';
import { buildResponse, type ResponseOptions } from './message/response.ts';

export interface Answered {
  ack: Buffer;
  /** A query was understood and is not answered: the answer says so. */
  refusal: Refusal | undefined;
}

/** Throws Refusal. */
export async function answerTo(
  message: Hl7Message,
  respond: Responder,
  inquiry: Inquiry | undefined,
  options: ResponseOptions,
): Promise<Answered> {
  const response = await respond(inquiry);
  return { ack: buildResponse(message, response, options), refusal: response.refusal };
}
