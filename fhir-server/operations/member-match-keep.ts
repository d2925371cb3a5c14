// What a match leaves behind: the consent and the other payer's coverage, both of the member that was found.
// https://hl7.org/fhir/us/davinci-hrex/OperationDefinition-member-match.html
import {
  type AccessScope,
  type JsonObject,
  parseDateRange,
  parseReference,
  type Resource,
  stringify,
} from '#fhir-model';
import { uuidv5 } from '#platform';
import type { Core } from '../interactions/core.ts';
import { cloneJson } from '../interactions/links.ts';
import { createWriter } from '../ports.ts';
import { failed } from './member-match-find.ts';

const objectOf = (value: unknown): JsonObject =>
  typeof value === 'object' && value !== null ? (value as JsonObject) : {};

/** References SHALL be to the MemberPatient of the same request. */
export function assertAbout(patient: Resource, reference: unknown, expression: string): void {
  const { reference: text } = objectOf(reference);
  if (text === undefined || patient.id === undefined) return;
  const parsed = parseReference(String(text));
  if (parsed.kind === 'local' && parsed.type === 'Patient' && parsed.id === patient.id) return;
  throw failed('invalid', `${expression} must refer to MemberPatient: Patient/${patient.id}`, expression);
}

/** HRex: only data that are not sensitive may be disclosed. Nothing here tells which those are. */
const REGULAR = /#regular$/i;

/** Throws `business-rule` for a consent that does not permit the disclosure, or that can't be complied with. */
export function assertConsent(core: Core, patient: Resource, consent: Resource | undefined): void {
  if (!consent) return;
  const refuse = (text: string, element: string) => failed('business-rule', text, `Consent.${element}`);
  assertAbout(patient, consent.patient, 'Consent.patient');
  if (consent.status !== 'active') throw refuse('The consent is not active', 'status');
  const provision = objectOf(consent.provision);
  if (provision.type === 'deny') throw refuse('The consent denies the disclosure', 'provision.type');
  const { start, end } = objectOf(provision.period);
  const nowMs = core.store.clock.now();
  const begins = typeof start === 'string' ? parseDateRange(start)?.lo : undefined;
  const ends = typeof end === 'string' ? parseDateRange(end)?.hi : undefined;
  if ((begins !== undefined && begins > nowMs) || (ends !== undefined && ends < nowMs)) {
    throw refuse('The consent is not in force now', 'provision.period');
  }
  const policies = Array.isArray(consent.policy) ? (consent.policy as JsonObject[]) : [];
  if (policies.some(({ uri }) => typeof uri === 'string' && REGULAR.test(uri))) {
    const text = 'The consent excludes sensitive data, which this server does not tell from others: it can’t comply';
    throw refuse(text, 'policy');
  }
}

/** Whom it is about is MemberPatient, be it told by a reference, an identifier, a display or not at all. */
const MEMBER: Record<string, string> = { Coverage: 'beneficiary', Consent: 'patient' };

/**
 * As it is kept here: about the member, and without literal references to what only the sender has, which would mean
 * other resources here.
 */
function kept(core: Core, given: Resource, patient: Resource, memberId: string): Resource {
  const { id: _id, meta: _meta, ...rest } = given;
  const resource = cloneJson(rest) as Resource;
  core.links.forEachReference(resource, (text, site) => {
    const parsed = parseReference(text);
    const owner = site.owner as JsonObject;
    if (parsed.kind === 'fragment') return;
    if (
      parsed.kind === 'local' &&
      parsed.type === 'Patient' &&
      (patient.id === undefined || parsed.id === patient.id)
    ) {
      owner.reference = `Patient/${memberId}`;
    } else if (parsed.kind !== 'absolute' && parsed.kind !== 'urn') {
      delete owner.reference;
      if (owner.display === undefined && owner.identifier === undefined) owner.display = text;
    }
  });
  const element = MEMBER[resource.resourceType];
  if (element !== undefined) resource[element] = { ...objectOf(resource[element]), reference: `Patient/${memberId}` };
  return resource;
}

/** For ids that are made of what is kept. */
const NAMESPACE = '5f0b0b5e-7d0c-4d5f-9a53-0f6c1f6f3c1d';

/** The same again has the same id: a match that is repeated leaves nothing new. */
const withId = (resource: Resource): Resource & { id: string } => ({
  ...resource,
  id: uuidv5(NAMESPACE, stringify(resource)),
});

/** Stores them, unless they are there already. */
export async function keep(
  core: Core,
  given: readonly (Resource | undefined)[],
  patient: Resource,
  memberId: string,
  scope: AccessScope,
): Promise<void> {
  const resources = given.filter((one) => one !== undefined).map((one) => withId(kept(core, one, patient, memberId)));
  if (resources.length > 0) await createWriter(core).createIfAbsent(resources, { scope });
}
