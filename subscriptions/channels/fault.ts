// Why something was not delivered, for whoever asks about its subscriber, and how much of that a log may have.
import { type ErrorCode, isCerebraError } from '#platform';

export interface Fault {
  error: string;
  /** Where `error` is what a CerebraError says, which may quote a resource; without it the text is ours or an endpoint's status. */
  code?: ErrorCode;
}

/** `otherwise`: what is told of any other error. */
export const faultOf = (err: unknown, otherwise: string): Fault =>
  isCerebraError(err) ? { error: err.message, code: err.code } : { error: otherwise };

/** The same of what this server does by itself: the code is told with the text. */
export const ownFaultOf = (err: unknown): Fault =>
  isCerebraError(err) ? { error: `${err.code}: ${err.message}`, code: err.code } : { error: 'internal error' };

/** What a record of the log has of it. */
export const loggedFault = ({ error, code }: Fault): { reason: string } | { code: ErrorCode } =>
  code === undefined ? { reason: error } : { code };
