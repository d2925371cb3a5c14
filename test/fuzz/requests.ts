// Requests of all classes, mutated.
import { makeBundle } from './bundles.ts';
import type { Chance } from './chance.ts';
import { makeOperation } from './operations.ts';
import { makePatch } from './patches.ts';
import { makeQuery, TYPES } from './queries.ts';
import { makeSpoilt } from './resources.ts';
import { bodyOf, type FuzzRequest, headersOf, REFUSED, targetOf } from './shape.ts';

function makeWrite(chance: Chance): FuzzRequest {
  const tree = makeSpoilt(chance);
  const body = bodyOf(tree, chance);
  const headers = headersOf(chance);
  const target = targetOf(tree, chance);
  const type = target.split('/')[0]!;
  const allowed = [200, 201, 204, 304, ...REFUSED];
  return chance.one([
    () => ({ method: 'POST', path: type, headers, body, allowed }),
    () => ({ method: 'PUT', path: target, headers, body, allowed }),
    () => ({ method: 'PUT', path: target, headers, body, allowed }),
    () => ({ method: 'PUT', path: `${type}?${makeQuery('Patient', chance)}`, headers, body, allowed }),
    () => ({ method: 'DELETE', path: target, headers, allowed }),
    () => ({ method: chance.one(['GET', 'HEAD']), path: target, headers, allowed }),
  ])();
}

function makeHistory(chance: Chance): FuzzRequest {
  const { one } = chance;
  const place = one(['Patient/f1/', 'Observation/f2/', 'Patient/', '', 'Nope/']);
  const parameter = () =>
    `${one(['_since', '_at', '_count', '_cursor', '_list', '_summary', '_elements', '_format', '_total'])}=${one(['2020', '2026-01-01T00:00:00Z', 'x', '1', '', '99999999999999999999', 'f1', 'xml', 'count'])}`;
  const path = `${place}_history?${chance.some(2, parameter).join('&')}`;
  return { method: 'GET', path, headers: headersOf(chance), allowed: [200, 304, ...REFUSED] };
}

function makeSearch(chance: Chance): FuzzRequest {
  const type = chance.one(TYPES);
  const query = makeQuery(type, chance);
  const headers = headersOf(chance);
  const allowed = [200, 400, 404, 406, 413];
  const form = { ...headers, 'Content-Type': 'application/x-www-form-urlencoded' };
  const get = (path: string): FuzzRequest => ({ method: 'GET', path, headers, allowed });
  return chance.one([
    () => get(`${type}?${query}`),
    () => get(`${type}?${query}`),
    () => get(`${type}?${query}`),
    () => ({ method: 'POST', path: `${type}/_search`, headers: form, body: query, allowed }),
    () => get(`?_type=${type}&${query}`),
    () => get(`Patient/f1/${chance.one([type, '*'])}?${query}`),
  ])();
}

const CLASSES = [
  makeWrite,
  makeWrite,
  makePatch,
  makeSearch,
  makeSearch,
  makeSearch,
  makeBundle,
  makeOperation,
  makeHistory,
];

export const makeRequest = (chance: Chance): FuzzRequest => chance.one(CLASSES)(chance);
