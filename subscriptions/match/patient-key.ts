// The key of a change: its patient, so that all there is about one patient stays in order in one partition.
import {
  type Change,
  type ChangeFeed,
  compileExtractor,
  parseJson,
  type Resource,
  type SearchParam,
  type SearchParameters,
  type VersionKey,
} from '#fhir-model';
import type { Queryable } from '#platform';

/** Where resources name their patient, best first: https://hl7.org/fhir/R4/compartmentdefinition-patient.html */
const codes = ['patient', 'subject', 'beneficiary', 'individual', 'link'];

export type KeyOf = (change: Pick<Change, 'type' | 'id'>, resource: Resource | undefined) => string;

/** `Patient/1` of whom the resource is about; for one without patient itself: `Location/1`. */
export function createKeyOf(parameters: Pick<SearchParameters, 'get'>, baseUrl?: string): KeyOf {
  const byType = new Map<string, (resource: Resource) => string | undefined>();
  const readerOf = (type: string) => {
    const params = codes.flatMap((code): SearchParam[] => {
      const found = parameters.get(type, code);
      return found?.type === 'reference' ? [found] : [];
    });
    if (params.length === 0) return () => undefined;
    const extract = compileExtractor(params, { baseUrl });
    return (resource: Resource) => {
      for (const value of extract(resource)) {
        if (value.kind === 'reference' && value.type === 'Patient' && value.id !== undefined) {
          return `Patient/${value.id}`;
        }
      }
      return undefined;
    };
  };
  return ({ type, id }, resource) => {
    if (type === 'Patient' || !resource) return `${type}/${id}`;
    let read = byType.get(type);
    if (!read) {
      read = readerOf(type);
      byType.set(type, read);
    }
    return read(resource) ?? `${type}/${id}`;
  };
}

/**
 * What each change left or, of a deletion, what it deleted: that has the patient. Undefined where it is no longer stored. What has no
 * `body` is read, all of it at once.
 */
export async function changedResources(
  db: Queryable,
  feed: Pick<ChangeFeed, 'bodies'>,
  changes: readonly (VersionKey & { op: Change['op']; body?: string })[],
): Promise<(Resource | undefined)[]> {
  const unread = changes.filter(({ body }) => !body);
  const versions = unread.map(({ type, id, version, op }) => {
    return { type, id, version: op === 'delete' ? version - 1 : version };
  });
  const texts = versions.length === 0 ? [] : await feed.bodies(db, versions);
  const textOf = new Map(unread.map((change, index) => [change, texts[index]]));
  return changes.map((change) => {
    const text = change.body || textOf.get(change);
    return text ? (parseJson(text).exact as Resource) : undefined;
  });
}
