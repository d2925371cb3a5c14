// A code system, value sets of it, and how answers of terminology operations are read.
import assert from 'node:assert/strict';
import type { JsonObject } from '#fhir-model';
import type { Client, Reply } from './client.ts';

export const COLOURS = 'http://example.org/cs/colours';
export const SET = 'http://example.org/vs/';
const codeSystem: JsonObject = {
  ...{ resourceType: 'CodeSystem', url: COLOURS, version: '1.0', name: 'Colours', status: 'active', language: 'en' },
  ...{ content: 'complete', caseSensitive: true, hierarchyMeaning: 'is-a' },
  property: [{ code: 'warm', type: 'boolean', uri: 'http://example.org/warm' }],
  concept: [
    {
      ...{ code: 'colour', display: 'Colour', property: [{ code: 'notSelectable', valueBoolean: true }] },
      concept: [
        {
          ...{ code: 'red', display: 'Red', definition: 'As blood', property: [{ code: 'warm', valueBoolean: true }] },
          designation: [{ language: 'de', value: 'Rot' }],
          concept: [{ code: 'crimson', display: 'Crimson red' }],
        },
        { code: 'blue', display: 'Blue', designation: [{ language: 'de', value: 'Blau' }] },
        { code: 'puce', display: 'Puce', property: [{ code: 'status', valueCode: 'retired' }] },
      ],
    },
  ],
};
export const valueSet = (name: string, compose: JsonObject): JsonObject => ({
  ...{ resourceType: 'ValueSet', url: SET + name, version: '2', name, status: 'active', compose },
});
export const reds = { include: [{ system: COLOURS, filter: [{ property: 'concept', op: 'is-a', value: 'red' }] }] };
const sets = [
  valueSet('all', { include: [{ system: COLOURS }] }),
  valueSet('reds', reds),
  valueSet('few', { include: [{ system: COLOURS, concept: [{ code: 'blue', display: 'Azure' }, { code: 'red' }] }] }),
  valueSet('loop', { include: [{ valueSet: [`${SET}loop`] }] }),
  valueSet('elsewhere', { include: [{ system: 'http://example.org/cs/none' }] }),
  valueSet('foreign', { include: [{ system: 'http://example.org/cs/none', concept: [{ code: 'x', display: 'X' }] }] }),
];

export const parameters = (...parameter: JsonObject[]) => ({ resourceType: 'Parameters', parameter });
export const inUrl = (query: Record<string, string>) => new URLSearchParams(query).toString();
/** The values of a Parameters answer by name; of `match` its parts. */
export const answer = (reply: Reply): Record<string, unknown> => {
  assert.equal(reply.status, 200, reply.text.slice(0, 500));
  const list = reply.json.parameter as JsonObject[];
  return Object.fromEntries(list.map((each) => [each.name, Object.entries(each).find(([key]) => key !== 'name')?.[1]]));
};
interface TxIssue {
  severity: string;
  code: string;
  details: { coding: { code: string }[]; text: string };
  expression?: string[];
}
export const issuesOf = (outcome: unknown): [string, string, string, string | undefined][] =>
  (outcome as { issue: TxIssue[] }).issue.map(({ severity, code, details, expression }) => [
    ...([severity, code, details.coding[0]!.code] as const),
    expression?.[0],
  ]);
/** An OperationOutcome whose issue has a tx-issue-type. */
export function assertRefused(reply: Reply, status: number, code: string, type: string): string {
  assert.equal(reply.status, status, reply.text.slice(0, 500));
  const { issue } = reply.json as unknown as { issue: TxIssue[] };
  assert.deepEqual([issue[0]!.code, issue[0]!.details.coding[0]!.code], [code, type]);
  return issue[0]!.details.text;
}

/** Writes the code system and its value sets; yields the id of the value set of all its codes. */
export async function writeColours(fhir: Client): Promise<string> {
  assert.equal((await fhir('POST', 'CodeSystem', codeSystem)).status, 201);
  let allId = '';
  for (const set of sets) {
    const reply = await fhir('POST', 'ValueSet', set);
    assert.equal(reply.status, 201, reply.text);
    if (set.name === 'all') allId = String(reply.json.id);
  }
  return allId;
}
