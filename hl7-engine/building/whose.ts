// A message is about one patient: what it tells of must be that patient's, whatever the references say.
import type { Json, JsonObject, Resource } from '#fhir-model';
import { CerebraError } from '#platform';
import { isObject, objects, text } from './building.ts';
import type { Graph } from './graph.ts';

/** What a value, a visit or a number of the message is read from. A specimen may be another's: a donor's, a mother's. */
const told: ReadonlySet<string> = new Set([
  ...['Observation', 'DiagnosticReport', 'DocumentReference', 'Condition'],
  ...['Encounter', 'ServiceRequest', 'Immunization'],
]);

export interface WatchedGraph extends Graph {
  /** What was asked for and found. */
  readonly used: ReadonlySet<Resource>;
}

export function watched(graph: Graph): WatchedGraph {
  const used = new Set<Resource>();
  return {
    used,
    all: graph.all,
    resolve(reference) {
      const found = graph.resolve(reference);
      if (found !== undefined) used.add(found);
      return found;
    },
  };
}

/**
 * Throws CerebraError `business-rule` where the message would tell something of another patient as this one's, or where a resource
 * says by a modifier that it means something else than its other elements do: https://hl7.org/fhir/R4/extensibility.html#modifierExtension
 */
export function checkTold(focus: Resource, graph: WatchedGraph): void {
  const whose = subjectOf(focus);
  for (const resource of [focus, ...graph.used]) {
    if (resource !== focus && !told.has(resource.resourceType)) continue;
    const where = `${resource.resourceType}${resource.id === undefined ? '' : `/${resource.id}`}`;
    if (objects(resource.modifierExtension).length > 0) {
      throw fault(`${where} has a modifierExtension: a message has no place for what it changes`, 'modifierExtension');
    }
    if (resource.resourceType === 'Observation') checkFocus(resource, whose, graph, where);
    if (whose === undefined || isSame(graph, whose, subjectOf(resource))) continue;
    throw fault(`${where} is another patient's than ${focus.resourceType}: a message is about one`, 'subject');
  }
}

const people: ReadonlySet<string> = new Set(['Patient', 'RelatedPerson', 'Group']);

/** What is said of the mother in the child's record would be the child's: https://hl7.org/fhir/R4/observation-definitions.html#Observation.focus */
function checkFocus({ focus }: Resource, whose: JsonObject | undefined, graph: Graph, where: string): void {
  for (const one of objects(focus)) {
    const type = text(one.type) ?? /([A-Z]\w+)\/[^/]+(?:\/_history\/[^/]+)?$/.exec(text(one.reference) ?? '')?.[1];
    if (!people.has(graph.resolve(one)?.resourceType ?? type ?? '')) continue;
    if (whose !== undefined && type !== 'RelatedPerson' && isSame(graph, whose, one)) continue;
    throw fault(`${where} is about somebody else (focus) than its subject: OBX has no place for whom`, 'focus');
  }
}

const fault = (words: string, element: string): CerebraError =>
  new CerebraError('business-rule', words, { expression: [element] });

function subjectOf({ subject, patient }: Resource): JsonObject | undefined {
  return isObject(subject) ? subject : isObject(patient) ? patient : undefined;
}

const plain = (reference: Json | undefined): string | undefined =>
  /(Patient\/[A-Za-z0-9\-.]{1,64})(?:\/_history\/[^/]+)?$/.exec(text(reference) ?? '')?.[1];

/** Two references to one patient, or to two that a merge has made one. Nothing is held against what says nothing. */
function isSame(graph: Graph, one: JsonObject, other: JsonObject | undefined): boolean {
  if (other === undefined) return true;
  const [first, second] = [graph.resolve(one), graph.resolve(other)];
  if (first === undefined || second === undefined) {
    const names = [plain(one.reference), plain(other.reference)];
    // One of one id that is known here and another that is not: the other is another server's.
    return names.includes(undefined) || (names[0] === names[1] && first === second);
  }
  return first === second || isMerged(graph, first, second) || isMerged(graph, second, first);
}

function isMerged(graph: Graph, patient: Resource, other: Resource): boolean {
  return objects(patient.link).some(
    (link) => /^replace/.test(text(link.type) ?? '') && graph.resolve(link.other) === other,
  );
}
