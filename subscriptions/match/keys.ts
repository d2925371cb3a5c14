// Equality keys: what an exact criterion asks for and what a resource offers, spelled the same, so that the
// subscriptions a change can possibly match are found by hash and not by trying each one.
import { type Criterion, type IndexValue, type SearchValue, versionUrl } from '#fhir-model';

/**
 * One key per alternative of the criterion; undefined when it is not an equality (a modifier, a range, a chain, a value
 * that many resources have in common).
 */
export function criterionKeys(criterion: Criterion): string[] | undefined {
  if (criterion.modifier !== undefined || criterion.chain || criterion.values.length === 0) return undefined;
  const keys: string[] = [];
  for (const value of criterion.values) {
    const key = valueKey(value);
    if (key === undefined) return undefined;
    keys.push(`${criterion.param.key}${key}`);
  }
  return keys;
}

/** Without regard to case, as tokens are compared: what is too much here the criterion itself sorts out. */
const ofCode = (system: string | undefined, code: string): string =>
  system === undefined ? `~${code.toLowerCase()}` : `=${system}|${code.toLowerCase()}`;

function valueKey(value: SearchValue): string | undefined {
  switch (value.kind) {
    case 'token':
      return value.code === undefined || value.code === '' ? undefined : ofCode(value.system, value.code);
    case 'reference':
      if (value.id !== undefined) return value.type === undefined ? `/${value.id}` : `>${value.type}/${value.id}`;
      return value.url === undefined ? undefined : `@${value.url}`;
    case 'uri':
      return `@${value.value}`;
    default:
      return undefined;
  }
}

/** What stands in JSON as it is: other characters may be escaped. */
const PLAIN = /^[\w.\-:/]+$/;
/** May be worked out: Patient?deceased=true is also whoever has a deceasedDateTime. */
const TRUTH = /^(true|false)$/i;

/** What the JSON text of any resource has that answers to `criterion`, one for each alternative; undefined if that can't be told. */
export function criterionTexts(criterion: Criterion): string[] | undefined {
  // What FHIRPath has worked out need not stand in the resource.
  if (criterion.param.fhirpath) return undefined;
  const texts: string[] = [];
  for (const value of criterion.values) {
    const text = value.kind === 'token' ? value.code : value.kind === 'reference' ? value.id : undefined;
    if (text === undefined || (value.kind === 'token' && (!PLAIN.test(text) || TRUTH.test(text)))) return undefined;
    texts.push(text);
  }
  return texts;
}

/** Calls `found` with each key that one indexed value answers to. */
export function indexKeys(value: IndexValue, found: (key: string) => void): void {
  const key = value.param.key;
  if (value.kind === 'token' && value.code !== undefined) {
    found(key + ofCode(value.system ?? '', value.code));
    found(key + ofCode(undefined, value.code));
  } else if (value.kind === 'reference') {
    const { type = '', id, version } = value;
    if (id !== undefined) {
      found(`${key}>${type}/${id}`);
      found(`${key}/${id}`);
      // What asks for one version is asked by its whole URL.
      if (version !== undefined) found(`${key}@${versionUrl(type, id, version)}`);
    }
    // A canonical is found with and without its |version.
    for (const url of canonicalForms(value.url)) found(`${key}@${url}`);
  } else if (value.kind === 'uri') {
    found(`${key}@${value.value}`);
  }
}

function canonicalForms(url: string | undefined): string[] {
  if (url === undefined) return [];
  const bar = url.lastIndexOf('|');
  return bar < 0 ? [url] : [url, url.slice(0, bar)];
}
