// What a merge makes of the two patients, and when it may not: https://build.fhir.org/patient-operation-merge.html
import { isSubset, type JsonObject, objectsOf, parseReference, type Resource } from '#fhir-model';
import { CerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { isReplaced, sameIdentifier } from './match-features.ts';
import { type MergeInput, refused, type Side } from './merge-input.ts';

/** Whether the link is to that patient, whatever its version. */
function linksTo(core: Core, { other }: JsonObject, id: string): boolean {
  const text = (other as JsonObject | undefined)?.reference;
  const parsed = typeof text === 'string' ? parseReference(text, core.baseUrl) : undefined;
  return parsed?.kind === 'local' && parsed.type === 'Patient' && parsed.id === id;
}

/** Whether the identifier is among them; one that was given without a system may be of any. */
const has = (own: readonly JsonObject[], { system, value }: JsonObject): boolean =>
  own.some((each) => (system === undefined ? each.value === value : sameIdentifier(each, { system, value })));

function assertIdentifiers(patient: Resource, given: readonly JsonObject[], side: Side): void {
  const own = objectsOf(patient.identifier);
  const missing = given.find((one) => !has(own, one));
  if (!missing) return;
  throw refused(
    `The ${side}, Patient/${patient.id}, does not have all of the identifiers`,
    `${side}-patient-identifier`,
  );
}

function assertNotReplaced(patient: Resource, side: Side): void {
  if (!isReplaced(patient)) return;
  throw refused(`The ${side}, Patient/${patient.id}, was merged into another patient before`, `${side}-patient`);
}

/** Throws `business-rule` for patients that can't be merged. */
export function assertMergeable(input: MergeInput, source: Resource, target: Resource): void {
  assertNotReplaced(source, 'source');
  assertNotReplaced(target, 'target');
  if (target.active === false) {
    throw refused(`The target, Patient/${target.id}, is not active`, 'target-patient');
  }
  assertIdentifiers(source, input.identifiers.source, 'source');
  assertIdentifiers(target, input.identifiers.target, 'target');
}

/**
 * The source as it will be: inactive, with the one link that counts. Identifiers that the target has now are no more the
 * source's: whoever looks one up, a feed or a conditional create, is to find one patient, the one that stays.
 */
export function sourceAfter(core: Core, source: Resource, target: Resource): Resource {
  const { identifier, link: links, ...rest } = source;
  const kept = objectsOf(identifier).filter(
    (one) => !objectsOf(target.identifier).some((each) => sameIdentifier(each, one)),
  );
  const others = objectsOf(links).filter((link) => !linksTo(core, link, target.id!));
  const link = { other: { reference: `Patient/${target.id}` }, type: 'replaced-by' };
  return { ...rest, ...(kept.length > 0 ? { identifier: kept } : {}), active: false, link: [...others, link] };
}

const asOld = (identifier: JsonObject): JsonObject => ({ ...identifier, use: 'old' });

/** Without a result given: the target with the source's identifiers, marked as old. */
function merged(core: Core, source: Resource, target: Resource): Resource {
  const own = objectsOf(target.identifier);
  const more = objectsOf(source.identifier).filter((one) => !own.some((each) => sameIdentifier(each, one)));
  const identifier = [...own, ...more.map(asOld)];
  const others = objectsOf(target.link).filter((link) => !linksTo(core, link, source.id!));
  const link = { other: { reference: `Patient/${source.id}` }, type: 'replaces' };
  return { ...target, ...(identifier.length > 0 ? { identifier } : {}), link: [...others, link] };
}

/** Throws `invalid-parameter` for a result that lacks the link or an identifier that was given. */
function assertResult(core: Core, input: MergeInput, result: Resource): void {
  const wrong = (text: string) => new CerebraError('invalid-parameter', text, { expression: ['result-patient'] });
  const replaces = objectsOf(result.link).some(
    (link) => link.type === 'replaces' && linksTo(core, link, input.sourceId),
  );
  if (!replaces) {
    throw wrong(`'result-patient' must have a link of type replaces to the source, Patient/${input.sourceId}`);
  }
  if (objectsOf(result.link).some((link) => link.type === 'replaced-by' || linksTo(core, link, input.targetId))) {
    throw wrong("'result-patient' can't be replaced by another patient, or be linked to itself");
  }
  if (result.active === false) throw wrong("'result-patient' must be active");
  if (isSubset(result)) {
    throw wrong(
      "'result-patient' is tagged SUBSETTED: a part would take the place of the whole patient, so give the whole",
    );
  }
  const own = objectsOf(result.identifier);
  const given = [...input.identifiers.source, ...input.identifiers.target];
  if (given.every((one) => has(own, one))) return;
  throw wrong("'result-patient' must have the identifiers that source and target were told by");
}

/** The target as it will be. */
export function targetAfter(core: Core, input: MergeInput, source: Resource, target: Resource): Resource {
  if (!input.result) return merged(core, source, target);
  assertResult(core, input, input.result);
  return { ...input.result };
}
