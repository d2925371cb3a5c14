import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import {
  entriesOf,
  mapLines,
  onlyEntry,
  onlyResource,
  refusalOf,
  storedAfter,
  storedOf,
} from '../../testing/mapped.ts';

const message = (event: string, txa: string, at: string, ...rest: string[]) => [
  `MSH|^~\\&|DICT|NORTH|EHR|SOUTH|${at}||MDM^${event}^MDM_T02|M1|P|2.5.1`,
  `EVN|${event}|${at}`,
  'PID|1||777^^^HOSP^MR||TEST^PATIENT',
  'PV1|1|I|||||||||||||||||V55^^^HOSP',
  txa,
  ...rest,
];
const txa = (number = 'D1', parent = '', status = 'AU', availability = 'AV') =>
  `TXA|1|DS^Discharge summary^HL70270|TX|20260301|100^Doc^Dora^^^^^^HOSP|20260301070000||20260301|100^Doc^Dora^^^^^^HOSP|||${number}^DICT|${parent}|P1^EHR|F1^LAB|summary.pdf|${status}|R|${availability}||||||Summary`;
const text = ['OBX|1|TX|DS^Summary^L|1|First line||||||F', 'OBX|2|TX|DS^Summary^L|2|Second line||||||F'];

test('MDM^T02: the document with its number, author, states and text', () => {
  const mapped = mapLines(...message('T02', txa(), '20260301080000', ...text));
  assert.deepEqual(mapped.warnings, []);
  const document = onlyResource(mapped, 'DocumentReference');
  assert.equal((document.masterIdentifier as JsonObject).value, 'D1');
  assert.deepEqual(
    [document.status, document.docStatus, document.description, document.date],
    ['current', 'final', 'Summary', '2026-03-01T07:00:00Z'],
  );
  assert.deepEqual(
    (document.author as JsonObject[]).map(({ display }) => display),
    ['Dora Doc'],
  );
  const [{ attachment }] = document.content as [{ attachment: JsonObject }];
  assert.equal(Buffer.from(String(attachment.data), 'base64').toString(), 'First line\nSecond line');
  assert.equal(attachment.contentType, 'text/plain; charset=utf-8');
  const related = (document.context as JsonObject).related as JsonObject[];
  assert.deepEqual(
    related.map(({ identifier }) => (identifier as JsonObject).value),
    ['P1', 'F1'],
  );
  assert.deepEqual(entriesOf(mapped, 'Observation'), []);
});

test('a large document is a Binary', () => {
  const data = Buffer.alloc(10 * 1024 * 1024, 'x').toString('base64');
  const mapped = mapLines(
    ...message('T02', txa(), '20260301080000', `OBX|1|ED|DS^Summary^L||^AP^PDF^Base64^${data}||||||F`),
  );
  const { resource } = onlyEntry(mapped, 'Binary');
  assert.equal(String(resource.data).length, data.length);
  const [{ attachment }] = onlyResource(mapped, 'DocumentReference').content as [{ attachment: JsonObject }];
  assert.deepEqual([attachment.url, attachment.size], [`Binary/${resource.id}`, 10 * 1024 * 1024]);
});

function documents(...messages: string[][]): Resource[] {
  return storedOf(storedAfter(...messages).resources, 'DocumentReference');
}

const original = message('T02', txa(), '20260301080000', ...text);

const pdf = Buffer.from('%PDF-1.7 one two three %%EOF');
const pdfPart = (from: number, to: number): string => `^AP^PDF^Base64^${pdf.subarray(from, to).toString('base64')}`;
/** Cut where three bytes end, and in between. */
const cuts = [`${pdfPart(0, 9)}~${pdfPart(9, 30)}`, `${pdfPart(0, 10)}~${pdfPart(10, 13)}~${pdfPart(13, 30)}`];

