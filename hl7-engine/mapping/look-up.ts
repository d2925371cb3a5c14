// What a message only asks of the store: entries that write nothing, for others that have to know what there is.
import type { Resource, TransactionEntry } from '#fhir-model';
import type { Identifier } from './identifiers.ts';

type Found = () => Resource[];

export interface LookUps {
  entries: TransactionEntry[];
  found: Map<string, Found>;
}

export const newLookUps = (): LookUps => ({ entries: [], found: new Map() });

/** Yields what matches `Type?identifier=…`, 10 at most, in the transaction, to each `choose` of the message. */
export function lookUp({ entries, found }: LookUps, url: string, identifier: Identifier): Found {
  const asked = found.get(url);
  if (asked !== undefined) return asked;
  let matching: Resource[] = [];
  entries.push({
    method: 'PUT',
    url,
    resource: { resourceType: url.slice(0, url.indexOf('?')), identifier: [identifier] },
    choose(matches) {
      matching = matches;
      return { idle: true };
    },
    // Never called; what is to be merged is not checked ahead, and this is no whole resource.
    merge: (existing, incoming) => existing ?? incoming,
  });
  const result = (): Resource[] => matching;
  found.set(url, result);
  return result;
}
