// What a link in an entry of a Bundle means: https://hl7.org/fhir/R4/bundle.html#references

/** https://hl7.org/fhir/R4/references.html#regex: `http://example.org/fhir/Patient/23`, its root in group 1. */
const restful = /^(https?:\/\/.+)\/[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/;

/** What has become of the entry that the link means, of those in `urls`. A relative one belongs to the server that `fullUrl` names. */
export function entryTarget(
  urls: ReadonlyMap<string, string>,
  fullUrl: string | undefined,
  baseUrl: string,
  text: string,
): string | undefined {
  const exact = urls.get(text);
  if (exact !== undefined || text.includes(':')) return exact;
  const root = (fullUrl === undefined ? undefined : restful.exec(fullUrl)?.[1]) ?? baseUrl;
  return urls.get(`${root}/${text}`);
}
