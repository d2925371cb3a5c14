// What a message becomes, as a Bundle to look at: https://hl7.org/fhir/R4/http.html#transaction
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import { compact } from './compact.ts';

/**
 * The entries as a transaction Bundle. What an entry does inside the transaction by looking at the stored resource
 * (`merge`, `choose`) no Bundle can say: its resource is what the message says alone.
 */
export function transactionBundle(entries: readonly TransactionEntry[]): Resource {
  const entry = entries.map((one): JsonObject => {
    const { fullUrl, resource, method, url, ifNoneExist, ifMatch, ifNoneMatch, ifModifiedSince } = one;
    const request = { method, url, ifNoneMatch, ifModifiedSince, ifMatch, ifNoneExist } as JsonObject;
    return compact({ fullUrl, resource, request } as JsonObject)!;
  });
  return { resourceType: 'Bundle', type: 'transaction', ...(entry.length === 0 ? {} : { entry }) };
}
