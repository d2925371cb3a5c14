// Which format goes out and which came in: https://hl7.org/fhir/R4/http.html#mime-type, #parameters (_format, _pretty),
// #version-parameter; weights and ranges as https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1 has them.
import { CerebraError } from '#platform';

export type FormatName = 'json' | 'xml' | 'ndjson';

interface Format {
  readonly name: FormatName;
  readonly mediaType: string;
  /** Other names that mean it, in requests and in Accept. */
  readonly aliases: readonly string[];
  /** Request bodies may have it. */
  readonly reads: boolean;
  /** Offered to who takes anything; NDJSON loses what a Bundle says and comes only when it is named. */
  readonly general: boolean;
}

/** In the order of preference: what comes where the client leaves the choice. */
export const formats: readonly Format[] = [
  {
    name: 'json',
    mediaType: 'application/fhir+json',
    aliases: ['application/json', 'text/json', 'application/json+fhir'],
    reads: true,
    general: true,
  },
  {
    name: 'xml',
    mediaType: 'application/fhir+xml',
    aliases: ['application/xml', 'text/xml', 'application/xml+fhir'],
    reads: true,
    general: true,
  },
  {
    name: 'ndjson',
    mediaType: 'application/fhir+ndjson',
    aliases: ['application/ndjson', 'application/x-ndjson'],
    reads: false,
    general: false,
  },
];

/** How the answer is to look. */
export interface Asked {
  readonly format: FormatName;
  readonly pretty: boolean;
  /** The Content-Type of a resource in this format. */
  readonly contentType: string;
}

const byMediaType = new Map<string, Format>(
  formats.flatMap((format) => [format.mediaType, ...format.aliases].map((type): [string, Format] => [type, format])),
);
const byName = new Map<string, Format>(formats.map((format) => [format.name, format]));
const offered = formats.map(({ mediaType }) => mediaType).join(', ');

/** The version of this API, as the parameter fhirVersion has it: https://hl7.org/fhir/R4/versioning.html#mt-version */
const versions = new Set(['4.0', '4.0.1']);

const askedOf = (format: Format, versioned: boolean, pretty: boolean): Asked => ({
  format: format.name,
  pretty,
  contentType: `${format.mediaType}${versioned ? '; fhirVersion=4.0' : ''}; charset=utf-8`,
});

/** JSON as it is stored. Compared by identity: what it asks for takes no work. */
export const plainJson: Asked = askedOf(formats[0]!, false, false);

interface MediaRange {
  type: string;
  parameters: ReadonlyMap<string, string>;
}

function parseRange(text: string): MediaRange {
  const [type = '', ...rest] = text.split(';');
  const parameters = rest.map((pair): [string, string] => {
    const [name = '', value = ''] = pair.split('=');
    return [name.trim().toLowerCase(), value.trim().replace(/^"(.*)"$/, '$1')];
  });
  return { type: type.trim().toLowerCase(), parameters: new Map(parameters) };
}

/** 0 to 1; what is no weight counts as none given. */
function weightOf({ parameters }: MediaRange): number {
  const weight = Number(parameters.get('q') ?? 1);
  return weight >= 0 && weight <= 1 ? weight : 1;
}

/** A range of another version of FHIR is not ours to fill. */
const isOurVersion = ({ parameters }: MediaRange): boolean => versions.has(parameters.get('fhirversion') ?? '4.0');

/** 3: names it; 2: `application/*`; 1: everything; 0: does not match. */
function specificity(range: MediaRange, format: Format): number {
  if (byMediaType.get(range.type) === format) return 3;
  if (!format.general) return 0;
  if (range.type === 'application/*' || range.type === 'text/*') return 2;
  return range.type === '*/*' || range.type === '*' ? 1 : 0;
}

interface Bid {
  format: Format;
  weight: number;
  specificity: number;
  /** Place in the header. */
  index: number;
  versioned: boolean;
}

/** The most specific range decides on a format's weight; of equally specific ones the heaviest. */
function bidFor(format: Format, ranges: readonly MediaRange[]): Bid | undefined {
  const bids = ranges.flatMap((range, index): Bid[] => {
    const found = specificity(range, format);
    const versioned = range.parameters.has('fhirversion');
    return found === 0 ? [] : [{ format, weight: weightOf(range), specificity: found, index, versioned }];
  });
  return bids.sort((a, b) => b.specificity - a.specificity || b.weight - a.weight)[0];
}

