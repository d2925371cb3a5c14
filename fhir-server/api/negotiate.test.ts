// https://hl7.org/fhir/R4/http.html#mime-type, https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCerebraError } from '#platform';
import { codingFor } from './compress.ts';
import { formatOfContent, negotiate, plainJson, queryValue } from './negotiate.ts';

const json = 'application/fhir+json; charset=utf-8';
const xml = 'application/fhir+xml; charset=utf-8';
const ndjson = 'application/fhir+ndjson; charset=utf-8';
const refused = 406;

/** The Content-Type of the answer, or 406 and the expression of the refusal. */
function outcome(accept: string | undefined, format?: string): string | typeof refused {
  try {
    return negotiate(accept, format, undefined).contentType;
  } catch (error) {
    assert.ok(isCerebraError(error, 'not-acceptable'), String(error));
    assert.deepEqual(error.issues[0]?.expression, [format === undefined ? 'Accept' : '_format']);
    return refused;
  }
}

describe('Accept', () => {
  const cases: [string | undefined, string | typeof refused][] = [
    [undefined, json],
    ['', json],
    ['*/*', json],
    ['*', json],
    ['application/*', json],
    ['application/fhir+json', json],
    ['Application/FHIR+JSON', json],
    ['application/json', json],
    ['text/json', json],
    ['application/json+fhir', json],
    ['application/fhir+json;charset=utf-8', json],
    ['application/fhir+xml', xml],
    ['application/xml', xml],
    ['text/xml', xml],
    ['application/xml+fhir', xml],
    ['application/fhir+ndjson', ndjson],
    ['application/x-ndjson', ndjson],
    ['text/turtle', refused],
    ['text/html', refused],
    ['image/png', refused],
    [',,', refused],
    ['application/fhir+xml, application/fhir+json', xml],
    ['application/fhir+json, application/fhir+xml', json],
    ['application/fhir+json;q=0.5, application/fhir+xml;q=0.9', xml],
    ['application/fhir+xml;q=0.5, application/fhir+json', json],
    ['application/fhir+xml;q=0.9, */*;q=0.8', xml],
    ['application/fhir+xml;q=0.2, */*;q=0.8', json],
    ['*/*, application/fhir+xml', xml],
    ['application/*;q=0.5, application/fhir+xml;q=0.5', xml],
    ['application/fhir+json;q=0, */*', xml],
    ['application/fhir+json;q=0', refused],
    ['*/*;q=0', refused],
    ['application/fhir+xml;q=oops', xml],
    ['text/turtle, application/fhir+xml;q=0.1', xml],
    ['application/fhir+xml ; q=0.5 , application/fhir+json ; q = 0.4', xml],
    // The most specific range counts for a format, not the heaviest.
    ['application/*;q=1, application/fhir+json;q=0.1', xml],
    // Browsers.
    ['text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8', json],
    ['text/html,application/xhtml+xml,application/xml', xml],
    // NDJSON comes only by its name.
    ['application/fhir+ndjson;q=0.1, */*;q=0.05', ndjson],
    // Versions of FHIR.
    ['application/fhir+json; fhirVersion=4.0', 'application/fhir+json; fhirVersion=4.0; charset=utf-8'],
    ['application/fhir+xml; fhirversion="4.0"', 'application/fhir+xml; fhirVersion=4.0; charset=utf-8'],
    ['application/fhir+json; fhirVersion=4.0.1', 'application/fhir+json; fhirVersion=4.0; charset=utf-8'],
    ['application/fhir+json; fhirVersion=3.0', refused],
    [
      'application/fhir+json; fhirVersion=5.0, application/fhir+xml; fhirVersion=4.0',
      'application/fhir+xml; fhirVersion=4.0; charset=utf-8',
    ],
    ['application/fhir+json; fhirVersion=5.0, */*;q=0.1', json],
  ];
  for (const [accept, expected] of cases) {
    test(`${accept} → ${expected}`, () => {
      assert.equal(outcome(accept), expected);
      assert.equal(outcome(accept), expected, 'also when it is known');
    });
  }
});

