// Early warning scores from the vital sign to the Observation, through the server's doors.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { waitFor } from '#platform/testing';
import { type Client, entries } from './client.ts';
import { plainNews2 } from './plain-news2.ts';
import { serveTests } from './server.ts';
import { healthy, instant, kinds, noon, observation, randomEntry, seeded, totals } from './vital-signs.ts';

const client = serveTests({ SCORES: 'news2,mews,qsofa,pews' });

async function put(resource: Resource): Promise<void> {
  const { status, text } = await client('PUT', `${resource.resourceType}/${resource.id}`, resource);
  assert.ok(status === 200 || status === 201, text);
}

const patient = (id: string, birthDate?: string) =>
  put({ resourceType: 'Patient', id, ...(birthDate ? { birthDate } : {}) });

/** Until everything that was sent has been worked through. */
async function settled(server: Client = client): Promise<void> {
  const root = new URL(server.base).origin;
  // What was committed is dispatched in its order: once this one has been told of, so has all before it.
  const { json } = await server('POST', 'Patient', { resourceType: 'Patient' });
  await waitFor(async () => {
    const told = await server(
      'GET',
      `${root}/admin/subscriptions/score:vital-signs/deliveries?limit=1000&after=${seen}`,
    );
    const deliveries = told.json.deliveries as unknown as { number: number; id: string; outcome: string }[];
    const mine = deliveries.find((one) => one.id === json.id);
    if (deliveries.length === 1000) seen = Number(deliveries.at(-1)!.number);
    return mine?.outcome === 'delivered';
  }, 'the scores');
}
let seen = 0;

/** All pages of a search. */
async function search(url: string): Promise<Resource[]> {
  const all: Resource[] = [];
  for (let next: string | undefined = url; next; ) {
    const reply = await client('GET', next);
    all.push(...entries(reply).map(({ resource }) => resource!));
    next = (reply.json.link as { relation: string; url: string }[]).find(({ relation }) => relation === 'next')?.url;
  }
  return all;
}

/** Those that are not withdrawn, oldest first. */
async function found(type: string, name: string, of: string): Promise<Resource[]> {
  const all = await search(`${type}?subject=Patient/${of}&_tag=urn:cerebra:score|${name}&_count=500`);
  const time = (one: Resource) => String(one.effectiveDateTime ?? one.occurrenceDateTime);
  return all.filter(({ status }) => status !== 'entered-in-error').sort((a, b) => (time(a) < time(b) ? -1 : 1));
}

