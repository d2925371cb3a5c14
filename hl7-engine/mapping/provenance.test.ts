import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject } from '#fhir-model';
import { parseMessage } from '../message/message.ts';
import { fixedZone } from './datetime.ts';
import { mapMessage } from './map.ts';

const pid = 'PID|1||777^^^HOSP&1.2.3&ISO^MR||DOE^JANE';

function mapped(key: string, ...lines: string[]) {
  const raw = Buffer.from(lines.join('\r'));
  return mapMessage(parseMessage(raw), key, { zone: fixedZone('Z'), identifierSystems: {} }).entries;
}

test('every resource of a message has a Provenance that points at the message', () => {
  const entries = mapped(
    '42',
    'MSH|^~\\&|ADT1^1.2.3.4^ISO|HOSPITAL|||20260301080000+0100||ADT^A01^ADT_A01|C7|P|2.5',
    'EVN|A01|20260301075900+0100||01|17^CLERK^CLARA^^^^^^HOSP|20260301070000+0100|WING',
    pid,
  );
  const entry = entries.find(({ resource }) => resource?.resourceType === 'Provenance')!;
  const { target, agent, id, ...rest } = entry.resource as unknown as JsonObject & { target: { reference: string }[] };
  assert.equal(entry.method, 'PUT');
  assert.equal(entry.url, `Provenance/${String(id)}`);
  const others = entries.filter((one) => one !== entry);
  assert.deepEqual(
    target.map(({ reference }) => reference),
    others.map(({ fullUrl }) => fullUrl),
  );
  assert.deepEqual(rest, {
    resourceType: 'Provenance',
    recorded: '2026-03-01T07:59:00+01:00',
    occurredDateTime: '2026-03-01T07:00:00+01:00',
    activity: {
      coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0003', code: 'A01' }],
      text: 'ADT^A01^ADT_A01',
    },
    reason: [
      {
        coding: [
          {
            system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason',
            code: 'PATRQT',
            display: 'patient requested',
          },
          { system: 'http://terminology.hl7.org/CodeSystem/v2-0062', code: '01' },
        ],
      },
    ],
    location: { type: 'Location', identifier: { value: 'WING' }, display: 'WING' },
    entity: [
      {
        role: 'source',
        what: { identifier: { system: 'urn:cerebra:hl7v2-message', value: '42' }, display: 'ADT^A01 C7' },
      },
    ],
  });
  const agents = agent as { type: { coding: { code: string }[] }; who: JsonObject }[];
  assert.deepEqual(
    agents.map(({ type, who }) => [type.coding[0]!.code, who.identifier ?? who.display]),
    [
      ['enterer', 'CLARA CLERK'],
      ['assembler', { system: 'urn:ietf:rfc:3986', value: 'urn:oid:1.2.3.4' }],
      ['author', { value: 'HOSPITAL' }],
    ],
  );
});

test('who typed an appointment in (SCH-20) is an agent, and so is who typed an order in (ORC-10)', () => {
  const enterers = (...lines: string[]) => {
    const { resource } = mapped('42', ...lines).find(({ url }) => url.startsWith('Provenance'))!;
    const { agent } = resource as unknown as { agent: { type?: { coding: { code: string }[] }; who: JsonObject }[] };
    return agent.flatMap(({ type, who }) => (type?.coding[0]?.code === 'enterer' ? [who.display] : []));
  };
  const sch = `SCH|A1|F1||||R|||30|min|^^^20260401090000${'|'.repeat(9)}17^CLERK^CLARA|||||Booked`;
  assert.deepEqual(enterers('MSH|^~\\&|S|H|||20260301||SIU^S12^SIU_S12|C8|P|2.5', sch, pid, 'RGS|1'), ['CLARA CLERK']);
  const orc = 'ORC|NW|P1|||||||20260301|18^CLERK^CARL';
  assert.deepEqual(enterers('MSH|^~\\&|S|H|||20260301||OML^O21|C9|P|2.5', pid, orc, 'OBR|1|P1||K^K^L'), ['CARL CLERK']);
});

test('what was there and is only named is no target; the message once more adds to its targets', () => {
  const entry = mapped(
    '1',
    'MSH|^~\\&|A|B|||20260301||ADT^A01|1|P|2.5',
    `${pid}`,
    `PV1|1|I|||||7^DOC^DORA^^^^^^HOSP${'|'.repeat(12)}V1`,
  ).find(({ url: at }) => at.startsWith('Provenance/'))!;
  const urls = (entry.resource!.target as { reference: string }[]).map(({ reference }) => reference);
  assert.ok(urls.length >= 2);
  const pruned = entry.prune!(entry.resource!, new Set([urls[0]!]));
  assert.deepEqual(
    pruned.target,
    urls.slice(1).map((reference) => ({ reference })),
  );
  assert.deepEqual(entry.prune!(entry.resource!, new Set(urls)).target, entry.resource!.target);
  const former = { ...entry.resource!, target: [{ reference: 'Patient/1' }, { reference: urls[1]! }] };
  assert.deepEqual(
    (entry.merge!(former, pruned).target as { reference: string }[]).map(({ reference }) => reference),
    ['Patient/1', ...urls.slice(1)],
  );
});

test('the same message again has the same Provenance; another has its own', () => {
  const lines = ['MSH|^~\\&|A|B|||20260301||ADT^A01|1|P|2.5', pid];
  const url = (key: string) => mapped(key, ...lines).find(({ url: at }) => at.startsWith('Provenance/'))?.url;
  assert.equal(url('1'), url('1'));
  assert.notEqual(url('1'), url('2'));
});

test('without a time or a sender it says so', () => {
  const entries = mapped('1', 'MSH|^~\\&|||||||ADT^A01|1|P|2.5', pid);
  const { recorded, _recorded, agent } = entries.at(-1)!.resource as JsonObject;
  assert.equal(recorded, undefined);
  assert.deepEqual(_recorded, {
    extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/data-absent-reason', valueCode: 'unknown' }],
  });
  assert.deepEqual(agent, [{ who: { display: 'unknown' } }]);
});

test('the people of its orders are agents, each once', () => {
  const orc = 'ORC|RE|P1|F1|||||||7^TYPIST^TOM^^^^^^HOSP|8^CHECKER^CORA^^^^^^HOSP';
  const entries = mapped(
    '1',
    'MSH|^~\\&|||||20260301||ORU^R01|1|P|2.5',
    `${pid}${'|'.repeat(29)}WING`,
    orc,
    'OBR|1|P1|F1|A^A^L',
    'OBX|1|NM|K^K^L||1||||||F',
    orc.replaceAll('P1|F1', 'P2|F2'),
    'OBR|2|P2|F2|B^B^L',
    'OBX|1|NM|K^K^L||1||||||F',
  );
  const { agent } = entries.at(-1)!.resource as unknown as {
    agent: { type: { coding: { code: string }[] }; who: JsonObject }[];
  };
  assert.deepEqual(
    agent.map(({ type, who }) => [type.coding[0]!.code, who.display]),
    [
      ['performer', 'WING'],
      ['enterer', 'TOM TYPIST'],
      ['verifier', 'CORA CHECKER'],
    ],
  );
});