/** Equal weights: what is named before what a wildcard allows, then as the header has them, then as we prefer. */
function bestBid(ranges: readonly MediaRange[]): Bid | undefined {
  const bids = formats.map((format) => bidFor(format, ranges)).filter((bid) => bid !== undefined && bid.weight > 0);
  return bids.sort((a, b) => b!.weight - a!.weight || b!.specificity - a!.specificity || a!.index - b!.index)[0];
}

const isPage = ({ type }: MediaRange): boolean => type === 'text/html' || type === 'application/xhtml+xml';
const isAnyXml = ({ type }: MediaRange): boolean => type === 'application/xml' || type === 'text/xml';

/** Browsers list XML before anything else only as a relative of HTML: without that, their `*` `/*` gives them JSON. */
function withoutPageTypes(ranges: readonly MediaRange[]): readonly MediaRange[] {
  if (!ranges.some(isPage)) return ranges;
  const rest = ranges.filter((range) => !isAnyXml(range));
  return bestBid(rest) === undefined ? ranges : rest;
}

/** More than any client means; a header may be 16 kB long. */
const RANGES_MAX = 100;

function accepted(accept: string): Asked {
  const ranges = accept
    .split(',', RANGES_MAX)
    .map(parseRange)
    .filter((range) => range.type !== '' && isOurVersion(range));
  const best = bestBid(withoutPageTypes(ranges));
  if (best !== undefined) return askedOf(best.format, best.versioned, false);
  throw new CerebraError('not-acceptable', `None of the types in Accept is offered: ${offered} are, in FHIR 4.0`, {
    expression: ['Accept'],
  });
}

function named(text: string): Asked {
  // A `+` that was not percent-encoded is a space by now.
  const range = parseRange(text.trim().replace(' ', '+'));
  const format = byName.get(range.type) ?? byMediaType.get(range.type);
  if (format !== undefined && isOurVersion(range)) return askedOf(format, range.parameters.has('fhirversion'), false);
  const names = formats.map(({ name }) => name).join(', ');
  throw new CerebraError('not-acceptable', `_format '${text.slice(0, 80)}' is not offered: ${names} are, in FHIR 4.0`, {
    expression: ['_format'],
  });
}

/** Clients send few different Accept headers; more than this many are none of them. */
const KNOWN_MAX = 200;
const known = new Map<string, Asked>();

function acceptedFormat(accept: string | undefined): Asked {
  if (accept === undefined || accept === '' || accept === '*/*') return plainJson;
  const before = known.get(accept);
  if (before !== undefined) return before;
  const found = accepted(accept);
  const asked = found.contentType === plainJson.contentType ? plainJson : found;
  if (known.size < KNOWN_MAX) known.set(accept, asked);
  return asked;
}

/** What a client wants of the answer. `_format` outranks Accept. Throws `not-acceptable`. */
export function negotiate(accept: string | undefined, format: string | undefined, pretty: string | undefined): Asked {
  const asked = format === undefined || format === '' ? acceptedFormat(accept) : named(format);
  if (pretty !== 'true') return asked.contentType === plainJson.contentType ? plainJson : asked;
  return { ...asked, pretty: asked.format !== 'ndjson' };
}

/** The value of a parameter of a query string; undefined where it is not there or not valid percent-encoding. */
export function queryValue(queryString: string, name: string): string | undefined {
  if (!queryString.includes(name)) return undefined;
  for (const pair of queryString.split('&')) {
    if (!pair.startsWith(`${name}=`)) continue;
    try {
      return decodeURIComponent(pair.slice(name.length + 1).replaceAll('+', ' '));
    } catch {
      return undefined;
    }
  }
  return undefined;
}

const charsets = new Set(['utf-8', 'utf8', 'us-ascii']);

/**
 * The format of a request body by its Content-Type; JSON where there is none.
 * Throws `unsupported-media-type` for another type, version or charset: FHIR is UTF-8.
 */
export function formatOfContent(contentType: string | undefined): 'json' | 'xml' {
  if (contentType === undefined || contentType === '' || contentType === 'application/fhir+json') return 'json';
  const range = parseRange(contentType);
  const format = byMediaType.get(range.type);
  const charset = range.parameters.get('charset')?.toLowerCase() ?? 'utf-8';
  if (format?.reads === true && isOurVersion(range) && charsets.has(charset)) return format.name as 'json' | 'xml';
  throw new CerebraError(
    'unsupported-media-type',
    `Content-Type '${contentType.slice(0, 80)}' is not read: send application/fhir+json or application/fhir+xml, FHIR 4.0 in UTF-8`,
    { expression: ['Content-Type'] },
  );
}
