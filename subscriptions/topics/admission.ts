// A Subscription to a topic that can't be carried out is refused when it is written, not taken and put into error afterwards:
// "servers SHALL reject", http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/conformance.html#must-support
import { type AccessScope, type Issue, isTopicBasic, parseCanonical, type Resource } from '#fhir-model';
import { isCerebraError, type Queryable } from '#platform';
import { type RegistrationRules, readRegistration } from '../registration.ts';
import { askedOf, createTopicCatalogue, type StoredTopic } from './catalogue.ts';
import { storedOf } from './compile.ts';
import { readTopic } from './read-topic.ts';
import { type BasicReader, storedTopicBasics, topicsOfUrl } from './store.ts';
import { asksOfTopics } from './subscription.ts';
import { isTopicUrl } from './topic.ts';
import { storedTopic } from './topics.ts';

export interface AdmissionOptions {
  db: Queryable;
  /** Of the server itself. */
  scope: AccessScope;
  reader: () => BasicReader;
  /** Asked for when something is checked: what offers the search parameters needs the checks itself. */
  rules: () => Omit<RegistrationRules, 'topics' | 'messages' | 'rootUrl'>;
}

/** What this room asks, by type, of resources that it is to carry out. `beside`: what is written in the same Bundle. */
export const subscriptionAdmissions = (options: AdmissionOptions) => ({
  Subscription: {
    concerns: (subscription: Resource): boolean => subscription.status === 'requested' && asksOfTopics(subscription),
    issuesOf: (subscription: Resource, beside: readonly { resource?: Resource }[]): Promise<Issue[]> =>
      issuesOf(options, subscription, beside),
  },
});

async function issuesOf(
  { db, scope, reader, rules: current }: AdmissionOptions,
  subscription: Resource,
  beside: readonly { resource?: Resource }[],
): Promise<Issue[]> {
  const rules = current();
  const { criteria } = subscription;
  // Criteria of R4, as Kafka's channel may have, are checked when they are set active: only what is the guide's is looked at.
  if (typeof criteria !== 'string' || !isTopicUrl(criteria)) {
    return issuesBy(anyTopic, { ...subscription, criteria: anyCriteria }, rules);
  }
  // What they make of the filters the check that sets it active finds.
  if (beside.some(({ resource }) => resource !== undefined && mayDefine(resource))) {
    return issuesBy(anyTopic, subscription, rules);
  }
  const { url } = parseCanonical(criteria);
  const issues = issuesBy(topicsAmong(await topicsOfUrl(db, url), rules), subscription, rules);
  // A channel that is not served is none with other topics either.
  if (!issues.some(isOfTopic)) return issues;
  // Another process may have defined what is filtered by, and the change stream brings a topic to its table some milliseconds
  // after it was acknowledged.
  await rules.parameters.refresh?.();
  const now: StoredTopic[] = [];
  for await (const { resource, version } of storedTopicBasics(reader(), scope, url)) {
    if (readTopic(resource, rules.resourceTypes).topic.url !== url) continue;
    now.push(storedTopic(resource, resource.id ?? '', version, rules));
  }
  return issuesBy(topicsAmong(now, rules), subscription, rules);
}

const anyCriteria = 'Basic';

/** The topic, or a search parameter of its filters, may come, or change, with the Subscription. */
const mayDefine = (resource: Resource): boolean =>
  resource.resourceType === 'SearchParameter' || isTopicBasic(resource);

const isOfTopic = ({ expression }: Issue): boolean => expression?.[0]?.startsWith('Subscription.criteria') ?? false;

type Known = NonNullable<RegistrationRules['topics']>;

const anyTopic: Known = { filtersOf: () => new Map(), storedOf: () => [] };

function topicsAmong(topics: readonly StoredTopic[], rules: RegistrationRules): Known {
  const catalogue = createTopicCatalogue(rules);
  for (const one of topics) catalogue.put(one);
  return {
    filtersOf: (asked) => askedOf(catalogue, asked, rules).asked,
    storedOf: ({ url }) => storedOf(catalogue.find(url)),
  };
}

/** Where messages of HL7v2 go is not known in each process: only R4 criteria make them, which are checked when they are set active. */
const anyMessages: NonNullable<RegistrationRules['messages']> = { refuse: () => undefined };

function issuesBy(topics: Known, subscription: Resource, rules: RegistrationRules): Issue[] {
  try {
    readRegistration(subscription, { ...rules, topics, messages: anyMessages });
    return [];
  } catch (error) {
    if (!isCerebraError(error)) throw error;
    // What is told of a Subscription begins with the element.
    const [element = 'Subscription'] = /^Subscription[\w.[\]]*/.exec(error.message) ?? [];
    return error.issues.map((issue) => ({ ...issue, expression: [element] }));
  }
}
