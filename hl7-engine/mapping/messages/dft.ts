// Charges: DFT^P03 and P11: HL7 v2.9 chapter 6.4.3 and 6.4.9
import { addDiagnoses } from '../administration/clinical.ts';
import { addAccount, addCoverages } from '../administration/insurance.ts';
import { guarantors } from '../administration/related.ts';
import type { Mapping } from '../context.ts';
import { findOrCreateEncounter } from '../encounter.ts';
import { addObservations, addOrders } from '../finance/accompanying.ts';
import { addAuthorizations } from '../finance/authorization.ts';
import { addCharge, type Billed, subjectOf } from '../finance/charges.ts';
import { addClaim } from '../finance/claim.ts';
import { numberKey, visitIdentifiers } from '../identity.ts';
import { messageMap, required } from '../message-map.ts';
import { findOrCreatePatient } from '../patient.ts';
import type { Group } from '../structure/group.ts';

const reads = 'EVN PID PD1 NK1 PV1 PV2 ORC OBR TQ1 OBX NTE FT1 PR1 DG1 DRG GT1 IN1 IN2 IN3 AUT ACC PRT ROL'.split(' ');

export const dft = messageMap({
  structures: ['DFT_P03', 'DFT_P11'],
  events: ['P03', 'P11'],
  defaultEvent: 'P03',
  reads,
  run: mapCharges,
});

/** Throws Refusal AE without PID, a patient's identifier, or FT1. */
function mapCharges(mapping: Mapping, root: Group): void {
  const groups = root.groups('FINANCIAL');
  required(groups[0]?.get('FT1'), 'FT1');
  const billed = billedOf(mapping, root);
  const { patient, visit, encounter } = billed;
  addOrders(mapping, root, subjectOf(billed));
  addObservations(mapping, root, subjectOf(billed), visit ?? mapping.messageKey);
  const conditions = new Map(
    [root, ...groups].map((group) => {
      const { diagnosis } = addDiagnoses(mapping, group, patient, visit, encounter);
      return [group, diagnosis.map(({ condition }) => (condition as { reference: string }).reference)] as const;
    }),
  );
  const coverage = [root, ...groups].flatMap((group) => addCoverages(mapping, shallow(group), patient));
  const authorized = addAuthorizations(mapping, root, { patient: patient.reference, patientKey: patient.key });
  const account = addAccount(mapping, root.get('PID')!, patient, {
    guarantor: [root, ...groups].flatMap((group) => guarantors(mapping, group, patient)),
    coverage: distinct(coverage),
  });
  const charges = groups
    .filter((group) => group.get('FT1') !== undefined)
    .flatMap((group) => addCharge(mapping, group, { ...billed, account }) ?? []);
  addClaim(mapping, root, charges, billed, {
    coverage: distinct(coverage),
    conditions,
    authorized: authorized.map(({ number }) => number),
  });
}

/** The group with its own insurances, not those of the charges within. */
function shallow(group: Group): Group {
  if (!group.children.some(({ name }) => name === 'FINANCIAL')) return group;
  return {
    name: group.name,
    parent: group.parent,
    segments: group.segments,
    children: group.children,
    get: (segment) => group.get(segment),
    all: (segment) => group.all(segment),
    nearest: (segment) => group.nearest(segment),
    groups: (name) => group.children.filter((child) => child.name === name),
  };
}

const distinct = <T>(items: readonly T[]): T[] => [
  ...new Map(items.map((one) => [JSON.stringify(one), one] as const)).values(),
];

/** Billing's view of patient and visit changes nothing that is known. */
function billedOf(mapping: Mapping, root: Group): Billed {
  const pid = required(root.get('PID'), 'PID');
  const patient = findOrCreatePatient(mapping, { pid, pd1: root.get('PD1'), nk1: root.all('NK1') });
  const pv1 = root.get('PV1');
  const number = pv1 && visitIdentifiers(mapping, pid, pv1)[0];
  const encounter = pv1 && findOrCreateEncounter(mapping, { pid, pv1, pv2: root.get('PV2') }, patient);
  return { patient, encounter, visit: number && numberKey(number), account: undefined };
}
