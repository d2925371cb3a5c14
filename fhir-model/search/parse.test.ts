import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseSearch, type SearchOptions, selfLinkQuery } from './parse.ts';
import { options, pairsOf, rejects } from './search-testing.ts';
import type { Criterion, SearchQuery } from './types.ts';

const defaults = options;
const parse = (type: string, search: string, more: Partial<SearchOptions> = {}): SearchQuery =>
  parseSearch(type, pairsOf(search), { ...defaults, ...more });

/** The criterion with its parameter's code for the parameter. */
function plain(criterion: Criterion): Record<string, unknown> {
  const { param, chain, ...rest } = criterion;
  const links = chain?.map((link) => ({ type: link.type, criterion: plain(link.criterion) }));
  return { ...rest, param: param.code, ...(links && { chain: links }) };
}
const values = (type: string, search: string): unknown =>
  parse(type, search).criteria.map((criterion) => criterion.values);

describe('tokens', () => {
  const cases: [string, unknown][] = [
    ['gender=male', { code: 'male' }],
    ['identifier=http://acme.org/patient|2345', { system: 'http://acme.org/patient', code: '2345' }],
    ['identifier=|2345', { system: '', code: '2345' }],
    ['identifier=http://acme.org/patient|', { system: 'http://acme.org/patient' }],
    ['identifier=a\\|b', { code: 'a|b' }],
    ['identifier=a\\,b', { code: 'a,b' }],
  ];
  for (const [search, expected] of cases) {
    const text = pairsOf(search)[0]?.[1];
    test(search, () =>
      assert.deepEqual(values('Patient', search), [[{ kind: 'token', text, ...(expected as object) }]]),
    );
  }

  test('OR, AND and :not', () => {
    const query = parse('Patient', 'language=FR,NL&language:not=EN');
    assert.deepEqual(query.criteria.map(plain), [
      {
        name: 'language',
        param: 'language',
        values: [
          { kind: 'token', text: 'FR', code: 'FR' },
          { kind: 'token', text: 'NL', code: 'NL' },
        ],
      },
      { name: 'language:not', param: 'language', modifier: 'not', values: [{ kind: 'token', text: 'EN', code: 'EN' }] },
    ]);
  });

  test('malformed', () => {
    rejects('Patient', 'identifier=a|b|c', 'invalid-parameter', /more than one \|/);
    rejects('Patient', 'identifier=|', 'invalid-parameter', /neither system nor code/);
    rejects('Patient', 'identifier=a\\b', 'invalid-parameter', /backslash/);
    rejects('Patient', 'identifier=a,,b', 'invalid-parameter', /empty alternative/);
    rejects('Patient', '_id=x|y', 'invalid-parameter', /is no id/);
    rejects(
      'Patient',
      'telecom=phone|555',
      'invalid-parameter',
      /'phone\|555' has a system, and values of telecom have none/,
    );
    rejects('Patient', 'phone:not=phone|555', 'invalid-parameter', /values of phone have none/);
    rejects('Patient', 'active=http://x|true', 'invalid-parameter', /values of active have none/);
    rejects('Observation', 'subject:Patient.email=email|a@b.c', 'invalid-parameter', /values of email have none/);
  });
});

describe('references', () => {
  const cases: [string, string, unknown][] = [
    ['Observation', 'subject=Patient/23', { type: 'Patient', id: '23' }],
    ['Observation', 'subject:Patient=23', { type: 'Patient', id: '23' }],
    ['Observation', 'subject:Patient=Patient/23', { type: 'Patient', id: '23' }],
    ['Observation', 'subject=23', { id: '23' }],
    ['Observation', 'patient=23', { type: 'Patient', id: '23' }],
    ['Observation', 'subject=http://other.org/fhir/Patient/23', { url: 'http://other.org/fhir/Patient/23' }],
    ['Observation', 'subject=urn:uuid:0', { url: 'urn:uuid:0' }],
    ['QuestionnaireResponse', 'questionnaire=http://q\\|2', { url: 'http://q|2' }],
    ['QuestionnaireResponse', 'questionnaire=http://q|2', { url: 'http://q|2' }],
  ];
  for (const [type, search, expected] of cases) {
    const text = pairsOf(search)[0]?.[1];
    test(search, () =>
      assert.deepEqual(values(type, search), [[{ kind: 'reference', text, ...(expected as object) }]]),
    );
  }

  test('our own base makes a URL local', () => {
    const query = parse('Observation', 'subject=http://me/fhir/Patient/1', { baseUrl: 'http://me/fhir' });
    assert.deepEqual(query.criteria[0]?.values, [
      { kind: 'reference', text: 'http://me/fhir/Patient/1', type: 'Patient', id: '1' },
    ]);
  });

  test('malformed', () => {
    rejects('Observation', 'subject=Nope/1', 'invalid-parameter', /'Nope' is no resource type/);
    rejects('Observation', 'subject=a b', 'invalid-parameter', /is no reference/);
    rejects('Observation', 'subject=%23x', 'invalid-parameter', /is no reference/);
    rejects('Observation', 'subject:Patient=Group/1', 'invalid-parameter', /is no Patient/);
    rejects('Observation', 'subject:Patient=http://x/Patient/1', 'invalid-parameter', /applies to ids of this server/);
    rejects('Observation', 'subject:Encounter=1', 'invalid-parameter', /refers to .*, not to Encounter/);
  });
});

