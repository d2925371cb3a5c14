// Headers as no client should send them: doubled, empty, long, of other standards.
import type { OutgoingHttpHeaders } from 'node:http';
import type { Chance } from './chance.ts';

const VALUES: Record<string, readonly string[]> = {
  'If-Match': ['W/"1"', '"1"', '*', 'W/"', 'W/"1", W/"2"', `W/"${'9'.repeat(400)}"`, 'W/"-1"', ', ,', 'W/"1.5"'],
  'If-None-Match': ['W/"1"', '*', 'W/"0", "x"', '"', 'W/"99999999999999999999"'],
  'If-None-Exist': [
    '_id=f1',
    'Patient?_id=f1',
    '?',
    '_id=f1&_count=0',
    '_format=xml',
    '_sort=x',
    '%',
    '_has:::=',
    '_filter=(',
  ],
  'If-Modified-Since': [
    'Sat, 01 Jan 2000 00:00:00 GMT',
    'Sat, 01 Jan 99999 00:00:00 GMT',
    '0',
    '-1',
    'Sun, 31 Feb 2020 25:61:61 GMT',
    '2020-01-01',
  ],
  Prefer: [
    'return=minimal',
    'return=representation',
    'return="OperationOutcome"',
    'respond-async',
    'handling=lenient, handling=strict',
    'return',
    '=',
    ';;',
    'return=minimal; x="',
    'x'.repeat(4000),
    'respond-async, return=OperationOutcome',
  ],
  Accept: [
    'application/fhir+xml',
    'application/fhir+json; fhirVersion=4.0',
    'application/fhir+json; fhirVersion=99',
    'text/html, */*;q=0',
    '*/*;q=x',
    'application/fhir+json;q=1e9',
    '/',
    'application/graphql-response+json',
    'a/b, '.repeat(300),
    'application/xml;q=0.5, application/json;q=0.4',
    'text/plain',
  ],
  'Content-Type': [
    'application/fhir+json; charset="utf-8"',
    'application/fhir+json; charset=utf-16',
    'application/fhir+xml',
    'application/json-patch+json',
    'application/merge-patch+json',
    'application/graphql',
    'application/x-www-form-urlencoded',
    'application/fhir+json; fhirVersion=4.0',
    'multipart/form-data; boundary=x',
    'x',
    ';',
    'text/plain',
    'application/fhir+ndjson',
    'application/octet-stream',
  ],
  'Accept-Encoding': ['gzip, br;q=0', 'identity;q=0', '*;q=0', 'zstd, x;q=abc', ','],
  'Content-Encoding': ['gzip', 'identity', 'deflate, gzip', 'x', ''],
  'X-Forwarded-Host': ['x.example', 'a b', '"', 'evil.example:99999', 'x, y', '[::1', '../..'],
  'X-Forwarded-Proto': ['https', 'javascript', ''],
  'X-Forwarded-For': ['1.2.3.4', 'x, y', '::1'],
  'X-Forwarded-Port': ['0', '-1', 'x'],
  'X-Forwarded-Prefix': ['/x', '//', '%00'],
  Forwarded: ['for=1.2.3.4;host=x;proto=https', ';;'],
  'X-HTTP-Method-Override': ['DELETE'],
  'X-Request-Id': ['x'.repeat(200), 'a;b', '{}'],
  'X-Provenance': ['{', '{"resourceType":"Provenance"}'],
  traceparent: ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', '00-x', ''],
  Range: ['bytes=0-1', 'bytes=x', 'bytes=99999999999-'],
  Expect: ['100-continue'],
  'Accept-Language': ['de, en;q=0.5', '*', 'x'.repeat(100), ';q='],
  'X-Security-Context': ['Patient/f1', 'x'],
};

/** Up to four of them; now and then one twice. `type`: the Content-Type that fits, which most requests keep. */
export function makeHeaders(chance: Chance, type: string): OutgoingHttpHeaders {
  const { one } = chance;
  const headers: OutgoingHttpHeaders = { 'Content-Type': type };
  if (chance.once(2)) return headers;
  for (const name of chance.some(4, () => one(Object.keys(VALUES)))) {
    if (name === 'Content-Type' && !chance.once(3)) continue;
    const values = VALUES[name]!;
    headers[name] = chance.once(5) ? [one(values), one(values)] : one(values);
  }
  return headers;
}
