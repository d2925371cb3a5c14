// Calls operations of Subscriptions as the server does.
import {
  type AccessScope,
  loadDefinitions,
  type OperationInput,
  type OperationRequest,
  type Resource,
} from '#fhir-model';
import { systemClock } from '#platform';
import { testLog } from '#platform/testing';
import { subscriptionOperations } from '../operations/operations.ts';
import { type Rig, testRules } from './rig.ts';

export const testBaseUrl = 'https://fhir.example.org/fhir/R4';

const everything: AccessScope = { kind: 'everything' };

type Given = Partial<Pick<OperationRequest, 'id' | 'scope'>> & { input?: Record<string, string | string[]> };

export type CallOperation = (name: string, given?: Given) => Promise<Resource>;

/** Yields what the operation returns; throws what it throws. */
export async function createCalls({ db, store }: Rig): Promise<CallOperation> {
  const { resourceTypes } = await loadDefinitions();
  const { parameters } = await testRules();
  const operations = subscriptionOperations({
    ...{ db, resourceTypes, baseUrl: testBaseUrl, webSocketUrl: 'wss://fhir.example.org/fhir/R4/ws' },
    ...{ scope: { kind: 'everything' }, clock: systemClock, log: testLog() },
    reader: () => store.reader,
    feed: () => store.feed,
    parameters: () => parameters,
  });
  return async (name, { id, input = {}, scope = everything } = {}) => {
    const values: OperationInput = new Map(Object.entries(input).map(([key, value]) => [key, [value].flat()]));
    const spec = operations.find((one) => one.name === name)!;
    const answer = await spec.run({ ...(id ? { id } : {}), input: values, search: [], scope, strict: false });
    if ('text' in answer) return JSON.parse(answer.text) as Resource;
    if ('resource' in answer) return answer.resource;
    throw new Error('neither a resource nor its text');
  };
}
