// What people do with the resources of an alert, by whatever client, acknowledges it: they complete its Task, close its Flag,
// or answer its Communication. Where they delete the patient, it is over.
import { type JsonObject, objectsOf, parseSearch, type Resource } from '#fhir-model';
import type { CriteriaRules } from '../match/criteria.ts';
import type { Entry } from '../match/matcher.ts';
import type { Registration } from '../registration.ts';
import { plainReference } from './rules/happening.ts';
import { type Alerts, tagSystem, type Way } from './seams.ts';
import { alertOfPart, taskCode } from './state/resources.ts';

/** ':' can't occur in the id of a PlanDefinition. */
export const acknowledgmentSubscriber = 'alert::acknowledgments';

const isOurs = ({ meta }: Resource): boolean => (meta?.tag ?? []).some(({ system }) => system === tagSystem);

/** What the change stream is listened to for. */
export function acknowledgmentEntries(rules: CriteriaRules): { registration: Registration; entries: Entry[] } {
  const entry = (type: string, search: [string, string][], test: (resource: Resource) => boolean): Entry => ({
    id: `${acknowledgmentSubscriber}:${type}`,
    subscriber: acknowledgmentSubscriber,
    query: parseSearch(type, search, { ...rules, strict: true, countDefault: 1, countMax: 1 }),
    test,
  });
  return {
    registration: {
      ...{
        id: acknowledgmentSubscriber,
        channel: 'alert',
        criteria: 'acknowledgment: Task, Flag, Communication, deleted Patient',
      },
      ...{ endpoint: 'built-in/acknowledgments', host: '', payload: '', header: [], secret: '' },
    },
    entries: [
      entry('Task', [['code', `${taskCode.system}|${taskCode.code}`]], ({ status }) => status === 'completed'),
      // R4 has no search parameter for Flag.status.
      entry('Flag', [], (one) => (one.status === 'inactive' || one.status === 'entered-in-error') && isOurs(one)),
      entry(
        'Communication',
        [['status', 'completed,in-progress']],
        (one) => !isOurs(one) && answered(one, rules.baseUrl).length > 0,
      ),
      // No patient as he is, but each one that is deleted: nobody can act for him any more.
      { ...entry('Patient', [['_id', '-']], () => false), follows: true },
    ],
  };
}

/** References of what a Communication answers: our Communication, Task or Flag. */
function answered(resource: Resource, baseUrl: string | undefined): string[] {
  const lists = [resource.inResponseTo, resource.basedOn, resource.partOf, resource.about];
  const all = lists.flatMap((list) =>
    objectsOf(list as JsonObject[] | undefined).map((one) => plainReference(one, baseUrl) ?? ''),
  );
  return all.filter((reference) => /^(Communication|Task|Flag)\//.test(reference));
}

const answering = new Set<unknown>(['completed', 'in-progress']);

/**
 * Flags and Tasks that the version before answered already, where this one says no more: the alert may have got worse since, under
 * the same Flag and Task, and nobody has answered that. Of what was told each telling has a Communication of its own.
 */
function answeredBefore(resource: Resource, previous: Resource | undefined, baseUrl: string | undefined): string[] {
  if (!previous || !answering.has(previous.status)) return [];
  const saysMore =
    newNoteOf(resource, previous) !== undefined ||
    JSON.stringify(resource.payload) !== JSON.stringify(previous.payload);
  return saysMore ? [] : answered(previous, baseUrl).filter((reference) => !reference.startsWith('Communication/'));
}

export interface AcknowledgmentPorts {
  /** Our own FHIR base, which references may begin with. */
  baseUrl: string | undefined;
  alerts: Pick<Alerts, 'acknowledge'>;
  /** Id of the alert that a Task or a Communication belongs to; a Flag's is its own. */
  alertOf(type: string, id: string): Promise<string | undefined>;
  /** `status` of the resource as it is now; undefined where it is gone. */
  statusOf(type: string, id: string): Promise<unknown>;
}

/** The last of those that were added by this version. */
function newNoteOf(resource: Resource, previous: Resource | undefined): JsonObject | undefined {
  const notesOf = (one: Resource | undefined) => objectsOf(one?.note as JsonObject[] | undefined);
  const before = new Set(notesOf(previous).map((note) => JSON.stringify(note)));
  return notesOf(resource).findLast((note) => !before.has(JSON.stringify(note)));
}

/** https://hl7.org/fhir/R4/datatypes.html#Annotation */
function authorOf(note: JsonObject | undefined, baseUrl: string | undefined): string | undefined {
  const { authorReference, authorString } = note ?? {};
  const named = typeof authorString === 'string' && authorString.trim() !== '' ? authorString : undefined;
  return plainReference(authorReference, baseUrl) ?? named;
}

/**
 * Acknowledges what the resource is about; nothing happens where that is done already, or is no alert. `previous`: the version
 * before, where there was one.
 */
export async function acknowledgeBy(
  resource: Resource,
  previous: Resource | undefined,
  { baseUrl, alerts, alertOf, statusOf }: AcknowledgmentPorts,
): Promise<void> {
  const { resourceType, id: own = '' } = resource;
  const note = newNoteOf(resource, previous);
  // Of a Task the owner is who it was given to, as the rule has it: somebody else may have done it, and says so.
  const by = (element: unknown) =>
    authorOf(note, baseUrl) ?? plainReference(element as JsonObject, baseUrl) ?? resourceType;
  const text = typeof note?.text === 'string' ? note.text : undefined;
  // Of an alert that got worse the Task is open again, and the Flag active: who was done before has not seen that. Our own
  // completion of a Task, too, comes by the change stream, some milliseconds after the acknowledgment that it is part of.
  const holds = async () => resourceType === 'Communication' || (await statusOf(resourceType, own)) === resource.status;
  const how: Way = { way: 'resource', through: `${resourceType}/${own}`, holds };
  if (resourceType === 'Flag') {
    await alerts.acknowledge(own, by(resource.author), text, how);
    return;
  }
  const before = new Set(resourceType === 'Task' ? [] : answeredBefore(resource, previous, baseUrl));
  const references = resourceType === 'Task' ? [`Task/${own}`] : answered(resource, baseUrl);
  for (const reference of references) {
    if (before.has(reference)) continue;
    const [type = '', id = ''] = reference.split('/');
    const alert = type === 'Flag' ? id : (alertOfPart(resource) ?? (await alertOf(type, id)));
    if (alert !== undefined) await alerts.acknowledge(alert, by(resource.owner ?? resource.sender), text, how);
  }
}
