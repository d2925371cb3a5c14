// A Basic read as a SubscriptionTopic, with what is wrong in it: https://hl7.org/fhir/R5/subscriptiontopic-definitions.html
import { type Issue, type Json, type JsonObject, objectsOf, type Resource } from '#fhir-model';
import { type Element, topicElements } from './basic.ts';
import type {
  Coded,
  EventTrigger,
  FilterRule,
  Interaction,
  NotificationShape,
  QueryCriteria,
  ResourceTrigger,
  Topic,
  TopicStatus,
} from './topic.ts';

export interface TopicReading {
  /** As far as it can be read: with issues it is not to be used. */
  topic: Topic;
  /** Where its resourceTriggers stand in the Basic, in their order. */
  at: string[];
  issues: Issue[];
}

const issuesMax = 20;
/** Of triggers, of filters and of shapes each. */
const partsMax = 50;
const textMax = 8_192;

const STATUSES = ['draft', 'active', 'retired', 'unknown'] as const;
const INTERACTIONS = ['create', 'update', 'delete'] as const;

/** Collects issues while elements are read. */
interface Reader {
  issue(at: string, code: string, diagnostics: string): void;
  resourceTypes: readonly string[];
}

/** `resourceTypes`: those of R4. */
export function readTopic(basic: Resource, resourceTypes: readonly string[]): TopicReading {
  const issues: Issue[] = [];
  const reader: Reader = {
    resourceTypes,
    issue(at, code, diagnostics) {
      if (issues.length < issuesMax) issues.push({ severity: 'error', code, diagnostics, expression: [at] } as Issue);
    },
  };
  const elements = topicElements(basic);
  for (const element of elements) noteUnknown(reader, element);
  const named = (name: string) => elements.filter((element) => element.name === name);
  const several = (name: string): Element[] => {
    const found = named(name);
    if (found.length > partsMax) reader.issue('Basic', 'too-costly', `A topic may have ${partsMax} of ${name} at most`);
    return found.slice(0, partsMax);
  };
  const triggers = several('resourceTrigger');
  const description = textOf(reader, elements, 'description');
  const topic: Topic = {
    url: readUrl(reader, elements),
    version: textOf(reader, elements, 'version') ?? '',
    title: textOf(reader, elements, 'title') ?? textOf(reader, elements, 'name') ?? '',
    ...(description === undefined ? {} : { description }),
    status: readStatus(reader, named('status')[0]),
    resourceTriggers: triggers.map((element) => readResourceTrigger(reader, element)),
    eventTriggers: several('eventTrigger').map((element) => readEventTrigger(reader, element)),
    filters: several('canFilterBy').map((element) => readFilter(reader, element)),
    shapes: several('notificationShape').map((element) => readShape(reader, element)),
  };
  if (topic.resourceTriggers.length + topic.eventTriggers.length === 0) {
    reader.issue('Basic', 'required', 'A topic needs a resourceTrigger or an eventTrigger: nothing would ever be told');
  }
  return { topic, at: triggers.map(({ at }) => at), issues };
}

/** What the elements that decide have: one that is spelt wrong would be as if it were not there. */
const CHILDREN: Readonly<Record<string, readonly string[]>> = {
  resourceTrigger: ['description', 'resource', 'supportedInteraction', 'queryCriteria', 'fhirPathCriteria'],
  queryCriteria: ['previous', 'resultForCreate', 'current', 'resultForDelete', 'requireBoth'],
  eventTrigger: ['description', 'event', 'resource'],
  canFilterBy: ['description', 'resource', 'filterParameter', 'filterDefinition', 'comparator', 'modifier'],
  notificationShape: ['resource', 'include', 'revInclude'],
};

function noteUnknown(reader: Reader, { name, children }: Element): void {
  const known = Object.hasOwn(CHILDREN, name) ? CHILDREN[name]! : undefined;
  for (const child of known ? children : []) {
    if (known!.includes(child.name)) noteUnknown(reader, child);
    else reader.issue(child.at, 'not-supported', `${name} has no ${child.name}: it has ${known!.join(', ')}`);
  }
}

/** The text of the element of that name; undefined without one. */
function textOf(reader: Reader, elements: Element[], name: string): string | undefined {
  const element = elements.find((one) => one.name === name);
  if (element === undefined) return undefined;
  if (typeof element.value === 'string' && element.value.length <= textMax) return element.value;
  reader.issue(element.at, 'value', `${name} must be a text of up to ${textMax} characters`);
  return undefined;
}

const textsOf = (reader: Reader, elements: Element[], name: string): string[] =>
  elements
    .filter((one) => one.name === name)
    .slice(0, partsMax)
    .flatMap((one) => textOf(reader, [one], name) ?? []);

function readUrl(reader: Reader, elements: Element[]): string {
  const url = textOf(reader, elements, 'url') ?? '';
  const at = elements.find(({ name }) => name === 'url')?.at ?? 'Basic';
  if (!/^[a-z][a-z0-9+.-]*:[^\s|]{1,500}$/i.test(url)) {
    reader.issue(at, url === '' ? 'required' : 'value', 'A topic needs a url: an absolute one, without version');
  }
  return url;
}

