import assert from 'node:assert/strict';
import test from 'node:test';
import { parseMessage } from '../message/message.ts';
import { absent, createMapping, type OpenMapping } from './context.ts';
import { fixedZone } from './datetime.ts';

function mappingOf(...lines: string[]): OpenMapping {
  const message = parseMessage(Buffer.from(lines.join('\r')));
  return createMapping(message, { messageKey: '7' }, { zone: fixedZone('+02:00'), identifierSystems: {} }, 'A01');
}

const header = 'MSH|^~\\&|A|B|||20260301080000||ADT^A01|1|P|2.5';

test('a resource that says nothing is not written, and nothing refers to it', () => {
  const mapping = mappingOf(header);
  const add = (resourceType: string, rest: object, constants?: string[]) =>
    mapping.add({
      method: 'POST',
      url: resourceType,
      resource: { resourceType, ...rest },
      ...(constants && { constants }),
    });
  const patient = add('Patient', { identifier: [{ value: '1' }] });
  const empty = [
    add('Observation', { status: 'final', subject: { reference: patient }, code: absent, note: [{ text: '' }] }),
    add('Specimen', { subject: { reference: patient }, type: undefined }),
    add('Coverage', { status: 'active', beneficiary: { reference: patient }, order: 1 }, ['order']),
  ];
  add('DiagnosticReport', {
    status: 'final',
    code: { text: 'x' },
    result: empty.map((reference) => ({ reference })),
    specimen: [{ reference: empty[1] }, { reference: 'Specimen/9', display: 'kept' }],
    performer: [{ reference: empty[0], display: 'kept without the reference' }],
  });
  const { entries } = mapping.finish();
  assert.deepEqual(
    entries.map(({ resource }) => resource!.resourceType),
    ['Patient', 'DiagnosticReport'],
  );
  assert.deepEqual(entries[1]!.resource, {
    resourceType: 'DiagnosticReport',
    status: 'final',
    code: { text: 'x' },
    specimen: [{ reference: 'Specimen/9', display: 'kept' }],
    performer: [{ display: 'kept without the reference' }],
  });
});

test('references to a resource of a given id go with it', () => {
  const mapping = mappingOf(header);
  mapping.add({ method: 'PUT', url: 'Specimen/1', resource: { resourceType: 'Specimen', id: '1' } });
  mapping.add({
    method: 'POST',
    url: 'Observation',
    resource: { resourceType: 'Observation', code: { text: 'x' }, specimen: { reference: 'Specimen/1' } },
  });
  assert.deepEqual(mapping.finish().entries[0]!.resource, { resourceType: 'Observation', code: { text: 'x' } });
});

test('the message time is of EVN-2, else of MSH-7', () => {
  assert.equal(mappingOf(header).time, '2026-03-01T08:00:00+02:00');
  assert.equal(mappingOf(header, 'EVN||20260228').time, '2026-02-28T00:00:00+02:00');
  assert.equal(mappingOf(header, 'EVN||20260301').time, '2026-03-01T08:00:00+02:00');
  assert.equal(mappingOf(header, 'EVN||202602').time, '2026-03-01T08:00:00+02:00');
  assert.equal(mappingOf(header, 'EVN||20260228120000-0500').time, '2026-02-28T12:00:00-05:00');
  assert.equal(mappingOf('MSH|^~\\&|A|B|||||ADT^A01|1|P|2.5').time, undefined);
});

test('a warning is told once, also after the mapping is finished', () => {
  const mapping = mappingOf(header);
  const { warnings } = mapping.finish();
  for (const text of ['PID-7: not a date', 'PID-7: not a date', 'late']) mapping.warnings.add(text);
  assert.deepEqual(warnings, ['PID-7: not a date', 'late']);
});
