// What a link in an entry of a transaction means: https://hl7.org/fhir/R4/bundle.html#references
import { urlInEntry } from '#fhir-model';

/** What has become of the entry that the link means, of those in `urls`. Where no fullUrl says otherwise, a relative one is ours. */
export function entryTarget(
  urls: ReadonlyMap<string, string>,
  fullUrl: string | undefined,
  baseUrl: string,
  text: string,
): string | undefined {
  const exact = urls.get(text);
  if (exact !== undefined || text.includes(':')) return exact;
  return urls.get(urlInEntry(text, fullUrl, baseUrl)!);
}