test('a set of vital signs becomes a NEWS2 with its parts, its inputs and its risk', async () => {
  await patient('a', '1950-05-05');
  const encounter = { encounter: { reference: 'Encounter/e' } };
  await put({
    resourceType: 'Encounter',
    id: 'e',
    status: 'in-progress',
    class: { code: 'IMP' },
    subject: { reference: 'Patient/a' },
  } as Resource);
  const of = (id: string, minutes: number, kind: { code: JsonObject; value: JsonObject }) =>
    put(observation({ id: `a-${id}`, patient: 'a', minutes, ...kind, rest: encounter }));
  await of('rate', 0, kinds.rate(25));
  await of('saturation', 1, kinds.saturation(93));
  await of('oxygen', 2, kinds.oxygen());
  await of('pressure', 3, kinds.pressure(105));
  await of('pulse', 4, kinds.pulse(112));
  await of('alert', 5, kinds.alert());
  await settled();
  const incomplete = await found('Observation', 'news2', 'a');
  assert.deepEqual(
    totals(incomplete),
    [0, 1, 2, 3, 4, 5].map((minutes) => [minutes, null]),
  );
  assert.equal(
    (incomplete.at(-1)!.dataAbsentReason as JsonObject).text,
    'Incomplete: no reading within its time of temperature',
  );
  const atLeast = incomplete.at(-1)!.extension as JsonObject[];
  assert.deepEqual(atLeast, [{ url: 'urn:cerebra:score-at-least', valueInteger: 10 }]);
  assert.deepEqual(await found('RiskAssessment', 'news2', 'a'), []);

  await of('temperature', 6, kinds.temperature(38.5));
  await settled();
  const score = (await found('Observation', 'news2', 'a')).at(-1)!;
  assert.deepEqual(score.valueQuantity, {
    value: 11,
    unit: 'points',
    system: 'http://unitsofmeasure.org',
    code: '{score}',
  });
  assert.equal(score.status, 'final');
  assert.equal(score.effectiveDateTime, instant(6));
  assert.deepEqual(score.subject, { reference: 'Patient/a' });
  assert.deepEqual(score.encounter, { reference: 'Encounter/e' });
  assert.equal(((score.code as JsonObject).coding as JsonObject[])[0]!.code, '1104051000000101');
  const inputs = ['rate', 'oxygen', 'saturation', 'pressure', 'pulse', 'alert', 'temperature'];
  assert.deepEqual(
    score.derivedFrom,
    inputs.map((id) => ({ reference: `Observation/a-${id}` })),
  );
  const parts = (score.component as JsonObject[]).map((one) => [(one.code as JsonObject).text, one.valueInteger]);
  assert.deepEqual(parts, [
    ['Respiration rate', 3],
    ['Air or oxygen', 2],
    ['Oxygen saturation', 2],
    ['Systolic blood pressure', 1],
    ['Pulse', 2],
    ['Consciousness', 0],
    ['Temperature', 1],
  ]);
  const rate = ((score.component as JsonObject[])[0]!.extension as JsonObject[])[0]!;
  assert.deepEqual(rate.valueQuantity, { value: 25, unit: '/min', system: 'http://unitsofmeasure.org', code: '/min' });
  const [level, red, ...more] = score.interpretation as JsonObject[];
  assert.equal((level!.coding as JsonObject[])[0]!.code, 'high');
  assert.equal(red!.text, 'Respiration rate alone scores 3');
  assert.deepEqual(more, []);

  const [risk, ...others] = await found('RiskAssessment', 'news2', 'a');
  assert.deepEqual(others, []);
  assert.deepEqual(risk!.basis, [{ reference: `Observation/${score.id}` }]);
  assert.equal(risk!.occurrenceDateTime, instant(6));
  const prediction = (risk!.prediction as JsonObject[])[0]!;
  assert.equal(((prediction.qualitativeRisk as JsonObject).coding as JsonObject[])[0]!.code, 'high');
  assert.equal(prediction.rationale, 'NEWS2 11; alone ask for a response: respiratory-rate');
  assert.deepEqual(totals(await found('Observation', 'mews', 'a')).at(-1), [6, 6]);
  assert.deepEqual(totals(await found('Observation', 'qsofa', 'a')).at(-1), [5, 1]);
  assert.deepEqual(await found('Observation', 'pews', 'a'), []);
});

test('scores are no vital signs: nothing is computed from them', async () => {
  await settled();
  const ofA = await client('GET', 'Observation?subject=Patient/a&_summary=count');
  const own = await client('GET', 'Observation?subject=Patient/a&_tag=urn:cerebra:score|&_summary=count');
  // Seven of NEWS2, five of MEWS, three of qSOFA.
  assert.deepEqual([ofA.json.total, own.json.total], [7 + 15, 15]);
});

async function all(id: string, minutes = 0): Promise<void> {
  for (const [name, kind] of healthy()) await put(observation({ id: `${id}-${name}`, patient: id, minutes, ...kind }));
}

