// Orders and their responses: ORM^O01, OML^O21, O33, O35, O39, OMG^O19, and ORR, ORL, ORG and ORA, which tell what became of an
// order: HL7 v2.9 chapter 4; https://hl7.org/fhir/uv/v2mappings/ (OML_O21, ORM_O01)
import type { JsonObject, Resource } from '#fhir-model';
import { Refusal } from '../../message/refusal.ts';
import { detail, orderGroup, specimensAround } from '../clinical/groups.ts';
import { addOrder, type Sequence } from '../clinical/orders.ts';
import { linkMembers, parentsOf } from '../clinical/parent.ts';
import { addResults, type Results } from '../clinical/results.ts';
import { subjectOf } from '../clinical/subject.ts';
import type { Mapping } from '../context.ts';
import { eiIdentifier, identifierCriterion, uniteIdentifiers } from '../identifiers.ts';
import { type MessageMap, messageMap } from '../message-map.ts';
import type { Group } from '../structure/group.ts';

const reads =
  'MSA ERR PID PD1 NK1 PV1 PV2 GT1 IN1 IN2 IN3 AL1 ORC OBR RQD RQ1 RXO RXR RXC ODS ODT NTE TQ1 DG1 OBX SPM SAC FT1 BLG PRT'.split(
    ' ',
  );

const orm = messageMap({ structures: ['ORM_O01'], events: ['O01'], defaultEvent: 'O01', reads, run: mapOrders });
const oml = messageMap({
  structures: ['OML_O21'],
  events: ['O21', 'O39'],
  defaultEvent: 'O21',
  reads,
  run: mapOrders,
});
const omlBySpecimen = messageMap({ structures: ['OML_O33'], events: ['O33'], reads, run: mapOrders });
const omlByContainer = messageMap({ structures: ['OML_O35'], events: ['O35'], reads, run: mapOrders });
const omg = messageMap({ structures: ['OMG_O19'], events: ['O19'], defaultEvent: 'O19', reads, run: mapOrders });
const omd = messageMap({ structures: ['ORM_O01'], code: 'OMD', events: ['O03'], reads, run: mapOrders });
const oms = messageMap({ structures: ['ORM_O01'], code: 'OMS', events: ['O05'], reads, run: mapOrders });
const orr = messageMap({ structures: ['ORR_O02'], events: ['O02'], defaultEvent: 'O02', reads, run: mapResponse });
const orl = messageMap({
  structures: ['ORL_O22'],
  events: ['O22', 'O34', 'O36', 'O40'],
  defaultEvent: 'O22',
  reads,
  run: mapResponse,
});
const org = messageMap({ structures: ['ORR_O02'], code: 'ORG', events: ['O20'], reads, run: mapResponse });
const ora = messageMap({
  structures: ['ORA_R33'],
  events: ['R33'],
  defaultEvent: 'R33',
  reads: 'MSA ERR ORC PRT'.split(' '),
  run: mapPlaced,
});

export const orderMaps: readonly MessageMap[] = [
  ...[orm, oml, omlBySpecimen, omlByContainer, omg, omd, oms, orr, orl, org],
  ora,
];

/** Throws Refusal AE when the message lacks PID or ORC, or the patient an identifier. */
function mapOrders(mapping: Mapping, root: Group): void {
  const orders = root.groups('ORDER');
  if (orders.length === 0) {
    throw new Refusal('AE', '100', 'Required segment ORC is missing', { location: { segment: 'ORC' } });
  }
  const results: Results = { subject: subjectOf(mapping, root), specimens: new Map(), parents: parentsOf(mapping) };
  const sequence: Sequence = { replaced: [], parent: undefined };
  for (const order of orders) {
    const group = orderGroup(order);
    // Some send results as orders whose observations follow: ORC-1 is RE.
    if (group.orc?.field(1).text === 'RE' && detail(group, 'OBR') && group.observations.length > 0) {
      addResults(mapping, group, results);
    } else addOrder(mapping, group, results, sequence, specimensAround(order));
  }
  linkMembers(mapping);
}

/** A response that names the patient tells of orders as an order does; without, there is nothing that it could change. */
function mapResponse(mapping: Mapping, root: Group): void {
  if (root.groups('ORDER').length === 0) {
    mapping.warnings.add('MSA: a response without an order changes nothing');
    return;
  }
  if (mapping.message.segment('PID') === undefined) {
    throw new Refusal('AE', '100', 'Required segment PID is missing: whose order it is cannot be told', {
      location: { segment: 'PID' },
    });
  }
  mapOrders(mapping, root);
}

/**
 * ORA^R33 answers results that came before their order (ORU^R30): the order has been placed, under the number in ORC-2. The
 * order of the filler's number gets it; where there is none, or there are several, nothing changes.
 */
function mapPlaced(mapping: Mapping, root: Group): void {
  for (const group of root.groups('ORDER')) {
    const orc = group.get('ORC');
    const placer = orc && eiIdentifier(mapping, orc.field(2), 'order-placer', 'PLAC');
    const filler = orc && eiIdentifier(mapping, orc.field(3), 'order-filler', 'FILL');
    if (placer === undefined || filler === undefined) {
      mapping.warnings.add('ORC: without a number of the placer and one of the filler it changes nothing');
      continue;
    }
    const url = `ServiceRequest?${identifierCriterion(filler)}`;
    mapping.once(url, () =>
      mapping.add({
        method: 'PUT',
        url,
        resource: { resourceType: 'ServiceRequest', identifier: [placer] },
        choose(matches) {
          const [match, ...others] = matches;
          if (match !== undefined && others.length === 0) return { match };
          mapping.warnings.add(`ORC-3: ${match === undefined ? 'no order has' : 'several orders have'} this number`);
          return { idle: true };
        },
        merge: (existing, incoming) => (existing === undefined ? incoming : withIdentifiers(existing, incoming)),
      }),
    );
  }
}

function withIdentifiers(existing: Resource, { identifier }: Resource): Resource {
  const before = (existing.identifier ?? []) as JsonObject[];
  const all = uniteIdentifiers(before, identifier as JsonObject[]);
  return all.length === before.length ? existing : { ...existing, identifier: all };
}
