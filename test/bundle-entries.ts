// Entries of the Bundles that tests send: https://hl7.org/fhir/R4/bundle.html
import { entries, type Reply } from './client.ts';

export type Element = Record<string, unknown>;

export interface EntryIn {
  fullUrl?: string;
  resource?: Element;
  request: { method: string; url: string; [name: string]: string };
}

export const request = (
  method: string,
  url: string,
  resource?: Element,
  extra: Record<string, string> = {},
): EntryIn => ({
  ...(resource === undefined ? {} : { resource }),
  request: { method, url, ...extra },
});

/** An update that gives `Type/id`. */
export const put = (type: string, id: string, more: Element) => ({
  request: { method: 'PUT', url: `${type}/${id}` },
  resource: { resourceType: type, id, ...more },
});

/** A Binary with a JSON Patch, as PATCH entries carry it. */
export const jsonPatch = (operations: unknown[]): Element => ({
  resourceType: 'Binary',
  contentType: 'application/json-patch+json',
  data: Buffer.from(JSON.stringify(operations)).toString('base64'),
});

/** Patients that an identifier of `system` tells apart, and criteria that find them. */
export function identified(system: string) {
  const patient = (value: string, more: Element = {}): Element => ({
    resourceType: 'Patient',
    identifier: [{ system, value }],
    ...more,
  });
  const by = (value: string): string => `Patient?identifier=${system}|${value}`;
  const create = (value: string, ifNoneExist = `identifier=${system}|${value}`): EntryIn =>
    request('POST', 'Patient', patient(value), { ifNoneExist });
  return { patient, by, create };
}

/** `201 Created` and its like, in entry order. */
export const statusesOf = (reply: Reply): string[] => entries(reply).map((entry) => entry.response!.status);

/** `Type/id` of what an entry wrote. */
export const writtenBy = (reply: Reply, index: number): string =>
  entries(reply)[index]!.response!.location!.replace(/\/_history\/.*/, '');
