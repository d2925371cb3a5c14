// What was done to a resource, as entries of a history tell it: https://hl7.org/fhir/R4/http.html#history
import { isMadeFor } from '#platform';
import type { NotifiedResource } from './bundle.ts';

interface Interaction {
  method: 'POST' | 'PUT' | 'DELETE' | 'GET';
  /** Of the request. */
  url: string;
  status: '200' | '201' | '204';
}

type Made = Pick<NotifiedResource, 'type' | 'id' | 'version' | 'op' | 'updatedMs'>;

/**
 * A first version is of a POST where the server gave the id, which tells when that was made. What has an id of its client's, or comes
 * after a deletion, was put there: to post it again, as a receiver may that follows the entries, would make another resource.
 */
const isPosted = ({ id, version, updatedMs }: Made): boolean => version === 1 && isMadeFor(id, updatedMs);

export function interactionOf(one: Made): Interaction {
  const url = `${one.type}/${one.id}`;
  switch (one.op) {
    case 'create':
      return isPosted(one) ? { method: 'POST', url: one.type, status: '201' } : { method: 'PUT', url, status: '201' };
    case 'update':
      return { method: 'PUT', url, status: '200' };
    case 'delete':
      return { method: 'DELETE', url, status: '204' };
    case 'none':
      return { method: 'GET', url, status: '200' };
  }
}
