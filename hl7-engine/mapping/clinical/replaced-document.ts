// What becomes of a document when another replaces it (MDM^T09, T10), and when that other one is cancelled (T11):
// HL7 v2.9 chapter 9.6
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import { list } from '../compact.ts';
import { absent, type Mapping } from '../context.ts';
import { type Identifier, identifierCriterion } from '../identifiers.ts';
import { numberKey } from '../identity.ts';
import { lookUp } from '../look-up.ts';
import { isOutdated } from '../ordering.ts';
import { documentMerge } from './merging.ts';

type Choose = NonNullable<TransactionEntry['choose']>;

/** The document that the message is about. */
export interface Own {
  number: Identifier | undefined;
  /** Known in the transaction, once its entry has chosen. */
  stored: Resource | undefined;
  resource: Resource;
}

export function remembered(own: Own): Choose {
  return ([match]) => {
    own.stored = match;
    return { match };
  };
}

/** Nothing of the message counts: it came late. */
function isLate({ stored, resource }: Own): boolean {
  return stored !== undefined && isOutdated(stored, resource, { warnings: { add: () => undefined } });
}

const criteria = (number: Identifier): string => `DocumentReference?${identifierCriterion(number)}`;

/**
 * The document that was replaced is not current any more. Where it is not here yet its number is kept with that status, so that
 * it does not become current when it comes late. A replacement that was cancelled before it came replaces nothing.
 */
export function supersede(mapping: Mapping, parent: Identifier, own: Own): string {
  const resource: Resource = {
    resourceType: 'DocumentReference',
    masterIdentifier: parent,
    status: 'superseded',
    type: own.resource.type,
    subject: own.resource.subject,
    content: [{ attachment: absent }],
  } as Resource;
  mapping.stamp(resource);
  const merge = documentMerge(mapping, new Set(['content', 'type', 'subject', 'masterIdentifier']));
  const isCancelled = (): boolean => own.stored?.status === 'entered-in-error' && isLate(own);
  return mapping.add({
    method: 'PUT',
    url: criteria(parent),
    resource,
    // Not by what is chosen: this entry stands before the document's own.
    merge: (existing, incoming) => (existing !== undefined && isCancelled() ? existing : merge(existing, incoming)),
  });
}

/**
 * The document that a cancelled one has replaced is current again, unless another one that counts replaces it too. `parent`:
 * TXA-13, which a cancellation need not have; else what the stored document says.
 */
export function revive(mapping: Mapping, parent: Identifier | undefined, own: Own): void {
  const { number } = own;
  if (number === undefined) return;
  const related = `_has:DocumentReference:relatesto:${identifierCriterion(number)}`;
  const replacements = lookUp(mapping.lookUps, `DocumentReference?relatesto.${related}`, number);
  const isOwn = ({ masterIdentifier }: Resource): boolean =>
    masterIdentifier !== undefined && numberKey(masterIdentifier as JsonObject) === numberKey(number);
  const resource: Resource = {
    resourceType: 'DocumentReference',
    masterIdentifier: parent,
    status: 'current',
    subject: own.resource.subject,
    content: [{ attachment: absent }],
  } as Resource;
  mapping.add({
    method: 'PUT',
    url: parent === undefined ? `DocumentReference?${related}` : criteria(parent),
    resource,
    choose(matches) {
      if (own.stored?.status !== 'current' || isLate(own)) return { idle: true };
      const match = parent === undefined ? matches.find(({ id }) => replaces(own.stored!, id)) : matches[0];
      const isReplaced = replacements().some((one) => one.status === 'current' && !isOwn(one));
      return match?.status === 'superseded' && !isReplaced ? { match } : { idle: true };
    },
    merge: (existing, incoming) => (existing === undefined ? incoming : { ...existing, status: 'current' }),
  });
}

const replaces = ({ relatesTo }: Resource, id: string | undefined): boolean =>
  list(relatesTo).some(
    ({ code, target }) => code === 'replaces' && (target as JsonObject).reference === `DocumentReference/${id}`,
  );
