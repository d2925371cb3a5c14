// SubscriptionTopics as R4 has them: a Basic whose elements are extensions named after the elements of R5.
// http://hl7.org/fhir/uv/subscriptions-backport/components.html#subscription-topics-in-r4
// https://hl7.org/fhir/R5/versions.html#extensions
import { type JsonObject, objectsOf, type Resource, topicCode, topicElementOf, topicPartOf } from '#fhir-model';
import type { Topic } from './topic.ts';

/** An element of the topic, whichever extension has it. */
export interface Element {
  name: string;
  /** `Basic.extension[3].extension[0]` */
  at: string;
  /** Of value[x]; undefined where there are children. */
  value: unknown;
  children: Element[];
}

/** The elements at the topic's root, in their order. Other extensions are left out. */
export function topicElements(basic: Resource): Element[] {
  return ['modifierExtension', 'extension'].flatMap((list) => elementsOf(basic[list], `Basic.${list}`, topicElementOf));
}

function elementsOf(extensions: unknown, at: string, nameOf: (url: string) => string | undefined): Element[] {
  return objectsOf(extensions).flatMap((extension, i) => {
    const name = nameOf(String(extension.url));
    if (name === undefined) return [];
    const here = `${at}[${i}]`;
    const choice = Object.keys(extension).find((key) => key.startsWith('value'));
    return [
      {
        ...{ name, at: here, value: choice === undefined ? undefined : extension[choice] },
        children: elementsOf(extension.extension, `${here}.extension`, topicPartOf),
      },
    ];
  });
}

const elementUrl = (name: string): string =>
  `http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic.${name}`;

const child = (url: string, type: string, value: unknown): JsonObject[] =>
  value === undefined || value === '' ? [] : [{ url, [`value${type}`]: value } as JsonObject];

const parent = (name: string, children: JsonObject[]): JsonObject => ({ url: elementUrl(name), extension: children });

/** The topic as a Basic, which read anew is the same topic. */
export function basicOf(topic: Topic, id: string): Resource {
  return {
    ...{ resourceType: 'Basic', id, code: { coding: [topicCode] } },
    modifierExtension: child(elementUrl('status'), 'Code', topic.status),
    extension: [
      ...child(elementUrl('url'), 'Uri', topic.url),
      ...child(elementUrl('version'), 'String', topic.version),
      ...child(elementUrl('title'), 'String', topic.title),
      ...child(elementUrl('description'), 'Markdown', topic.description),
      ...topic.resourceTriggers.map(({ resource, description, interactions, query, fhirPath }) =>
        parent('resourceTrigger', [
          ...child('description', 'Markdown', description),
          ...child('resource', 'Uri', resource),
          ...interactions.flatMap((one) => child('supportedInteraction', 'Code', one)),
          ...(query ? [{ url: 'queryCriteria', extension: queryChildren(query) }] : []),
          ...child('fhirPathCriteria', 'String', fhirPath),
        ]),
      ),
      ...topic.eventTriggers.map(({ resource, description, event }) =>
        parent('eventTrigger', [
          ...child('description', 'Markdown', description),
          ...child('event', 'CodeableConcept', {
            coding: event.map(({ system, code }) => (system === '' ? { code } : { system, code })),
          }),
          ...child('resource', 'Uri', resource),
        ]),
      ),
      ...topic.filters.map(({ resource, description, parameter, definition, modifiers }) =>
        parent('canFilterBy', [
          ...child('description', 'Markdown', description),
          ...child('resource', 'Uri', resource),
          ...child('filterParameter', 'String', parameter),
          ...child('filterDefinition', 'Uri', definition),
          ...modifiers.flatMap((one) => child('modifier', 'Code', one)),
        ]),
      ),
      ...topic.shapes.map(({ resource, include, revInclude }) =>
        parent('notificationShape', [
          ...child('resource', 'Uri', resource),
          ...include.flatMap((one) => child('include', 'String', one)),
          ...revInclude.flatMap((one) => child('revInclude', 'String', one)),
        ]),
      ),
    ],
  };
}

const behaviour = (passes: boolean | undefined): string | undefined =>
  passes === undefined ? undefined : passes ? 'test-passes' : 'test-fails';

const queryChildren = (query: NonNullable<Topic['resourceTriggers'][number]['query']>): JsonObject[] => [
  ...child('previous', 'String', query.previous),
  ...child('resultForCreate', 'Code', behaviour(query.resultForCreate)),
  ...child('current', 'String', query.current),
  ...child('resultForDelete', 'Code', behaviour(query.resultForDelete)),
  ...child('requireBoth', 'Boolean', query.requireBoth),
];
