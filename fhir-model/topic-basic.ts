// How R4 has SubscriptionTopics: http://hl7.org/fhir/uv/subscriptions-backport/components.html#subscription-topics-in-r4
import type { JsonObject, Resource } from './types.ts';

/** The Subscriptions Backport guide: https://hl7.org/fhir/uv/subscriptions-backport/ */
export const backportGuide = 'http://hl7.org/fhir/uv/subscriptions-backport';

export const topicCode = { system: 'http://hl7.org/fhir/fhir-types', code: 'SubscriptionTopic' } as const;

/** Whether the resource is, or wants to be, a SubscriptionTopic. Its structure need not have been checked. */
export function isTopicBasic(resource: Resource): boolean {
  if (resource.resourceType !== 'Basic') return false;
  const codings = (resource.code as JsonObject | null | undefined)?.coding;
  return (
    Array.isArray(codings) &&
    (codings as (JsonObject | null)[]).some((one) => one?.system === topicCode.system && one?.code === topicCode.code)
  );
}
