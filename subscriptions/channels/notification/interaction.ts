// What was done to a resource, as entries of a history tell it: https://hl7.org/fhir/R4/http.html#history
import type { NotifiedResource } from './bundle.ts';

interface Interaction {
  method: 'POST' | 'PUT' | 'DELETE' | 'GET';
  /** Of the request. */
  url: string;
  status: '200' | '201' | '204';
}

const serverId = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
/** Between the making of an id and the change with it: a load prepares long before it writes, clocks differ. */
const [beforeMsMax, afterMsMax] = [3_600_000, 60_000];

type Made = Pick<NotifiedResource, 'type' | 'id' | 'version' | 'op' | 'updatedMs'>;

/**
 * A first version is of a POST where the server gave the id, which tells when that was made. What has an id of its client's, or comes
 * after a deletion, was put there: to post it again, as a receiver may that follows the entries, would make another resource.
 */
function isPosted({ id, version, updatedMs }: Made): boolean {
  const [, high = '', low = ''] = serverId.exec(id) ?? [];
  const ageMs = updatedMs - Number.parseInt(high + low, 16);
  return version === 1 && ageMs >= -afterMsMax && ageMs <= beforeMsMax;
}

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