describe('_format', () => {
  const cases: [string, string | typeof refused][] = [
    ['json', json],
    ['xml', xml],
    ['ndjson', ndjson],
    [' XML ', xml],
    ['application/fhir+xml', xml],
    ['application/fhir xml', xml],
    ['application/json', json],
    ['text/xml', xml],
    ['application/fhir json; fhirVersion=4.0', 'application/fhir+json; fhirVersion=4.0; charset=utf-8'],
    ['application/fhir+json;fhirVersion=5.0', refused],
    ['html', refused],
    ['text/html', refused],
    ['ttl', refused],
    ['*/*', refused],
    ['constructor', refused],
    ['__proto__', refused],
    ['x'.repeat(5000), refused],
  ];
  for (const [format, expected] of cases) {
    test(`${format.slice(0, 60)} → ${expected}`, () => assert.equal(outcome('image/png', format), expected));
  }

  test('an empty one is none', () => assert.equal(negotiate('text/xml', '', undefined).contentType, xml));
});

test('plain JSON is always the same object, so that it takes no work', () => {
  for (const accept of [undefined, '*/*', 'application/json', 'application/fhir+json;q=0.9, */*;q=0.1']) {
    assert.equal(negotiate(accept, undefined, undefined), plainJson, accept);
    assert.equal(negotiate(accept, undefined, 'false'), plainJson, accept);
  }
  assert.equal(negotiate('text/xml', 'json', undefined), plainJson);
  assert.notEqual(negotiate(undefined, undefined, 'true'), plainJson);
});

test('_pretty', () => {
  assert.deepEqual(negotiate(undefined, undefined, 'true'), { format: 'json', pretty: true, contentType: json });
  assert.deepEqual(negotiate('text/xml', undefined, 'true'), { format: 'xml', pretty: true, contentType: xml });
  // A resource a line is what it is.
  assert.equal(negotiate(undefined, 'ndjson', 'true').pretty, false);
  // What is known of an Accept header is not what one request asked for.
  assert.equal(negotiate('text/xml', undefined, undefined).pretty, false);
});

describe('Content-Type', () => {
  for (const type of [
    undefined,
    '',
    'application/fhir+json',
    'application/json; charset=UTF-8',
    'text/json',
    'application/fhir+json; fhirVersion=4.0',
    'application/json; charset="utf-8"',
  ])
    test(`${type} is JSON`, () => assert.equal(formatOfContent(type), 'json'));

  for (const type of [
    'application/fhir+xml',
    'APPLICATION/XML',
    'text/xml;charset=us-ascii',
    'application/fhir+xml;fhirVersion=4.0.1',
  ])
    test(`${type} is XML`, () => assert.equal(formatOfContent(type), 'xml'));

  for (const type of [
    'text/plain',
    'application/fhir+ndjson',
    'application/fhir+json; fhirVersion=3.0',
    'application/fhir+json; charset=iso-8859-1',
    'application/fhir+xml; charset=utf-16',
    'application/x-www-form-urlencoded',
    'constructor',
  ])
    test(`${type} is refused`, () =>
      assert.throws(
        () => formatOfContent(type),
        (error) =>
          isCerebraError(error, 'unsupported-media-type') && error.issues[0]?.expression?.[0] === 'Content-Type',
      ));
});

test('a parameter of a query string', () => {
  assert.equal(queryValue('', '_format'), undefined);
  assert.equal(queryValue('a=b&_format=xml&_format=json', '_format'), 'xml');
  assert.equal(queryValue('_format=application%2Ffhir%2Bxml', '_format'), 'application/fhir+xml');
  assert.equal(queryValue('_format=application/fhir+xml', '_format'), 'application/fhir xml');
  assert.equal(queryValue('x_format=xml', '_format'), undefined);
  assert.equal(queryValue('_formats=xml', '_format'), undefined);
  assert.equal(queryValue('_format=%zz', '_format'), undefined);
  assert.equal(queryValue('_format=', '_format'), '');
});

describe('Accept-Encoding', () => {
  const cases: [string, 'br' | 'gzip' | undefined][] = [
    ['gzip', 'gzip'],
    ['x-gzip', 'gzip'],
    ['br', 'br'],
    ['gzip, deflate, br', 'br'],
    ['gzip;q=1.0, br;q=0.5', 'gzip'],
    ['GZIP', 'gzip'],
    ['*', 'br'],
    ['*;q=0.5, br;q=0', 'gzip'],
    ['gzip;q=0', undefined],
    ['identity', undefined],
    ['identity, gzip;q=0.5', undefined],
    ['deflate', undefined],
    ['', undefined],
    ['gzip;q=0, *', 'br'],
    ['constructor', undefined],
  ];
  for (const [header, expected] of cases) {
    test(`${header} → ${expected}`, () => {
      assert.equal(codingFor(header), expected);
      assert.equal(codingFor(header), expected, 'also when it is known');
    });
  }
});