test('late, corrected and withdrawn readings recompute what they touch', async () => {
  await patient('b', '1950-05-05');
  await all('b');
  for (const minutes of [10, 20, 30, 40]) {
    await put(observation({ id: `b-rate-${minutes}`, patient: 'b', minutes, ...kinds.rate(16) }));
  }
  await settled();
  const news2 = async () => totals(await found('Observation', 'news2', 'b'));
  assert.deepEqual(await news2(), [
    [0, 0],
    [10, 0],
    [20, 0],
    [30, 0],
    [40, 0],
  ]);

  // Taken at 15 and charted now: until the next pulse, which there is none.
  await put(observation({ id: 'b-pulse-15', patient: 'b', minutes: 15, ...kinds.pulse(115) }));
  await settled();
  assert.deepEqual(await news2(), [
    [0, 0],
    [10, 0],
    [15, 2],
    [20, 2],
    [30, 2],
    [40, 2],
  ]);
  const [, , , at20] = await found('Observation', 'news2', 'b');
  assert.equal(at20!.status, 'amended');

  await put(observation({ id: 'b-pulse-25', patient: 'b', minutes: 25, ...kinds.pulse(80) }));
  await settled();
  assert.deepEqual(await news2(), [
    [0, 0],
    [10, 0],
    [15, 2],
    [20, 2],
    [25, 0],
    [30, 0],
    [40, 0],
  ]);

  await put(
    observation({ id: 'b-pulse-15', patient: 'b', minutes: 15, ...kinds.pulse(95), rest: { status: 'corrected' } }),
  );
  await settled();
  assert.deepEqual(await news2(), [
    [0, 0],
    [10, 0],
    [15, 1],
    [20, 1],
    [25, 0],
    [30, 0],
    [40, 0],
  ]);

  // It was taken at another time, and then it was somebody else's.
  await put(
    observation({ id: 'b-pulse-15', patient: 'b', minutes: 22, ...kinds.pulse(95), rest: { status: 'corrected' } }),
  );
  await settled();
  assert.deepEqual(await news2(), [
    [0, 0],
    [10, 0],
    [20, 0],
    [22, 1],
    [25, 0],
    [30, 0],
    [40, 0],
  ]);
  await put(
    observation({ id: 'b-pulse-15', patient: 'c', minutes: 22, ...kinds.pulse(95), rest: { status: 'corrected' } }),
  );
  await settled();
  assert.deepEqual(await news2(), [
    [0, 0],
    [10, 0],
    [20, 0],
    [25, 0],
    [30, 0],
    [40, 0],
  ]);
  assert.deepEqual(totals(await found('Observation', 'news2', 'c')), [[22, null]]);

  await put(
    observation({
      id: 'b-rate-30',
      patient: 'b',
      minutes: 30,
      ...kinds.rate(16),
      rest: { status: 'entered-in-error' },
    }),
  );
  assert.equal((await client('DELETE', 'Observation/b-rate-40')).status, 204);
  await settled();
  assert.deepEqual(await news2(), [
    [0, 0],
    [10, 0],
    [20, 0],
    [25, 0],
  ]);
  const risks = (await found('RiskAssessment', 'news2', 'b')).map((one) => one.occurrenceDateTime);
  assert.deepEqual(risks, [0, 10, 20, 25].map(instant));

  // Without its temperature none of them is complete, and no risk is told any more.
  assert.equal((await client('DELETE', 'Observation/b-temperature')).status, 204);
  await settled();
  assert.deepEqual(await news2(), [
    [0, null],
    [10, null],
    [20, null],
    [25, null],
  ]);
  assert.deepEqual(await found('RiskAssessment', 'news2', 'b'), []);
});

test('the saturation scale 2 counts from when it was decided', async () => {
  await patient('d', '1950-05-05');
  await all('d');
  const at = (minutes: number) =>
    put(observation({ id: `d-saturation-${minutes}`, patient: 'd', minutes, ...kinds.saturation(90) }));
  await at(10);
  await put(observation({ id: 'd-scale', patient: 'd', minutes: 15, ...kinds.scale2() }));
  await at(20);
  await settled();
  assert.deepEqual(totals(await found('Observation', 'news2', 'd')), [
    [0, 0],
    [10, 3],
    [20, 0],
  ]);
  await put(observation({ id: 'd-scale', patient: 'd', minutes: 5, ...kinds.scale2(), rest: { status: 'corrected' } }));
  await settled();
  assert.deepEqual(totals(await found('Observation', 'news2', 'd')), [
    [0, 0],
    [10, 0],
    [20, 0],
  ]);
});

test('a child is scored with PEWS; when its date of birth turns out to be wrong, all is computed again', async () => {
  await patient('e', '2024-01-01');
  await all('e');
  await settled();
  const count = async (name: string) => (await found('Observation', name, 'e')).length;
  assert.deepEqual(await Promise.all(['news2', 'mews', 'qsofa', 'pews'].map(count)), [0, 0, 0, 1]);
  await patient('e', '1954-01-01');
  await settled();
  assert.deepEqual(await Promise.all(['news2', 'mews', 'qsofa', 'pews'].map(count)), [1, 1, 1, 0]);
});

