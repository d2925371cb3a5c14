// What becomes of a document when another replaces it (MDM^T09, T10), and when that other one is cancelled (T11):
// HL7 v2.9 chapter 9.6
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import { list } from '../compact.ts';
import { absent, type Mapping } from '../context.ts';
import { type Identifier, identifierCriterion } from '../identifiers.ts';
import { numberKey } from '../identity.ts';
import { lookUp } from '../look-up.ts';
import { isOutdated, stampMs } from '../ordering.ts';
import { ofOnePatient } from './whose.ts';

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
 * The document that was replaced is not current any more, whenever its own messages come. Where it is not here yet its number is
 * kept with that status and without a time, so that it does not become current when it comes late and has its content nevertheless.
 * A replacement that was cancelled before it came replaces nothing.
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
  const { number } = own;
  // This entry stands before the document's own.
  const ownNow = number === undefined ? () => [] : lookUp(mapping.lookUps, criteria(number), number);
  return mapping.add({
    method: 'PUT',
    url: criteria(parent),
    resource,
    choose([match]) {
      const [stored] = ownNow();
      const isCancelled = stored?.status === 'entered-in-error' && !isNewer(own.resource, stored);
      return isCancelled ? { match, idle: true } : { match };
    },
    merge: ofOnePatient(mapping, (existing, incoming) => {
      if (existing === undefined) return incoming;
      return existing.status === 'current' ? { ...existing, status: 'superseded' } : existing;
    }),
  });
}

/** Of the document itself: what it does not replace it does not refer to. */
export function withoutIdleTargets(resource: Resource, idle: ReadonlySet<string>): Resource {
  if (idle.size === 0) return resource;
  const relatesTo = list(resource.relatesTo).map((relation) => {
    const { reference, ...target } = relation.target as JsonObject;
    return idle.has(String(reference)) ? { ...relation, target } : relation;
  });
  return relatesTo.length === 0 ? resource : { ...resource, relatesTo };
}

/** One of the same time as the cancellation is the one that it cancels. */
function isNewer(incoming: Resource, stored: Resource): boolean {
  const [before, now] = [stampMs(stored), stampMs(incoming)];
  return before === undefined || now === undefined || now > before;
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
