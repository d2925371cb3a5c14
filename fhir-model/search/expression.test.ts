import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Expression, parseExpression } from './expression.ts';

const child = (name: string) => ({ kind: 'child', name }) as const;
const paths = (...all: unknown[][]) => ({ kind: 'paths', paths: all }) as unknown as Expression;

describe('parseExpression', () => {
  const cases: [string, Expression][] = [
    ['Patient.name.given', paths([child('name'), child('given')])],
    ['name | alias', paths([child('name')], [child('alias')])],
    ['Observation', paths([])],
    ['(Observation.value as Quantity)', paths([child('value'), { kind: 'type', type: 'Quantity' }])],
    ['Observation.value.as(Quantity)', paths([child('value'), { kind: 'type', type: 'Quantity' }])],
    [
      '(Observation.value.ofType(string)) | (Observation.value.ofType(CodeableConcept)).text',
      paths(
        [child('value'), { kind: 'type', type: 'string' }],
        [child('value'), { kind: 'type', type: 'CodeableConcept' }, child('text')],
      ),
    ],
    ['Task.for.where(resolve() is Patient)', paths([child('for'), { kind: 'refersTo', type: 'Patient' }])],
    [
      "Patient.telecom.where(system='phone')",
      paths([child('telecom'), { kind: 'equals', name: 'system', value: 'phone' }]),
    ],
    [
      "Library.relatedArtifact.where(type='depends-on').resource",
      paths([child('relatedArtifact'), { kind: 'equals', name: 'type', value: 'depends-on' }, child('resource')]),
    ],
    ['Bundle.entry[0].resource', paths([child('entry'), { kind: 'index', index: 0 }, child('resource')])],
    [
      'Patient.deceased.exists() and Patient.deceased != false',
      {
        kind: 'boolean',
        all: [
          { kind: 'exists', paths: [[child('deceased')]] },
          { kind: 'compare', paths: [[child('deceased')]], negated: true, literal: false },
        ],
      },
    ],
    [
      "Patient.extension('http://x').value as Reference",
      paths([
        ...[child('extension'), { kind: 'equals', name: 'url', value: 'http://x' }],
        ...[child('value'), { kind: 'type', type: 'Reference' }],
      ]),
    ],
    [
      "extension('http://x').url",
      paths([child('extension'), { kind: 'equals', name: 'url', value: 'http://x' }, child('url')]),
    ],
  ];
  for (const [text, expected] of cases) test(text, () => assert.deepEqual(parseExpression(text), expected));

  const outside = [
    '',
    'Patient.',
    'Patient..name',
    'Patient.name.first()',
    'Patient.extension(url)',
    "Patient.extension('http://x', 'y')",
    'Patient.name.where(use = given)',
    'Patient.name[x]',
    '(Patient.name',
    'Patient.name)',
    'Patient.name |',
    'Patient.name.exists() or Patient.active',
    'Patient.name + 1',
    "Patient.name.where(use='a' and given='b')",
    'Patient.name ; drop',
    '%resource.id',
  ];
  for (const text of outside) {
    test(`outside: ${text}`, () => assert.equal(parseExpression(text), undefined));
  }
});
