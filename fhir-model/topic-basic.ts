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

/** What the root of a SubscriptionTopic has: https://hl7.org/fhir/R5/subscriptiontopic-definitions.html */
const rootElements = new Set([
  ...['url', 'identifier', 'version', 'versionAlgorithm', 'name', 'title', 'derivedFrom', 'status', 'experimental'],
  ...['date', 'publisher', 'contact', 'description', 'useContext', 'jurisdiction', 'purpose', 'copyright'],
  ...['copyrightLabel', 'approvalDate', 'lastReviewDate', 'effectivePeriod'],
  ...['resourceTrigger', 'eventTrigger', 'canFilterBy', 'notificationShape'],
]);

// Guides are written with the extensions of R5 and of R4B, and newer ones with those that all artifacts have.
const elementUrl =
  /^http:\/\/hl7\.org\/fhir\/(?:(?:5\.0|4\.3)\/StructureDefinition\/extension-SubscriptionTopic\.|StructureDefinition\/artifact-)([A-Za-z.]+)$/;

/**
 * The element of a topic that an extension of its Basic has: `status`; undefined for other extensions. Of R5 and R4B
 * (https://hl7.org/fhir/R5/versions.html#extensions), or one that all artifacts have.
 */
export function topicElementOf(url: string): string | undefined {
  const name = elementUrl.exec(url)?.[1]?.split('.').at(-1);
  return name !== undefined && rootElements.has(name) ? name : undefined;
}

const partUrl =
  /^(?:http:\/\/hl7\.org\/fhir\/(?:5\.0|4\.3)\/StructureDefinition\/extension-SubscriptionTopic\.)?([A-Za-z.]+)$/;

/** What an extension within an element of a topic has: they have plain names there, `queryCriteria`, or URLs again. */
export function topicPartOf(url: string): string | undefined {
  return partUrl.exec(url)?.[1]?.split('.').at(-1);
}
