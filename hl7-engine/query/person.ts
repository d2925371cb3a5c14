// Get Person Demographics (QBP^Q21) to RSP^K21, and Get Corresponding Identifiers (QBP^Q23) to RSP^K23: HL7 v2.9 chapter 3.3.56
// and 3.3.58; what an unknown number is answered with is of https://profiles.ihe.net/ITI/TF/Volume2/ITI-9.html
import type { Resource } from '#fhir-model';
import { cx } from '../building/types/identifier.ts';
import type { Inquiry, Mapping } from '../mapping/context.ts';
import { numberKey, patientIdentity } from '../mapping/identity.ts';
import type { Segment } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';
import type { Response } from '../message/response.ts';
import { type Asked, domainsOf, inDomains, patientNumbers, patientsByNumber } from './ask.ts';
import { acknowledged, answering, people } from './reply.ts';

const k21 = ['RSP', 'K21', 'RSP_K21'] as const;
const k23 = ['RSP', 'K23', 'RSP_K23'] as const;

const location = { segment: 'QPD', field: 3, repetition: 1, component: 1 };

/** A number that is several patients' is nobody's until somebody has decided. */
async function theOne(inquiry: Inquiry, mapping: Mapping, qpd: Segment): Promise<Resource | Refusal | undefined> {
  const { matching } = patientIdentity(mapping, qpd, [3]);
  const found = await patientsByNumber(inquiry, matching);
  if (found.length < 2) return found[0];
  return new Refusal('AE', '205', `QPD-3 is the number of ${found.length} patients: merge them first`, { location });
}

function refused(mapping: Mapping, qpd: Segment, type: Response['type'], refusal: Refusal): Response {
  return { type, refusal, segments: acknowledged(mapping, qpd, 'AE') };
}

export function personDemographics(mapping: Mapping, qpd: Segment): Asked {
  const domains = domainsOf(mapping, qpd.field(4));
  return async (inquiry) => {
    const patient = await theOne(inquiry, mapping, qpd);
    if (patient instanceof Refusal) return refused(mapping, qpd, k21, patient);
    if (patient === undefined) return { type: k21, segments: acknowledged(mapping, qpd, 'NF') };
    const numbers = inDomains(patientNumbers(patient), domains);
    const found = await people(mapping, inquiry, [{ patient, numbers }]);
    return { type: k21, segments: [...acknowledged(mapping, qpd, 'OK'), ...found] };
  };
}

/** PID-5 is required in PID, and no part of this answer. */
const noName = [null, null, null, null, null, null, 'S'];

export function correspondingNumbers(mapping: Mapping, qpd: Segment): Asked {
  const domains = domainsOf(mapping, qpd.field(4));
  return async (inquiry) => {
    const patient = await theOne(inquiry, mapping, qpd);
    if (patient instanceof Refusal) return refused(mapping, qpd, k23, patient);
    if (patient === undefined) {
      const unknown = new Refusal('AE', '204', 'QPD-3 is the number of no patient here', { location });
      return refused(mapping, qpd, k23, unknown);
    }
    const asked = new Set(patientIdentity(mapping, qpd, [3]).identifiers.map(numberKey));
    const others = inDomains(patientNumbers(patient), domains).filter((one) => !asked.has(numberKey(one)));
    if (others.length === 0) return { type: k23, segments: acknowledged(mapping, qpd, 'NF') };
    const found = await answering(mapping, inquiry, [], (building) => {
      const repetitions = others.map((one) => cx(building, one));
      return [{ name: 'PID', fields: { 3: { repetitions }, 5: noName } }];
    });
    return { type: k23, segments: [...acknowledged(mapping, qpd, 'OK'), ...found] };
  };
}