function readStatus(reader: Reader, element: Element | undefined): TopicStatus {
  const status = STATUSES.find((one) => one === element?.value);
  if (status) return status;
  const text = `The status of a topic is one of ${STATUSES.join(', ')}, in a modifierExtension`;
  reader.issue(element?.at ?? 'Basic', element ? 'value' : 'required', text);
  return 'unknown';
}

const withoutBase = (uri: string): string => uri.replace(/^http:\/\/hl7\.org\/fhir\/StructureDefinition\//, '');

/** `general`: a type that stands for others may be named too; it is read as ''. */
function readType(reader: Reader, { at, children }: Element, general = false): string {
  const type = withoutBase(textOf(reader, children, 'resource') ?? '');
  if (general && ['', 'Resource', 'DomainResource'].includes(type)) return '';
  if (reader.resourceTypes.includes(type)) return type;
  const text = 'resource must be a resource type of FHIR R4, or the URL of its definition';
  reader.issue(at, type === '' ? 'required' : 'value', text);
  return '';
}

const describe = (reader: Reader, { children }: Element): { description?: string } => {
  const description = textOf(reader, children, 'description');
  return description === undefined ? {} : { description };
};

function readResourceTrigger(reader: Reader, element: Element): ResourceTrigger {
  const { children } = element;
  const given = textsOf(reader, children, 'supportedInteraction');
  const unknown = given.find((one) => !(INTERACTIONS as readonly string[]).includes(one));
  if (unknown !== undefined) {
    reader.issue(element.at, 'value', `supportedInteraction is one of ${INTERACTIONS.join(', ')}`);
  }
  const query = children.find(({ name }) => name === 'queryCriteria');
  const fhirPath = textOf(reader, children, 'fhirPathCriteria');
  return {
    resource: readType(reader, element),
    ...describe(reader, element),
    // None at all are all: https://hl7.org/fhir/R5/subscriptiontopic-definitions.html#SubscriptionTopic.resourceTrigger.supportedInteraction
    interactions: INTERACTIONS.filter((one): one is Interaction => given.length === 0 || given.includes(one)),
    ...(query ? { query: readQuery(reader, query) } : {}),
    ...(fhirPath === undefined ? {} : { fhirPath }),
  };
}

function readQuery(reader: Reader, { at, children }: Element): QueryCriteria {
  const previous = textOf(reader, children, 'previous');
  const current = textOf(reader, children, 'current');
  const behaviour = (name: string): boolean | undefined => {
    const given = textOf(reader, children, name);
    if (given !== undefined && given !== 'test-passes' && given !== 'test-fails') {
      reader.issue(at, 'value', `${name} is test-passes or test-fails`);
    }
    return given === undefined ? undefined : given === 'test-passes';
  };
  const both = children.find(({ name }) => name === 'requireBoth');
  if (both && typeof both.value !== 'boolean') reader.issue(both.at, 'value', 'requireBoth is a boolean');
  const [resultForCreate, resultForDelete] = [behaviour('resultForCreate'), behaviour('resultForDelete')];
  return {
    ...(previous === undefined ? {} : { previous }),
    ...(current === undefined ? {} : { current }),
    ...(resultForCreate === undefined ? {} : { resultForCreate }),
    ...(resultForDelete === undefined ? {} : { resultForDelete }),
    requireBoth: both?.value === true,
  };
}

function readEventTrigger(reader: Reader, element: Element): EventTrigger {
  const concept = element.children.find(({ name }) => name === 'event')?.value as JsonObject | undefined;
  const event = objectsOf(concept?.coding).flatMap(codedOf);
  if (event.length === 0) {
    reader.issue(element.at, 'required', 'event must be a CodeableConcept with a coding that has a code');
  }
  return { resource: readType(reader, element), ...describe(reader, element), event };
}

/** A coding's system and code, if it has a code. */
export function codedOf(coding: Json): Coded[] {
  const { system, code } = (coding ?? {}) as JsonObject;
  return typeof code === 'string' ? [{ system: typeof system === 'string' ? system : '', code }] : [];
}

function readFilter(reader: Reader, element: Element): FilterRule {
  const { children, at } = element;
  const parameter = textOf(reader, children, 'filterParameter') ?? '';
  const definition = textOf(reader, children, 'filterDefinition');
  if (parameter === '') reader.issue(at, 'required', 'canFilterBy needs a filterParameter');
  return {
    resource: readType(reader, element, true),
    ...describe(reader, element),
    parameter,
    ...(definition === undefined ? {} : { definition }),
    // R4B has comparators among the modifiers, R5 has them beside.
    modifiers: [...textsOf(reader, children, 'modifier'), ...textsOf(reader, children, 'comparator')],
  };
}

const readShape = (reader: Reader, element: Element): NotificationShape => ({
  resource: readType(reader, element),
  include: textsOf(reader, element.children, 'include'),
  revInclude: textsOf(reader, element.children, 'revInclude'),
});