describe('dates, numbers and quantities', () => {
  test('a date without a zone is UTC; the prefix is apart', () => {
    assert.deepEqual(values('Patient', 'birthdate=ge1970-01-01'), [
      [{ kind: 'date', text: 'ge1970-01-01', prefix: 'ge', lo: 0, hi: 86_399_999 }],
    ]);
    const [instant] = parse('Patient', '_lastUpdated=gt1970-01-01T01:00:00+01:00').criteria[0]?.values ?? [];
    assert.deepEqual(instant, { kind: 'date', text: 'gt1970-01-01T01:00:00 01:00', prefix: 'gt', lo: 0, hi: 999 });
  });

  test('number', () => {
    assert.deepEqual(values('RiskAssessment', 'probability=gt8e-1'), [
      [{ kind: 'number', text: 'gt8e-1', prefix: 'gt', value: '0.8', lo: '0.75', hi: '0.85' }],
    ]);
  });

  const cases: [string, unknown][] = [
    [
      '5.4|http://unitsofmeasure.org|mg',
      { value: '5.4', lo: '5.35', hi: '5.45', system: 'http://unitsofmeasure.org', code: 'mg' },
    ],
    [
      '5.40e-3|http://unitsofmeasure.org|g',
      { value: '0.00540', lo: '0.005395', hi: '0.005405', system: 'http://unitsofmeasure.org', code: 'g' },
    ],
    ['5.4||mg', { value: '5.4', lo: '5.35', hi: '5.45', code: 'mg' }],
    ['5.4', { value: '5.4', lo: '5.35', hi: '5.45' }],
  ];
  for (const [text, expected] of cases) {
    test(text, () =>
      assert.deepEqual(values('Observation', `value-quantity=${text}`), [
        [{ kind: 'quantity', text, prefix: 'eq', ...(expected as object) }],
      ]),
    );
  }

  test('malformed', () => {
    rejects('Patient', 'birthdate=yesterday', 'invalid-parameter', /is no date/);
    rejects('Patient', 'birthdate=gt', 'invalid-parameter', /is no date/);
    rejects('Patient', 'birthdate=GT2020', 'invalid-parameter', /is no date/);
    rejects('RiskAssessment', 'probability=0.8.1', 'invalid-parameter', /is no number/);
    const beyond = /beyond the numbers that can be searched for: 100 characters and exponents of ±200 at most/;
    for (const number of ['1e400', 'ge-1e-201', '1e99999', `0.${'1'.repeat(99)}`]) {
      rejects('RiskAssessment', `probability=${number}`, 'invalid-parameter', beyond);
    }
    rejects('Observation', 'value-quantity=1e400|http://u|mg', 'invalid-parameter', beyond);
    rejects('Observation', 'value-quantity=5.4|mg', 'invalid-parameter', /is no quantity/);
    rejects('Observation', 'value-quantity=|http://u|mg', 'invalid-parameter', /is no number/);
    rejects('Observation', 'value-quantity=5|http://u|', 'unsupported', /system without a code/);
  });
});

describe('strings, uris and :missing', () => {
  test('modifiers', () => {
    const query = parse('Patient', 'given:exact=Eve&given:contains=ve&given=eve&gender:missing=true');
    assert.deepEqual(query.criteria.map(plain), [
      {
        name: 'given:exact',
        param: 'given',
        modifier: 'exact',
        values: [{ kind: 'string', text: 'Eve', value: 'Eve' }],
      },
      {
        name: 'given:contains',
        param: 'given',
        modifier: 'contains',
        values: [{ kind: 'string', text: 've', value: 've' }],
      },
      { name: 'given', param: 'given', values: [{ kind: 'string', text: 'eve', value: 'eve' }] },
      {
        name: 'gender:missing',
        param: 'gender',
        modifier: 'missing',
        values: [{ kind: 'missing', text: 'true', missing: true }],
      },
    ]);
    assert.deepEqual(parse('ValueSet', 'url:below=http://acme.org/fhir/').criteria.map(plain), [
      {
        name: 'url:below',
        param: 'url',
        modifier: 'below',
        values: [{ kind: 'uri', text: 'http://acme.org/fhir/', value: 'http://acme.org/fhir/' }],
      },
    ]);
  });

  test('malformed', () => {
    rejects('Patient', 'name=...', 'invalid-parameter', /nothing to search for/);
    rejects('ValueSet', 'url:below=urn:oid:1.2', 'invalid-parameter', /applies to URLs/);
    rejects('Patient', 'gender:missing=maybe', 'invalid-parameter', /:missing takes true or false/);
    rejects('Patient', 'gender:missing=true,false', 'invalid-parameter', /:missing takes true or false/);
    assert.equal(parse('Patient', 'name:exact=...').criteria.length, 1);
  });

  test('modifiers of other types are refused', () => {
    rejects('Patient', 'name:not=x', 'invalid-parameter', /:not is no modifier of name, a string parameter; :exact/);
    rejects('Patient', 'birthdate:exact=2020', 'invalid-parameter', /:exact is no modifier of birthdate/);
    rejects('Patient', 'gender:Patient=x', 'invalid-parameter', /:Patient is no modifier of gender/);
    rejects('Patient', 'gender:constructor=x', 'invalid-parameter', /:constructor is no modifier/);
  });
});

