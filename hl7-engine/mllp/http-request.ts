// HTTP on an MLLP port. A page of any origin can make a browser send a POST whose body holds a frame, to the user's own machine
// too (a "simple request", https://fetch.spec.whatwg.org/#cors-safelisted-method): its head would pass as bytes between frames.

const request = /^(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT|TRACE) /;
/** Bytes of the longest method with the blank behind it. */
const methodBytesMax = 8;

/** Asked with each chunk of a connection, in order: whether it has turned out to be an HTTP request. */
export function createRequestCheck(): (chunk: Buffer) => boolean {
  let opening: string | undefined = '';
  return (chunk) => {
    if (opening === undefined) return false;
    opening += chunk.toString('latin1', 0, methodBytesMax - opening.length);
    const isRequest = request.test(opening);
    if (isRequest || opening.length === methodBytesMax) opening = undefined;
    return isRequest;
  };
}
