// Whether a patient's record stood at an instant of the past: who was deleted, or merged into another record, since was there then.
import {
  type AccessScope,
  type ChangeFeed,
  type JsonObject,
  objectsOf,
  parseJson,
  type Resource,
  type ResourceReader,
} from '#fhir-model';
import type { Db } from '#platform';

export interface GonePorts {
  db: Db;
  feed: Pick<ChangeFeed, 'bodies'>;
  reader: Pick<ResourceReader, 'read'>;
  scope: AccessScope;
}

/** The id of `Patient/1`. */
export const patientIdOf = (subject: string): string | undefined =>
  /^Patient\/([A-Za-z0-9\-.]{1,64})$/.exec(subject)?.[1];

/** https://hl7.org/fhir/R4/valueset-link-type.html */
export const isMerged = ({ active, link }: Resource): boolean =>
  active === false && objectsOf(link as JsonObject[] | undefined).some(({ type }) => type === 'replaced-by');

/** Versions that are looked at: those before count as the last of them. */
const versionsMax = 20;

interface State {
  sinceMs: number;
  isGone: boolean;
}

/** For questions about many instants; of each subject the store is asked once. */
export function createGoneThen(ports: GonePorts): (subject: string, atMs: number) => Promise<boolean> {
  const known = new Map<string, Promise<State[]>>();
  return async (subject, atMs) => {
    const states = known.get(subject) ?? statesOf(ports, subject);
    known.set(subject, states);
    return (await states).find(({ sinceMs }) => sinceMs <= atMs)?.isGone === true;
  };
}

/** The latest first. Instants of earlier deletions are not known: those versions are left out. */
async function statesOf({ db, feed, reader, scope }: GonePorts, subject: string): Promise<State[]> {
  const id = patientIdOf(subject);
  const stored = id === undefined ? undefined : await reader.read('Patient', id, scope);
  if (id === undefined || !stored) return [];
  const { version, updatedMs, deleted, body } = stored;
  const isGone = deleted || isMerged(parseJson(body).exact as Resource);
  const now: State = { sinceMs: updatedMs, isGone };
  if (!isGone) return [now];
  const count = Math.min(versionsMax, version - 1);
  const keys = Array.from({ length: count }, (_, i) => ({ type: 'Patient', id, version: version - 1 - i }));
  const texts = keys.length === 0 ? [] : await feed.bodies(db, keys);
  const before = texts.flatMap((text): State[] => {
    if (text === '') return [];
    const resource = parseJson(text).exact as Resource;
    return [{ sinceMs: Date.parse(String(resource.meta?.lastUpdated)), isGone: isMerged(resource) }];
  });
  return [now, ...before];
}
