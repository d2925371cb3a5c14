// What operators ask and tell, and HL7 over HTTP: paths below /admin, /alerts and /hl7.
import type { Chance } from './chance.ts';
import { makeV2, V2_MESSAGES } from './messages.ts';
import { spoil, type Tree } from './resources.ts';

const QUERY: Record<string, readonly string[]> = {
  from: ['2026-01-31T08:00:00Z', '2', 'x', '-999999-01-01'],
  to: ['2030-02-01T00:00:00Z', '3', ''],
  at: ['2026-01-31T08:00:00Z', '99999999999999'],
  type: ['ORU^R01', 'ADT', '^', '\u0000'],
  sender: ['LAB|NORTH', '|', 'LAB'],
  controlId: ['F1', "'"],
  patientId: ['CD1^^^NORTH', '^^^', 'CD1'],
  state: ['failed', 'open', 'all', 'dead', 'requested', 'x'],
  route: ['fz1', 'default'],
  source: ['http', 'mllp'],
  warnings: ['true', 'maybe'],
  controlIdReused: ['true', '1'],
  text: ['potassium 24323-8', '"', 'a | b & !', '%', '\u0000', 'x'.repeat(500), '* *'],
  limit: ['1', '0', '-1', '501', '1e3', '99999999999999999999'],
  after: ['1', '99999999999999999999', 'x', '-1', '00000000-0000-0000-0000-000000000000', '\u0000'],
  before: ['1000', 'x', '99999999999999999999'],
  kind: ['identity', 'x'],
  author: ['kim', '', 'x'.repeat(300), '\u0000'],
  comment: ['c', '\u0000'],
  reason: ['x', '\u0000'],
  cursor: ['x', 'e30', '1'],
  patient: ['Patient/f1', 'x', 'Patient/\u0000'],
  rule: ['x', "'"],
  status: ['open', 'x'],
  severity: ['critical', 'x', 'low'],
  outcome: ['failed', 'x'],
  wait: ['0', 'x', '1'],
  profile: ['fp', 'x'],
  structure: ['strict', 'x'],
  name: ['x'],
};

const route = (chance: Chance): Tree => ({
  ...{ id: `fz${chance.below(4)}`, name: 'Fuzz', enabled: false },
  match: {
    all: [
      { path: 'MSH-9.1', equals: 'ORU' },
      { any: [{ path: 'MSH-4', matches: '^N.*$' }, { not: { path: 'PID-3[1].4.1', exists: true } }] },
    ],
  },
  transform: [
    { set: 'PID-5.1', value: 'X' },
    { copy: 'PID-3.1', to: 'PID-2.1' },
    { map: 'PID-8', table: { M: 'F' } },
  ],
  destinations: [{ kind: 'fhir' }],
});
const plan: Tree = {
  ...{ resourceType: 'PlanDefinition', id: 'fzrule', status: 'active', type: { coding: [{ code: 'eca-rule' }] } },
  action: [
    {
      trigger: [
        {
          type: 'data-added',
          data: [
            {
              type: 'Observation',
              codeFilter: [{ path: 'code', code: [{ system: 'http://loinc.org', code: '8867-4' }] }],
            },
          ],
        },
      ],
      condition: [
        { kind: 'applicability', expression: { language: 'text/fhirpath', expression: 'value.value > 100' } },
      ],
    },
  ],
};
const BODIES: ((chance: Chance) => Tree)[] = [
  () => ({ author: 'kim', comment: 'c' }),
  () => ({ by: 'Practitioner/1', note: 'n', minutes: 30 }),
  () => ({ filter: { state: 'failed', type: 'ORU^R01', from: '2026-01-01T00:00:00Z', text: 'x' }, author: 'kim' }),
  (chance) => ({ route: route(chance), author: 'kim', comment: '' }),
  (chance) => ({ version: chance.below(4), author: 'kim' }),
  (chance) => ({ route: route(chance), message: chance.one(V2_MESSAGES), source: { kind: 'api', name: 'default' } }),
  (chance) => ({ id: 'fz1', messageBase64: Buffer.from(chance.one(V2_MESSAGES)).toString('base64') }),
  () => ({
    author: 'kim',
    documents: [
      '<HL7v2xConformanceProfile HL7Version="2.5.1"><MetaData Name="fp"/><HL7v2xStaticDef MsgType="ORU" EventType="R01" MsgStructID="ORU_R01"><Segment Name="MSH" Usage="R" Min="1" Max="1"/></HL7v2xStaticDef></HL7v2xConformanceProfile>',
    ],
  }),
  () => structuredClone(plan),
];
const HINTS: [RegExp, number][] = [
  [/reprocess-runs$/, 2],
  [/routes\/:id$/, 3],
  [/rollback$/, 4],
  [/routes\/dry-run$/, 5],
  [/profiles\/:name$/, 7],
  [/alerts\/dry-run$|check$/, 8],
  [/snooze|close|acknowledge/, 1],
];

