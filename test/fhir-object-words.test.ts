// A client's word may be the name of something that every JavaScript object has: it is an unknown word wherever it stands.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { differences, type Place, serveWords } from './object-words.ts';

const { wire, get } = serveWords();
const json = { 'Content-Type': 'application/fhir+json' };

test('in the address', async () => {
  const paths = [
    ...[
      'WORD',
      'WORD/p',
      'WORD?_id=p',
      'Patient/WORD',
      'Patient/p/WORD',
      'Patient/p/_history/WORD',
      'Patient/p/WORD/x',
    ],
    ...['WORD/p/Observation', '$WORD', 'Patient/$WORD', 'Patient/p/$WORD', 'WORD/$validate', 'WORD/$everything'],
    ...['metadata?mode=WORD', 'metadata?_format=WORD', 'metadata?WORD=x', 'metadata?_summary=WORD', 'WORD/_history'],
  ];
  assert.deepEqual(await differences(paths.map(get)), []);
});

test('in a search', async () => {
  const queries = [
    ...['WORD=x', 'name:WORD=x', 'name=WORD', 'identifier=WORD|x', 'gender=WORD', 'gender:WORD=x', 'birthdate=WORD'],
    ...['general-practitioner:WORD=x', 'general-practitioner.WORD=x', 'organization:WORD.name=x', 'link=WORD/x'],
    ...['_has:WORD:patient:code=x', '_has:Observation:WORD:code=x', '_has:Observation:patient:WORD=x'],
    ...['_include=WORD', '_include=WORD:x', '_include=Patient:WORD', '_include=Patient:organization:WORD'],
    ...['_revinclude=WORD:x', '_revinclude=Observation:WORD', '_include:WORD=Patient:organization', '_sort=WORD'],
    ...['_elements=WORD', '_summary=WORD', '_total=WORD', '_count=WORD', '_type=WORD', '_filter=WORD eq x'],
    ...[
      '_filter=name WORD x',
      '_filter=name eq WORD',
      '_filter=name[WORD eq x].y eq z',
      '_format=WORD',
      '_cursor=WORD',
    ],
    ...['_query=WORD', '_contained=WORD', '_containedType=WORD', '_content=WORD', '_text=WORD', '_lastUpdated=WORD'],
    ...['_id=WORD', '_tag=WORD|x', '_tag:WORD=x', '_security=WORD', '_profile=WORD', '_source=WORD', '_list=WORD'],
    ...['phone:WORD=x', 'identifier:of-type=WORD|WORD|x', 'family:missing=WORD', '_graph=WORD', '_score=WORD'],
  ];
  const others = [
    ...['Location?near=1|2|3|WORD', 'Location?near=WORD|2', 'Observation?value-quantity=5||WORD', '?_type=WORD'],
    ...['Observation?value-quantity=5|WORD|x', 'Observation?value-quantity=5|http://unitsofmeasure.org|WORD'],
    ...['Observation?code-value-quantity=WORD$5', 'Observation?code:WORD=x', 'Observation?code:in=WORD'],
    ...['Observation?code:below=WORD', 'Observation?code=http://loinc.org|WORD', 'Observation?subject=WORD/x'],
    ...['Patient/p/Observation?WORD=x', 'Patient/p/*?_type=WORD', 'ValueSet?url:WORD=x', 'ValueSet?url:below=WORD'],
    ...['_history?WORD=x', '_history?_since=WORD', 'Patient/p/_history?_at=WORD', 'Patient/_history?_list=WORD'],
    ...['RiskAssessment?probability=WORD5', 'Patient?_type=WORD', 'Questionnaire?code=WORD', 'List?code:above=WORD'],
  ];
  const all = [...queries.map((query) => `Patient?${query}`), ...others];
  assert.deepEqual(await differences(all.map(get)), []);
  const strict = { Prefer: 'handling=strict' };
  const strictly = all.map(
    (path): Place => [
      `strictly ${path}`,
      (word) => wire('GET', `/${encodeURI(path.replaceAll('WORD', word))}`, strict),
    ],
  );
  assert.deepEqual(await differences(strictly), []);
  const forms = queries.map(
    (query): Place => [
      `form ${query}`,
      (word) =>
        wire(
          'POST',
          '/Patient/_search',
          { 'Content-Type': 'application/x-www-form-urlencoded' },
          query.replaceAll('WORD', word),
        ),
    ],
  );
  assert.deepEqual(await differences(forms), []);
});

test('in a header', async () => {
  const one = (path: string, headers: Record<string, string>, body?: string): Place => [
    `${path} ${JSON.stringify(headers)}`,
    (word) => {
      const sent = Object.entries(headers).map(([name, value]) => [
        name.replaceAll('WORD', word),
        value.replaceAll('WORD', word),
      ]);
      return wire(
        body === undefined ? 'GET' : 'POST',
        `/${path}`,
        Object.fromEntries(sent),
        body?.replaceAll('WORD', word),
      );
    },
  ];
  const patient = '{"resourceType":"Patient"}';
  const places = [
    ...[
      'WORD',
      'WORD/WORD',
      'application/WORD',
      'application/fhir+WORD',
      'application/fhir+json; WORD=WORD',
      '*/*; q=WORD',
    ],
    'application/fhir+json; fhirVersion=WORD',
  ].flatMap((type) => [
    one('Patient/p', { Accept: type }),
    one('Binary/b', { Accept: type }),
    one('Patient', { 'Content-Type': type }, patient),
    one('Binary', { 'Content-Type': type }, patient),
  ]);
  const more = [
    ...[
      'If-Match',
      'If-None-Match',
      'If-Modified-Since',
      'Prefer',
      'Accept-Language',
      'Accept-Encoding',
      'Accept-Charset',
    ],
    ...[
      'X-Request-Id',
      'X-Provenance',
      'X-Security-Context',
      'Range',
      'Authorization',
      'Origin',
      'WORD',
      'X-HTTP-Method-Override',
    ],
  ].flatMap((name) => [one('Patient/p', { [name]: 'WORD' }), one('Patient?name=x', { [name]: 'return=WORD' })]);
  const written = [
    ...['Content-Encoding', 'If-None-Exist', 'X-Provenance', 'Prefer', 'X-Security-Context', 'Content-Language'],
  ].flatMap((name) => [
    one('Patient', { ...json, [name]: 'WORD' }, patient),
    one('Patient', { ...json, [name]: 'WORD=x' }, patient),
    one('Patient', { ...json, [name]: 'return=WORD; handling=WORD' }, patient),
  ]);
  assert.deepEqual(await differences([...places, ...more, ...written]), []);
});
