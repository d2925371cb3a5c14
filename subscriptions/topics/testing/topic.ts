// For tests of topics: a topic as the Basic that clients send, changes, and the matching without a database.
import { type Change, type Json, type JsonObject, parseJson, type Resource } from '#fhir-model';
import { CerebraError, type Db } from '#platform';
import { keepMet, type StoredSearch } from '../../match/stored.ts';
import type { RegistrationRules } from '../../registration.ts';
import { createTopicCatalogue } from '../catalogue.ts';
import { createTopicMatching, type TopicMatching } from '../matching.ts';
import { readTopic } from '../read-topic.ts';
import type { Topic } from '../topic.ts';

type Elements = Record<string, Json | Json[]>;

const PRIMITIVES: Record<string, string> = {
  resource: 'Uri',
  supportedInteraction: 'Code',
  resultForCreate: 'Code',
  resultForDelete: 'Code',
  modifier: 'Code',
  comparator: 'Code',
  requireBoth: 'Boolean',
  event: 'CodeableConcept',
  url: 'Uri',
  status: 'Code',
};

const parents = new Set(['resourceTrigger', 'eventTrigger', 'canFilterBy', 'notificationShape', 'queryCriteria']);

const extensionsOf = (elements: Elements, prefix: string): JsonObject[] =>
  Object.entries(elements).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((one) =>
      parents.has(name)
        ? { url: prefix + name, extension: extensionsOf(one as Elements, '') }
        : ({ url: prefix + name, [`value${PRIMITIVES[name] ?? 'String'}`]: one } as JsonObject),
    ),
  );

/** SubscriptionTopic elements of R5 as a Basic; `release` is that of its extensions. */
export function topicBasic(id: string, elements: Elements, release = '5.0'): Resource & { id: string } {
  const prefix = `http://hl7.org/fhir/${release}/StructureDefinition/extension-SubscriptionTopic.`;
  const { status = 'active', ...others } = elements;
  return {
    ...{ resourceType: 'Basic', id },
    code: { coding: [{ system: 'http://hl7.org/fhir/fhir-types', code: 'SubscriptionTopic' }] },
    modifierExtension: extensionsOf({ status }, prefix),
    extension: extensionsOf({ url: `http://example.org/topic/${id}`, ...others }, prefix),
  };
}

let seq = 0n;

/** A change as the feed gives it. */
export function changeOf(op: Change['op'], resource: object, version = op === 'create' ? 1 : 2): Change {
  const { resourceType, id = 'x' } = resource as Resource;
  seq++;
  const body = op === 'delete' ? '' : JSON.stringify(resource);
  return { xid: 1n, seq, type: resourceType, id, version, op, updatedMs: Number(seq), body };
}

export interface MatchingRig {
  matching: TopicMatching;
  /** Makes it known, or known anew; says what became of Subscriptions to it. */
  define(basic: Resource & { id: string }, version?: number): Promise<{ id: string; error: string }[]>;
  subscribe(id: string, url: string, ...filters: string[]): void;
  /** Who is told of the changes, a batch of them: `subscriber type/id`. `replaced`: the resource that each changed, in their order. */
  tell(changes: readonly Change[], replaced?: readonly (object | undefined)[]): Promise<string[]>;
  /** How many former versions have been asked for. */
  asked(): number;
  /** Topics that could not be evaluated, and why those told of are told no more. */
  errors: string[];
}

const nobody: StoredSearch = () => Promise.reject(new CerebraError('unsupported', 'no search in this test'));

/** `search`: what the database finds. */
export function matchingRig(rules: RegistrationRules, builtIn: readonly Topic[] = [], search = nobody): MatchingRig {
  const catalogue = createTopicCatalogue(rules, builtIn);
  const former = new Map<string, string>();
  const errors: string[] = [];
  /** The feed: all changes are of one transaction. */
  const seen: Change[] = [];
  let asked = 0;
  const nowhere = () => Promise.reject(new CerebraError('unsupported', 'not in this test'));
  const matching = createTopicMatching({
    ...{ rules, catalogue, db: {} as Db, scope: { kind: 'everything' } },
    feed: { read: async () => ({ changes: seen, more: false }) },
    reader: { read: nowhere },
    bodies: async (versions) => {
      asked += versions.length;
      return versions.map(({ type, id, version }) => former.get(`${type}/${id}/${version}`) ?? '');
    },
    onError: (topic) => errors.push(topic),
  });
  return {
    matching,
    errors,
    asked: () => asked,
    define(basic, version = 1) {
      const { topic, issues } = readTopic(basic, rules.resourceTypes);
      catalogue.put({ id: basic.id, version, topic, fault: issues[0]?.diagnostics ?? '' });
      return matching.reput(topic.url);
    },
    subscribe: (id, url, ...filters) => matching.put({ id, url, filters }),
    async tell(changes, replaced = []) {
      changes.forEach(({ type, id, version }, i) => {
        if (replaced[i]) former.set(`${type}/${id}/${version - 1}`, JSON.stringify(replaced[i]));
      });
      seen.push(...changes);
      const batch = await matching.open(changes, false);
      const found = [];
      for (const change of changes) {
        if (!batch.concerns(change)) continue;
        const current = change.op === 'delete' ? undefined : (parseJson(change.body).exact as Resource);
        for (const one of await batch.match(change, current)) found.push(one);
      }
      const { kept, failed } = await keepMet(await batch.settle(found), search);
      for (const [, error] of failed) errors.push(error);
      return kept.map(({ subscriber, change: { type, id } }) => `${subscriber} ${type}/${id}`);
    },
  };
}