test('a triage level is suggested with its reasons, and never written', async () => {
  await patient('t', '1980-05-05');
  await put({
    ...{ resourceType: 'Encounter', id: 't', status: 'arrived', class: { code: 'EMER' } },
    subject: { reference: 'Patient/t' },
  } as Resource);
  const minutes = (Date.now() - noon) / 60_000 - 1;
  await put(observation({ id: 't-pulse', patient: 't', minutes, ...kinds.pulse(120) }));
  await put(observation({ id: 't-alert', patient: 't', minutes, ...kinds.alert() }));
  await put(observation({ id: 't-old', patient: 't', minutes: minutes - 90, ...kinds.saturation(80) }));
  const ask = async (query: string) => {
    const { status, json } = await client('GET', `Encounter/t/$triage-suggestion${query}`);
    assert.equal(status, 200, JSON.stringify(json));
    return (json.parameter as unknown as JsonObject[])
      .filter(({ name }) => name !== 'limits')
      .map((one) => [one.name, one.valueInteger ?? one.valueString ?? (one.valueReference as JsonObject).reference]);
  };
  const missing = ['respiratory rate', 'oxygen saturation'].map((name) => ['missing', name]);
  const basis = ['t-alert', 't-pulse'].map((id) => ['basis', `Observation/${id}`]);
  const danger = ['reason', 'danger zone: heart rate 120/min is above 100/min'];
  const sorted = (all: unknown[][]) => all.map((one) => one.join(' ')).sort();
  assert.deepEqual(
    sorted(await ask('?resources=2')),
    sorted([['level', 3], ['consider', 2], ['reason', 'two or more resources expected'], danger, ...missing, ...basis]),
  );
  const unanswered = await ask('');
  assert.deepEqual(
    sorted(unanswered),
    sorted([['consider', 2], danger, ['missing', 'how many different resources are expected'], ...missing, ...basis]),
  );
  assert.deepEqual((await ask('?lifesaving=true'))[0], ['level', 1]);
  assert.equal((await client('GET', 'Encounter/t/$triage-suggestion?pain=11')).status, 400);
  assert.equal((await client('GET', 'Encounter/none/$triage-suggestion')).status, 404);
  assert.equal((await client('GET', 'Encounter/t')).json.meta?.versionId, '1');
});

test('what is stored already can be taken in again, and changes nothing', async () => {
  const root = new URL(client.base).origin;
  const states = async (query: string) =>
    (await search(`Observation?${query}&_count=500`)).map(({ id, meta }) => `${id} ${meta?.versionId}`);
  await settled();
  const before = await states('');
  const { status, json } = await client('POST', `${root}/admin/scores/take-in`);
  const scores = await states('_tag=urn:cerebra:score|');
  assert.deepEqual([status, json.taken, json.next], [202, before.length - scores.length, undefined]);
  await settled();
  assert.deepEqual(await states(''), before);
});

test('GET /admin/scores tells the tables in force', async () => {
  const { status, json } = await client('GET', `${new URL(client.base).origin}/admin/scores`);
  assert.equal(status, 200);
  const scores = json.scores as unknown as { name: string; source: string; levels: { from: number }[] }[];
  assert.deepEqual(
    scores.map(({ name }) => name),
    ['news2', 'mews', 'qsofa', 'pews'],
  );
  assert.deepEqual(
    scores[0]!.levels.map(({ from }) => from),
    [0, 5, 7],
  );
  assert.match(scores[0]!.source, /Royal College of Physicians/);
});

test('in whatever order readings come, are corrected, moved and taken back: the scores are those of the store', async () => {
  const below = seeded(20_260_131);
  const patients = ['r1', 'r2'];
  for (const id of patients) await patient(id, '1950-05-05');
  for (let round = 0; round < 45; round++) {
    // Some ids come again: those are corrections. Two bundles are under way at once.
    const send = async (half: number) => {
      const ids = new Set(Array.from({ length: 1 + below(6) }, () => `r-${half}-${below(110)}`));
      const bundle = {
        resourceType: 'Bundle',
        type: 'transaction',
        entry: [...ids].map((id) => randomEntry(below, patients, id)),
      };
      const { status, text } = await client('POST', '', bundle);
      assert.equal(status, 200, text);
    };
    await Promise.all([send(0), send(1)]);
  }
  await settled();
  for (const id of patients) {
    const vitals = await search(`Observation?subject=Patient/${id}&_count=500`);
    const expected = plainNews2(vitals.filter(({ meta }) => meta?.tag === undefined));
    const scores = await found('Observation', 'news2', id);
    const told = (atMs: number, total: unknown) => `${new Date(atMs).toISOString()} ${total ?? 'incomplete'}`;
    assert.deepEqual(
      scores.map((one) => told(Date.parse(String(one.effectiveDateTime)), (one.valueQuantity as JsonObject)?.value)),
      expected.map(({ atMs, total }) => told(atMs, total)),
    );
    assert.ok(expected.length > 20, `${expected.length} scores`);
    const complete = expected.filter(({ total }) => total !== null);
    assert.ok(complete.length > 10, `${complete.length} complete scores`);
    const risks = await found('RiskAssessment', 'news2', id);
    assert.deepEqual(
      risks.map((one) => one.occurrenceDateTime),
      complete.map(({ atMs }) => new Date(atMs).toISOString()),
    );
  }
});
