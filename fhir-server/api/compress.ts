// Compressed answers: https://hl7.org/fhir/R4/http.html#compression, https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

/** What fits into one or two packets anyway is not worth a thread's time. */
export const compressBytesMin = 2048;

export type Coding = 'br' | 'gzip';

interface Preference {
  coding: string;
  weight: number;
}

function parsePreference(text: string): Preference {
  const [coding = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  const weight = Number(parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? 1);
  return { coding: coding === 'x-gzip' ? 'gzip' : coding, weight: weight >= 0 && weight <= 1 ? weight : 1 };
}

/** More than there are. */
const CODINGS_MAX = 50;

function chosen(header: string): Coding | undefined {
  const preferences = header.split(',', CODINGS_MAX).map(parsePreference);
  const weight = (coding: string) =>
    (preferences.find((one) => one.coding === coding) ?? preferences.find((one) => one.coding === '*'))?.weight ?? 0;
  const [br, zipped] = [weight('br'), weight('gzip')];
  const identity = preferences.find((one) => one.coding === 'identity')?.weight ?? 0;
  if (Math.max(br, zipped) === 0 || identity > Math.max(br, zipped)) return undefined;
  return br >= zipped ? 'br' : 'gzip';
}

const KNOWN_MAX = 200;
const known = new Map<string, Coding | undefined>();

/** The coding that the client likes best; Brotli of equals. */
export function codingFor(acceptEncoding: string): Coding | undefined {
  if (known.has(acceptEncoding)) return known.get(acceptEncoding);
  const coding = chosen(acceptEncoding);
  if (known.size < KNOWN_MAX) known.set(acceptEncoding, coding);
  return coding;
}

const brotli = promisify(brotliCompress);
const zip = promisify(gzip);

/** In zlib's threads, so that others are served meanwhile. */
export function compress(body: string | Buffer, coding: Coding): Promise<Buffer> {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  if (coding === 'gzip') return zip(bytes, { level: 5 });
  const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_SIZE_HINT, BROTLI_PARAM_LGWIN } = constants;
  return brotli(bytes, {
    params: { [BROTLI_PARAM_QUALITY]: 4, [BROTLI_PARAM_SIZE_HINT]: bytes.length, [BROTLI_PARAM_LGWIN]: 18 },
  });
}
