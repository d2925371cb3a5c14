// Data types where R4's invariants leave holes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JsonObject, parseJson } from '#fhir-model';
import { datatypeRules } from './datatypes.ts';

function told(type: string, value: JsonObject): string | undefined {
  const fault = datatypeRules[type]?.(value, () => 'X');
  return fault && `${fault.severity} ${fault.id} ${fault.expression}: ${fault.message}`;
}

test('units of UCUM where the system says so', () => {
  const ucum = (code: string): string | undefined => told('Quantity', { system: 'http://unitsofmeasure.org', code });
  for (const code of ['mg/dL', 'mm[Hg]', '10*3/uL', '{score}', '%', '1', 'Cel'])
    assert.equal(ucum(code), undefined, code);
  assert.equal(ucum('mg/dl/'), "error quantity-ucum X.code: 'mg/dl/' is no unit of UCUM");
  assert.equal(ucum('milligram'), "error quantity-ucum X.code: 'milligram' is no unit of UCUM");
  assert.equal(ucum('constructor'), "error quantity-ucum X.code: 'constructor' is no unit of UCUM");
  assert.equal(ucum('{specific gravity}'), "warning quantity-ucum X.code: '{specific gravity}' is no unit of UCUM");
  assert.equal(told('Quantity', { system: 'http://example.org', code: 'furlong' }), undefined);
  assert.equal(
    told('Age', { system: 'http://unitsofmeasure.org', code: 'years' }),
    "error quantity-ucum X.code: 'years' is no unit of UCUM",
  );
});

test('a range in two units', () => {
  assert.equal(
    told('Range', { low: { unit: 'kg' }, high: { unit: 'lb' } }),
    "warning range-units X: low is in 'kg' and high in 'lb'",
  );
  assert.equal(told('Range', { low: { unit: 'kg' }, high: { unit: 'kg' } }), undefined);
  assert.equal(told('Range', { low: { unit: 'kg' } }), undefined);
});

test('sampled data: decimals or E, U, L, a space between, a whole number of points', () => {
  const data = (text: string, more: JsonObject = {}): string | undefined =>
    told('SampledData', { data: text, dimensions: 1, ...more });
  assert.equal(data('1 -2.50 E U L 1e3'), undefined);
  assert.equal(data('1  2'), "error sampled-data-sample X.data: '' is no decimal and not E, U or L");
  assert.equal(data('1 x'), "error sampled-data-sample X.data: 'x' is no decimal and not E, U or L");
  assert.equal(
    data('1 2 3', { dimensions: 2 }),
    'error sampled-data-dimensions X.data: 3 samples are no whole number of points of 2 dimensions',
  );
  const { exact } = parseJson('{"lowerLimit":2.0,"upperLimit":1.0}');
  assert.equal(data('1', exact as JsonObject), 'error sampled-data-limits X: lowerLimit is above upperLimit');
});

test('size and hash of an attachment are those of its data', () => {
  const data = Buffer.from('abc').toString('base64');
  assert.equal(told('Attachment', { data, size: 3, hash: 'qZk+NkcGgWq6PiVxeFDCbJzQ2J0=' }), undefined);
  assert.equal(
    told('Attachment', { data, size: 4 }),
    'error attachment-size X.size: size says 4, the data are 3 bytes',
  );
  assert.equal(
    told('Attachment', { data, hash: 'AAAA' }),
    'warning attachment-hash X.hash: hash is not the SHA-1 of the data in base64',
  );
  assert.equal(told('Attachment', { url: 'http://example.org', size: 4 }), undefined);
});

test('identifiers: the system is absolute, a value that is a URI is a whole one', () => {
  assert.equal(told('Identifier', { system: 'urn:oid:1.2.3', value: '1' }), undefined);
  assert.equal(
    told('Identifier', { system: 'mrn', value: '1' }),
    "error identifier-system X.system: an absolute URI is needed, found 'mrn'",
  );
  assert.equal(told('Identifier', { system: 'urn:ietf:rfc:3986', value: 'urn:oid:1.2' }), undefined);
  assert.equal(
    told('Identifier', { system: 'urn:ietf:rfc:3986', value: '1.2' }),
    "error identifier-uri X.value: the system says that this is a URI, found '1.2'",
  );
});
