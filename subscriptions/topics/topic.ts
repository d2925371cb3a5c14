// What a SubscriptionTopic says, as far as the server acts on it: https://hl7.org/fhir/R5/subscriptiontopic-definitions.html
// It is stored as JSON (table subscription_topic), so that a server that takes over reads what the last one knew.

export type Interaction = 'create' | 'update' | 'delete';

/** test-passes is true, test-fails false. */
export interface QueryCriteria {
  /** A search string without type, on what the change replaced. */
  previous?: string;
  current?: string;
  resultForCreate?: boolean;
  resultForDelete?: boolean;
  requireBoth: boolean;
}

export interface ResourceTrigger {
  /** A resource type. */
  resource: string;
  description?: string;
  interactions: Interaction[];
  query?: QueryCriteria;
  /** FHIRPath with %previous and %current. */
  fhirPath?: string;
}

export interface Coded {
  /** '' for none. */
  system: string;
  code: string;
}

export interface EventTrigger {
  /** Type of the focus. */
  resource: string;
  description?: string;
  /** One of them is the event's. */
  event: Coded[];
}

/** https://hl7.org/fhir/R5/subscriptiontopic-definitions.html#SubscriptionTopic.canFilterBy */
export interface FilterRule {
  /** A resource type; '' for each that the topic is about. */
  resource: string;
  description?: string;
  /** As filters name it. */
  parameter: string;
  /** Canonical URL of the SearchParameter that it means, if not the one of that name. */
  definition?: string;
  /** Modifiers and comparators that filters may use; `eq` and none at all are always allowed. */
  modifiers: string[];
}

export interface NotificationShape {
  resource: string;
  /** `Encounter:patient`, perhaps with `&iterate=Patient.link` */
  include: string[];
  revInclude: string[];
}

export type TopicStatus = 'draft' | 'active' | 'retired' | 'unknown';

export interface Topic {
  /** Canonical URL, without version. */
  url: string;
  version: string;
  title: string;
  description?: string;
  status: TopicStatus;
  resourceTriggers: ResourceTrigger[];
  eventTriggers: EventTrigger[];
  filters: FilterRule[];
  shapes: NotificationShape[];
}

/** The resource types that notifications of the topic are about, each once. */
export const focusTypes = ({ resourceTriggers, eventTriggers }: Topic): string[] => [
  ...new Set([...resourceTriggers, ...eventTriggers].map(({ resource }) => resource)),
];

/** Whether Subscription.criteria is a topic's URL and no search: `http://…`, `urn:…`, but not `Patient?_has:…`. */
export const isTopicUrl = (criteria: string): boolean => /^[a-z][a-z0-9+.-]*:/i.test(criteria);