for (const type of ['MDM', 'ORU']) {
  for (const [index, cut] of cuts.entries()) {
    for (const asValues of [true, false]) {
      test(`${type}: a PDF in parts, as ${asValues ? 'values of one OBX' : 'one OBX after the other'}, cut ${index}`, () => {
        const values = asValues ? [cut] : cut.split('~');
        // Another one follows, which is whole.
        const all = [...values, pdfPart(0, 30)];
        const obx = all.map((value, at) => `OBX|${at + 1}|ED|PDF^Report^L|${at + 1}|${value}||||||F`);
        const mapped = mapLines(
          ...(type === 'MDM'
            ? message('T02', txa(), '20260301080000', ...obx)
            : [
                'MSH|^~\\&|LAB|NORTH|EHR|SOUTH|20260301080000||ORU^R01^ORU_R01|M1|P|2.5.1',
                'PID|1||777^^^HOSP^MR||TEST^PATIENT',
                'OBR|1|P1^EHR|F1^LAB|A^Report^L|||20260301070000||||||||||||||||||F',
                ...obx,
              ]),
        );
        assert.deepEqual(mapped.warnings, []);
        const binaries = entriesOf(mapped, 'Binary').map(({ resource }) =>
          Buffer.from(String(resource.data), 'base64'),
        );
        assert.deepEqual(binaries.map(String), [String(pdf), String(pdf)]);
      });
    }
  }
}

test('status changes keep the document, edits replace it, cancellations withdraw it', () => {
  const [changed] = documents(original, message('T03', txa('D1', '', 'LA'), '20260301090000'));
  assert.equal((changed!.content as JsonObject[]).length, 1);
  assert.ok(((changed!.content as JsonObject[])[0]!.attachment as JsonObject).data);
  const edit = message('T08', txa(), '20260301090000', text[0]!.replace('First', 'Edited'));
  const [edited, ...others] = documents(original, edit);
  assert.deepEqual(others, []);
  const data = ((edited!.content as JsonObject[])[0]!.attachment as JsonObject).data;
  assert.equal(Buffer.from(String(data), 'base64').toString(), 'Edited line');
  const [late] = documents(edit, original);
  assert.deepEqual(late!.content, edited!.content);
  const [withdrawn] = documents(original, message('T11', txa(), '20260301090000'));
  assert.equal(withdrawn!.status, 'entered-in-error');
});

test('an addendum appends; a replacement supersedes, also what comes after it', () => {
  const addendum = message('T06', txa('D2', 'D1^DICT'), '20260301090000', ...text);
  const [first, second] = documents(original, addendum);
  assert.equal(first!.status, 'current');
  const [relation] = second!.relatesTo as JsonObject[];
  assert.deepEqual(
    [relation!.code, ((relation!.target as JsonObject).identifier as JsonObject).value],
    ['appends', 'D1'],
  );
  const replacement = message('T10', txa('D3', 'D1^DICT'), '20260301090000', ...text);
  const status = (found: Resource[]) =>
    Object.fromEntries(found.map((one) => [(one.masterIdentifier as JsonObject).value, one.status]));
  assert.deepEqual(status(documents(original, replacement)), { D1: 'superseded', D3: 'current' });
  assert.deepEqual(status(documents(replacement, original)), { D1: 'superseded', D3: 'current' });
});

test('availability, measurements and refusals', () => {
  const [obsolete] = documents(message('T02', txa('D1', '', 'AU', 'OB'), '20260301080000', ...text));
  assert.equal(obsolete!.status, 'superseded');
  const measured = mapLines(
    ...message('T02', txa(), '20260301080000', ...text, 'OBX|3|NM|8867-4^Heart rate^LN||68|/min|||||F'),
  );
  assert.deepEqual(onlyResource(measured, 'Observation').derivedFrom, [
    { reference: onlyEntry(measured, 'DocumentReference').fullUrl },
  ]);
  const withoutTxa = message('T02', '', '20260301080000', ...text).filter((line) => line !== '');
  assert.equal(refusalOf(...withoutTxa), 'AE 100 Required segment TXA is missing');
});
