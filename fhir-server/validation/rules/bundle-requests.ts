// entry.request and entry.response: https://hl7.org/fhir/R4/http.html#transaction, https://hl7.org/fhir/R4/bundle.html#history
import type { JsonObject } from '#fhir-model';
import { isObject, textOf } from '../json.ts';
import { shown } from '../report.ts';
import { type Fault, fault } from './fault.ts';
import { shownValue } from './place.ts';

/** Bodies that a method takes. */
const withResource = new Set(['POST', 'PUT', 'PATCH']);

interface Request {
  method: string;
  url: string;
  resource: JsonObject | undefined;
}

/** `Patient/1` of `Patient/1?x=y`; an operation has none. */
function pathOf(url: string): string[] {
  const [path = ''] = url.replace(/^https?:\/\/[^?]*\/(?=[A-Z][A-Za-z]+(?:[/?]|$))/, '').split('?');
  return path.split('/').filter((part) => part !== '');
}

function urlFault({ method, url, resource }: Request, at: string): Fault | undefined {
  const path = pathOf(url);
  const wrong = (message: string): Fault => fault('error', 'invalid', 'bundle-request-url', `${at}.url`, message);
  if (url.includes('$') || url.includes('_search')) return undefined;
  const type = textOf(resource?.resourceType) ?? '';
  if (method === 'POST' && type !== '' && (path.length !== 1 || path[0] !== type)) {
    return wrong(`a POST of this resource goes to '${shown(type)}', found '${shown(url)}'`);
  }
  if (method !== 'PUT' || type === '') return undefined;
  if (path[0] !== type) return wrong(`a PUT of this resource goes to '${shown(type)}/…', found '${shown(url)}'`);
  if (path[1] === undefined && !url.includes('?'))
    return wrong('a PUT needs an id or, for a conditional update, criteria');
  if (path[1] !== undefined && resource?.id !== undefined && path[1] !== resource.id) {
    return wrong(`'${shown(url)}' has another id than the resource, '${shownValue(resource.id)}'`);
  }
  return undefined;
}

function bodyFault({ method, url, resource }: Request, at: string): Fault | undefined {
  if (withResource.has(method) && resource === undefined && !url.includes('$') && !url.includes('_search')) {
    return fault('error', 'required', 'bundle-request-resource', `${at}.resource`, `a ${method} has a resource`);
  }
  if ((method === 'GET' || method === 'HEAD' || method === 'DELETE') && resource !== undefined) {
    return fault('warning', 'invalid', 'bundle-request-resource', `${at}.resource`, `a ${method} has no resource`);
  }
  return undefined;
}

function conditionFault(request: JsonObject, method: string, at: string): Fault | undefined {
  if (request.ifNoneExist !== undefined && method !== 'POST') {
    return fault('error', 'invalid', 'bundle-request-condition', `${at}.ifNoneExist`, 'ifNoneExist is for POST');
  }
  return undefined;
}

function statusFault(response: JsonObject, at: string): Fault | undefined {
  const status = textOf(response.status);
  if (status === undefined || /^[1-5]\d\d(?:\s|$)/.test(status)) return undefined;
  const message = `a status starts with the three digits of HTTP, found '${shown(status)}'`;
  return fault('error', 'value', 'bundle-response-status', `${at}.status`, message);
}

/** Of one entry at `at`. A history's request tells what was done: its resource may be gone. */
export function requestFaults(entry: JsonObject, type: string, at: string): Fault[] {
  const faults: (Fault | undefined)[] = [];
  if (isObject(entry.request) && (type === 'transaction' || type === 'batch')) {
    const resource = isObject(entry.resource) ? entry.resource : undefined;
    const method = textOf(entry.request.method) ?? '';
    const request = { method, url: textOf(entry.request.url) ?? '', resource };
    const place = `${at}.request`;
    faults.push(urlFault(request, place), bodyFault(request, at), conditionFault(entry.request, method, place));
  }
  if (isObject(entry.response)) faults.push(statusFault(entry.response, `${at}.response`));
  return faults.filter((one) => one !== undefined);
}
