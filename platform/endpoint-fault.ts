// Why another system could not be called, in words that may be shown: nothing of the network's inside but the kind of failure.

const texts: Record<string, string> = {
  ECONNREFUSED: 'The endpoint refused the connection',
  ECONNRESET: 'The endpoint broke off the connection',
  EPIPE: 'The endpoint broke off the connection',
  ENOTFOUND: "The endpoint's host name is unknown",
  EAI_AGAIN: "The endpoint's host name could not be resolved",
  EHOSTUNREACH: 'The endpoint can not be reached',
  ENETUNREACH: 'The endpoint can not be reached',
  ETIMEDOUT: 'The endpoint did not answer the connection attempt',
  EGRESS: 'The endpoint has an address that this server does not call (EGRESS_ALLOW)',
};

/** By the error's `code` (https://nodejs.org/api/errors.html#common-system-errors, TLS codes, EGRESS of createEgress). */
export function endpointFault(error: Error & { code?: string }): string {
  const code = error.code ?? '';
  return texts[code] ?? `The exchange with the endpoint failed (${code || error.name})`;
}