describe('unknown, unsupported and empty', () => {
  test('unknown: an error when strict, ignored when lenient', () => {
    rejects('Patient', 'foo=1', 'unknown-parameter', /Patient has no search parameter 'foo'/);
    const query = parse('Patient', 'foo=1&gender=male&bar:x=2', { strict: false });
    assert.deepEqual(query.ignored, ['foo', 'bar:x']);
    assert.equal(selfLinkQuery(query), 'gender=male');
  });

  test('known but unsupported: always an error, it would widen the result', () => {
    for (const name of ['_type']) {
      rejects('Patient', [[name, 'x']], 'unsupported', /here the path says the type/);
      assert.throws(() => parseSearch('Patient', [[name, 'x']], { ...defaults, strict: false }), {
        code: 'unsupported',
      });
    }
  });

  test('without a value: an error when strict, ignored when lenient', () => {
    rejects('Patient', 'identifier=', 'invalid-parameter', /has no value/);
    assert.deepEqual(parse('Patient', 'identifier=', { strict: false }).ignored, ['identifier']);
  });
});

describe('attacks', () => {
  test('names of Object.prototype and injections are unknown', () => {
    for (const name of [
      '__proto__',
      'constructor',
      'toString',
      "code'; drop table x--",
      'code or 1=1',
      '',
      ':',
      '.',
      'a:b:c',
      '\u0000',
      '_id:__proto__.x',
    ]) {
      assert.throws(() => parseSearch('Patient', [[name, 'x']], defaults), { status: 400 }, name);
    }
    for (const name of ['__proto__', 'constructor']) {
      assert.deepEqual(parseSearch('Patient', [[name, 'x']], { ...defaults, strict: false }).ignored, [name]);
    }
  });

  test('too many, too long', () => {
    const ids = (count: number): [string, string] => ['_id', Array.from({ length: count }, (_, i) => i).join(',')];
    assert.equal(parseSearch('Patient', [ids(1000)], defaults).criteria[0]?.values.length, 1000);
    rejects('Patient', [ids(10_000)], 'too-costly', /1000 alternatives, not 10000/);
    rejects('Patient', [['name', 'x'.repeat(2049)]], 'too-costly', /2048 characters/);
    rejects('Patient', [['name', 'x'.repeat(1_000_000)]], 'too-costly', /131072 characters/);
    rejects('Patient', [['x'.repeat(1_000_000), '1']], 'invalid-parameter', /256 characters/, `${'x'.repeat(64)}…`);
    rejects(
      'Patient',
      Array.from({ length: 101 }, () => ['name', 'x']),
      'too-costly',
      /100 criteria/,
    );
    rejects('Patient', [['_sort', Array.from({ length: 11 }, () => '_id').join(',')]], 'too-costly', /10 sort rules/);
    rejects('Patient', [['_elements', 'a,'.repeat(500_000)]], 'too-costly', /200 elements/);
    rejects(
      'Patient',
      Array.from({ length: 51 }, () => ['_include', 'Patient:organization']),
      'too-costly',
      /50 includes/,
    );
    rejects('Patient', [['_cursor', 'x'.repeat(1_000_000)]], 'invalid-parameter', /no cursor/);
    rejects('Patient', [['birthdate', `2020-01-01T00:00:00.${'1'.repeat(1900)}x`]], 'invalid-parameter', /is no date/);
    assert.throws(
      () =>
        parseSearch(
          'Patient',
          Array.from({ length: 100_000 }, () => ['foo', 'x']),
          { ...defaults, strict: false },
        ),
      { code: 'too-costly' },
    );
  });
});

describe('selfLinkQuery', () => {
  test('percent-encodes what needs it, in order', () => {
    const query = parse(
      'Patient',
      '_count=2&name=J%C3%B6rg%20%26%20a%3Db&identifier=http://x|1,2&family:exact=%23%2B%25',
    );
    const link = selfLinkQuery(query);
    assert.equal(link, '_count=2&name=J%C3%B6rg%20%26%20a%3Db&identifier=http://x%7C1,2&family:exact=%23%2B%25');
    assert.equal(selfLinkQuery(parse('Patient', link)), link);
  });

  test('lone surrogates do not throw', () => {
    assert.equal(selfLinkQuery(parseSearch('Patient', [['name', 'a\uD800']], defaults)), 'name=a%EF%BF%BD');
  });
});
