// Subscription.channel.payload: https://hl7.org/fhir/R4/subscription-definitions.html#Subscription.channel.payload
import { parseJson, type Resource, type XmlCodec } from '#fhir-model';
import { isCerebraError } from '#platform';

/** The media type alone, in small letters: `application/fhir+xml` of `application/fhir+xml; charset=utf-8`. */
export const essenceOf = (payload: string): string => payload.split(';')[0]!.trim().toLowerCase();

/** https://www.rfc-editor.org/rfc/rfc2045#section-5.1: `text/plain;attach=application/fhir+json` */
const attachForm = /;\s*attach="?(application\/fhir\+(?:json|xml))"?\s*(?:;|$)/i;

/**
 * Media type of what a mail has attached; '' for nothing: of R4's payloads the payload itself, of the guide's the parameter
 * `attach` (http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#email).
 */
export function attachedType(payload: string): string {
  return essenceOf(payload).startsWith('application/') ? payload : (attachForm.exec(payload)?.[1] ?? '');
}

/** What was stored without a check can't be written as XML, at no attempt: it must not keep what follows waiting for ever. */
export const isUnwritable = (err: unknown): boolean => isCerebraError(err, 'not-acceptable');

/** A resource's JSON text, in XML where the payload is that. Throws CerebraError `not-acceptable` where it can't be. */
export const inFormat = (json: string, payload: string, xml: XmlCodec): string =>
  essenceOf(payload) === 'application/fhir+xml' ? xml.write(parseJson(json).exact as Resource, false) : json;