const PARTS: Record<string, readonly string[]> = {
  id: [
    '1',
    '2',
    '3',
    'fz0',
    'fz1',
    's1',
    'x',
    '-1',
    '0',
    '99999999999999999999',
    '%00',
    '%zz',
    '__proto__',
    '01900000-0000-7000-8000-000000000001',
    '1.5',
    "'",
    '%F0%9F%98%80',
  ],
  name: ['fp', 'x', '__proto__', '%00', 'a'.repeat(300), '%2e%2e%2fx'],
  token: ['x', 'a.b.c', '%00', 'A'.repeat(2000), 'eyJ9'],
  endpoint: ['x', '__proto__', '%00'],
  version: ['1', '2', '0', '-1', 'x', '99999999999999999999'],
};

export interface OperatorRequest {
  method: string;
  path: string;
  type: string;
  body?: string;
}

/** A method and path of the admin API, and the parameters of its query. */
export interface Offer {
  method: string;
  path: string;
  query: readonly string[];
}

export function makeOperatorRequest(offered: readonly Offer[], chance: Chance): OperatorRequest {
  const { one } = chance;
  const { method, path, query: known } = one(offered);
  const named = () => (known.length === 0 || chance.once(8) ? one(Object.keys(QUERY)) : one(known));
  const query = chance
    .some(known.length === 0 ? 1 : 3, named)
    .map((name) => `${name}=${encodeURIComponent(one(QUERY[name] ?? ['x']))}`);
  const target = `${path.replace(/:(\w+)/g, (_, name: string) => one(PARTS[name] ?? ['x']))}${query.length > 0 ? `?${query.join('&')}` : ''}`;
  if (method === 'GET' || method === 'DELETE') return { method, path: target, type: 'application/json' };
  if (path.startsWith('/alerts/')) {
    const body = one([
      'name=x',
      'payload=%7B%7D',
      'payload={',
      'MessageSid=1&Body=ok&From=%2B1',
      'a',
      '',
      '{"from":"x","text":"ok"}',
      '\u0000',
    ]);
    return { method, path: target, type: one(['application/x-www-form-urlencoded', 'application/json']), body };
  }
  if (path.endsWith('/validate')) return { method, path: target, type: 'text/plain', body: makeV2(chance) };
  const hint = chance.once(10) ? undefined : HINTS.find(([form]) => form.test(path))?.[1];
  const tree = BODIES[hint ?? (chance.once(2) ? 0 : chance.below(BODIES.length))]!(chance);
  for (const _ of chance.some(2, () => 0)) if (Object.keys(tree).length > 0) spoil(tree, chance);
  return {
    method,
    path: target,
    type: 'application/json',
    body: chance.once(15) ? one(['', '{', 'null', '[]', '"x"', '5']) : JSON.stringify(tree),
  };
}

/** HL7 over HTTP: `/hl7` and `/hl7/{listener}`. */
export function makeHl7Request(chance: Chance): OperatorRequest {
  const { one } = chance;
  const type = one([
    'application/hl7-v2',
    'application/hl7-v2',
    'application/hl7-v2+xml',
    'application/hl7-v2; charset=iso-8859-1',
    'application/hl7-v2; charset=x',
    'text/plain',
    'x',
    '',
  ]);
  const path = one([
    '/hl7',
    '/hl7',
    '/hl7',
    '/hl7/default',
    '/hl7/',
    '/hl7/__proto__',
    '/hl7/%00',
    '/hl7/%zz',
    '/hl7/a/b',
    '/hl7?x=y',
  ]);
  return {
    method: one(['POST', 'POST', 'POST', 'POST', 'POST', 'GET', 'PUT', 'HEAD']),
    path,
    type,
    body: makeV2(chance),
  };
}
