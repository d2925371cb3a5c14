// Queries by parameter: QBP^Q11 (immunization history), Q21, Q22, Q23 (patients): HL7 v2.9 chapters 5.3 and 3.3.56 to 3.3.58
import { Refusal } from '../../message/refusal.ts';
import { findCandidates } from '../../query/candidates.ts';
import { immunizationHistory } from '../../query/history.ts';
import { correspondingNumbers, personDemographics } from '../../query/person.ts';
import type { Mapping, Responder } from '../context.ts';
import { type MessageMap, messageMap, required } from '../message-map.ts';
import type { Group } from '../structure/group.ts';

const reads = 'QPD RCP DSC'.split(' ');

const history = messageMap({ structures: ['QBP_Q11'], events: ['Q11'], reads, run: answer });
const patients = messageMap({ structures: ['QBP_Q21'], events: ['Q21', 'Q22', 'Q23'], reads, run: answer });

export const queryMaps: readonly MessageMap[] = [history, patients];

/** Throws Refusal AE without QPD, or for a query of another name. */
function answer(mapping: Mapping, root: Group): void {
  const qpd = required(root.get('QPD'), 'QPD');
  mapping.respond(responderOf(mapping, qpd, root.get('RCP')));
}

function responderOf(
  mapping: Mapping,
  qpd: Parameters<typeof findCandidates>[1],
  rcp: Parameters<typeof findCandidates>[2],
): Responder {
  if (mapping.event === 'Q21') return personDemographics(mapping, qpd);
  if (mapping.event === 'Q22') return findCandidates(mapping, qpd, rcp);
  if (mapping.event === 'Q23') return correspondingNumbers(mapping, qpd);
  const name = qpd.field(1).component(1).text;
  if (name === 'Z34' || name === 'Z44') return immunizationHistory(mapping, qpd, rcp, name);
  throw new Refusal('AE', '103', 'QPD-1: QBP^Q11 is answered for Z34 and Z44, the immunization history', {
    location: { segment: 'QPD', field: 1 },
  });
}
