// What an MLLP port is taken for by mistake. HTTP: a page of any origin can make a browser send a POST whose body holds a frame, to
// the user's own machine too (a "simple request", https://fetch.spec.whatwg.org/#cors-safelisted-method): its head would pass as
// bytes between frames. TLS: any byte of a ClientHello may look like the start of a frame, and its sender waits for an answer.

export type Mistaken = 'http' | 'tls';

const request = /^(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT|TRACE) /;
/** A record of type handshake, version 3.0 to 3.4, with a ClientHello: https://www.rfc-editor.org/rfc/rfc8446#section-5.1 */
const clientHello = /^\x16\x03[\x00-\x04][\s\S]{2}\x01/;
/** Bytes of the longest method with the blank behind it. */
const openingBytesMax = 8;

/** Asked with each chunk of a connection, in order: whether it has turned out to be something else than MLLP. */
export function createOpeningCheck(): (chunk: Buffer) => Mistaken | undefined {
  let opening: string | undefined = '';
  return (chunk) => {
    if (opening === undefined) return undefined;
    opening += chunk.toString('latin1', 0, openingBytesMax - opening.length);
    const found = request.test(opening) ? 'http' : clientHello.test(opening) ? 'tls' : undefined;
    if (found !== undefined || opening.length === openingBytesMax) opening = undefined;
    return found;
  };
}
