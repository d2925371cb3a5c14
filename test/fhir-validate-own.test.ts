// What this server tells of itself is valid by its own $validate; what it stored in spite of faults is told with them; what it
// stored unseen is read as it is. https://hl7.org/fhir/R4/resource-operation-validate.html
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertOutcome, type Client, entries, type Reply } from './client.ts';
import { serveTests } from './server.ts';

interface Told {
  severity: string;
  code: string;
  diagnostics: string;
  expression?: string[];
}

function errorsOf(reply: Reply): string[] {
  assert.equal(reply.status, 200, reply.text.slice(0, 500));
  const issues = reply.json.issue as unknown as Told[];
  return issues.filter(({ severity }) => severity === 'error' || severity === 'fatal').map((one) => one.diagnostics);
}

async function assertValid(fhir: Client, path: string): Promise<void> {
  const { status, text } = await fhir('GET', path);
  assert.equal(status, 200, text.slice(0, 500));
  assert.deepEqual(errorsOf(await fhir('POST', '$validate', text)), [], path);
}

describe('what the server tells of itself', () => {
  const fhir = serveTests();

  test('its CapabilityStatement and TerminologyCapabilities', async () => {
    await assertValid(fhir, 'metadata');
    await assertValid(fhir, 'metadata?mode=terminology');
  });

  test('its OperationDefinitions', async () => {
    const statement = (await fhir('GET', 'metadata')).text;
    const names = [...new Set(statement.match(/OperationDefinition\/[A-Za-z0-9.-]+/g) ?? [])];
    const own: string[] = [];
    for (const name of names) if ((await fhir('GET', name)).status === 200) own.push(name);
    assert.ok(own.length >= 20, `${own.length} of ${names.length}`);
    for (const name of own) await assertValid(fhir, name);
  });

  test('json, xml and ttl are formats, what is no media type is none', async () => {
    const statement = (format: string) => ({
      ...{ resourceType: 'CapabilityStatement', status: 'draft', date: '2026-01-01', kind: 'requirements' },
      ...{ description: 'x', fhirVersion: '4.0.1', format: [format], rest: [{ mode: 'server' }] },
    });
    for (const format of ['json', 'xml', 'ttl', 'application/fhir+json']) {
      assert.deepEqual(errorsOf(await fhir('POST', '$validate', statement(format))), [], format);
    }
    const [error] = errorsOf(await fhir('POST', '$validate', statement('turtle')));
    assert.match(error ?? '', /^CapabilityStatement\.format\[0\]: turtle is not of the value set .*mimetypes/);
    const subscription = {
      ...{ resourceType: 'Subscription', status: 'requested', reason: 'x', criteria: 'Patient?' },
      channel: { type: 'rest-hook', endpoint: 'https://example.org/hook', payload: 'json' },
    };
    const [other] = errorsOf(await fhir('POST', '$validate', subscription));
    assert.match(other ?? '', /^Subscription\.channel\.payload: json is not of the value set .*mimetypes/);
  });
});

describe('recorded faults of a required profile', () => {
  const bodyWeight = 'http://hl7.org/fhir/StructureDefinition/bodyweight';
  const fhir = serveTests({ VALIDATION_PROFILES: `Observation=${bodyWeight}`, VALIDATION_RECORD: 'Observation' });
  const faulty = { resourceType: 'Observation', id: 'o', status: 'final', code: { text: 'x' } };

  test('$validate of what is stored tells as many as the tag says, whoever claims what', async () => {
    const stored = await fhir('PUT', 'Observation/o', faulty);
    assert.equal(stored.status, 201, stored.text);
    const [tag] = (stored.json.meta as { tag?: { display: string }[] }).tag ?? [];
    const errors = errorsOf(await fhir('GET', 'Observation/o/$validate'));
    assert.ok(errors.length > 1, errors.join('\n'));
    assert.equal(tag?.display, `${errors.length} faults when it was stored; $validate tells them`);
    assert.deepEqual(errorsOf(await fhir('POST', 'Observation/o/$validate', faulty)), errors);
    const update = await fhir('GET', 'Observation/o/$validate?mode=update');
    assert.deepEqual(errorsOf(update), errors);
    assert.match(update.text, /A write takes it all the same/);
  });

  test('a profile that is named stands for itself; a type’s $validate asks R4 alone', async () => {
    const named = 'Observation/o/$validate?profile=http://hl7.org/fhir/StructureDefinition/Observation';
    assert.deepEqual(errorsOf(await fhir('GET', named)), []);
    assert.deepEqual(errorsOf(await fhir('POST', 'Observation/$validate', faulty)), []);
    assert.ok(errorsOf(await fhir('POST', 'Observation/$validate?mode=create', faulty)).length > 1);
  });
});

describe('a resource that was stored unseen', () => {
  const fhir = serveTests({ VALIDATION: 'Basic=off' });
  const accept = { Accept: 'application/fhir+xml' };

  test('JSON has it as it is; as XML it is refused with the reason', async () => {
    const odd = { resourceType: 'Basic', id: 'odd', what: 'ever' };
    assert.equal((await fhir('PUT', 'Basic/odd', odd)).status, 201);
    assert.equal((await fhir('GET', 'Basic/odd')).json.what, 'ever');
    for (const path of ['Basic/odd', 'Basic?_id=odd', 'Basic/odd/_history']) {
      const reply = await fetch(`${fhir.base}/${path}`, { headers: accept });
      const text = await reply.text();
      assert.equal(reply.status, 406, text);
      assert.match(text, /<code value="not-supported"\/>/);
      assert.match(text, /is not valid and can.{1,6}t be written as XML/);
      assert.match(text, /Basic\.what: R4 has no such element/);
    }
    assert.equal(entries(await fhir('GET', 'Basic?_id=odd')).length, 1);
    assertOutcome(await fhir('GET', 'Basic/other'), 404, 'not-found');
  });
});
