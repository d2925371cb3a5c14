// Queries by parameter: QBP^Q11 (immunization history), Q21, Q22, Q23 (patients): HL7 v2.9 chapters 5.3 and 3.3.56 to 3.3.58
import type { Segment } from '../../message/message.ts';
import { Refusal } from '../../message/refusal.ts';
import type { Asked } from '../../query/ask.ts';
import { findCandidates } from '../../query/candidates.ts';
import { immunizationHistory } from '../../query/history.ts';
import { correspondingNumbers, personDemographics } from '../../query/person.ts';
import { acknowledged } from '../../query/reply.ts';
import type { Mapping } from '../context.ts';
import { type MessageMap, messageMap, required } from '../message-map.ts';
import type { Group } from '../structure/group.ts';

const reads = 'QPD RCP DSC'.split(' ');

const history = messageMap({ structures: ['QBP_Q11'], events: ['Q11'], reads, run: answer });
const patients = messageMap({ structures: ['QBP_Q21'], events: ['Q21', 'Q22', 'Q23'], reads, run: answer });

export const queryMaps: readonly MessageMap[] = [history, patients];

/** Throws Refusal AE without QPD; any other fault of the query is told in its answer. */
function answer(mapping: Mapping, root: Group): void {
  const qpd = required(root.get('QPD'), 'QPD');
  const number = mapping.event.slice(1);
  const type = ['RSP', `K${number}`, number === '22' ? 'RSP_K21' : `RSP_K${number}`] as const;
  mapping.respond(async (inquiry) => {
    try {
      if (inquiry === undefined)
        throw new Refusal('AR', '200', 'Queries are not answered here: there is no store to ask');
      return await responderOf(mapping, qpd, root.get('RCP'))(inquiry);
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      return { type, refusal, segments: acknowledged(mapping, qpd, 'AE') };
    }
  });
}

/** Throws Refusal AE for a query that is not answered. */
function responderOf(mapping: Mapping, qpd: Segment, rcp: Segment | undefined): Asked {
  if (mapping.event === 'Q21') return personDemographics(mapping, qpd);
  if (mapping.event === 'Q22') return findCandidates(mapping, qpd, rcp);
  if (mapping.event === 'Q23') return correspondingNumbers(mapping, qpd);
  const name = qpd.field(1).component(1).text;
  if (name === 'Z34' || name === 'Z44') return immunizationHistory(mapping, qpd, rcp, name);
  throw new Refusal('AE', '103', 'QPD-1: QBP^Q11 is answered for Z34 and Z44, the immunization history', {
    location: { segment: 'QPD', field: 1 },
  });
}
