// FT1 to ChargeItem: HL7 v2.9 chapter 6.5.1; https://hl7.org/fhir/R4/chargeitem.html
import type { JsonObject } from '#fhir-model';
import type { Segment } from '../../message/message.ts';
import { addProcedures } from '../administration/clinical.ts';
import { upsertDerived } from '../administration/upsert.ts';
import { noteAfter } from '../clinical/notes.ts';
import type { Subject } from '../clinical/order.ts';
import { localUri } from '../codesystems.ts';
import { list } from '../compact.ts';
import type { Mapping } from '../context.ts';
import type { Identifier } from '../identifiers.ts';
import type { MappedPatient } from '../patient.ts';
import { perMessage } from '../per-message.ts';
import { soundPeriod } from '../period.ts';
import type { Group } from '../structure/group.ts';
import { runTable } from '../table/table.ts';
import { ft1ChargeItem, money } from '../tables/ft1.ts';
import { addObservations, addOrders } from './accompanying.ts';

/** Whom and what the charges of a message are of. */
export interface Billed {
  patient: MappedPatient;
  encounter: string | undefined;
  /** Tells the visit in keys. */
  visit: string | undefined;
  account: string | undefined;
}

export interface Charge {
  ft1: Segment;
  group: Group;
  reference: string;
  /** Its number, always the same; lines of one bill may share it. */
  key: string;
  procedures: string[];
}

/** Table 0017: a payment, an adjustment and a co-payment are none. */
const charges = new Set(['CG', 'CD', '']);

export const subjectOf = ({ patient, encounter }: Billed): Subject => ({
  patient: patient.reference,
  patientKey: patient.key,
  encounter,
});

/** A FINANCIAL group; undefined for what is no charge, or has no code. */
export function addCharge(mapping: Mapping, group: Group, billed: Billed): Charge | undefined {
  const ft1 = group.get('FT1')!;
  const charge = chargeOf(mapping, ft1, group, subjectOf(billed), billed.account);
  if (charge === undefined) return undefined;
  const procedures = proceduresOf(mapping, group, billed);
  const orders = addOrders(mapping, group, subjectOf(billed));
  addObservations(mapping, group, subjectOf(billed), billed.visit ?? mapping.messageKey);
  const { resource, isCredit, cleared } = charge;
  resource.service = procedures.map((reference) => ({ reference }));
  resource.supportingInformation = [
    ...list(resource.supportingInformation),
    ...orders.map((reference) => ({ reference })),
  ];
  // Two charges of one day and code may be two: without a number only the message tells them apart.
  const unnumbered = () => `${mapping.messageKey} ${mapping.occurrence('charge without number')}`;
  const { patientKey } = subjectOf(billed);
  return {
    ft1,
    group,
    procedures,
    ...putCharge(mapping, resource, ft1, { isCredit, cleared, patientKey, unnumbered }),
  };
}

/** What FT1 itself says, of the charge and the account; undefined with a warning for what is no charge or has no code. */
export function chargeOf(
  mapping: Mapping,
  ft1: Segment,
  group: Group,
  { patient, encounter }: Subject,
  account: string | undefined,
): (Pick<ChargeKey, 'isCredit' | 'cleared'> & { resource: JsonObject }) | undefined {
  if (!charges.has(typeOf(ft1))) {
    mapping.warnings.add('FT1-6: a payment or adjustment is no charge; it has no place');
    return undefined;
  }
  const cleared: string[] = [];
  const found = runTable(ft1ChargeItem, { segment: ft1, group, mapping }, cleared);
  if (found?.code === undefined) {
    mapping.warnings.add('FT1-7: a transaction without code has no place');
    return undefined;
  }
  const isCredit = creditOf(ft1);
  const resource: JsonObject = {
    ...found,
    occurrencePeriod: soundPeriod(mapping, found.occurrencePeriod, 'FT1-4'),
    status: 'billable',
    subject: { reference: patient },
    context: encounter === undefined ? undefined : { reference: encounter },
    account: account === undefined ? undefined : [{ reference: account }],
    priceOverride: price(mapping, ft1, isCredit ? -1 : 1),
    overrideReason: isCredit ? 'credit' : undefined,
    note: [...list(found.note), ...(noteAfter(mapping, ft1) ?? [])],
  };
  const isPriceDeleted = ft1.field(11).isNull || ft1.field(12).isNull;
  if (isPriceDeleted && resource.priceOverride === undefined) cleared.push('priceOverride');
  return { resource, isCredit, cleared };
}

/** FT1-11 is the whole amount, FT1-12 that of one. */
function price(mapping: Mapping, ft1: Segment, sign: 1 | -1): JsonObject | undefined {
  const whole = money(ft1.field(11), sign);
  for (const field of [11, 12]) {
    if (!ft1.field(field).isEmpty && !ft1.field(field).isNull && money(ft1.field(field)) === undefined)
      mapping.warnings.add(`FT1-${field}: the amount is no number; the charge has none`);
  }
  const count = ft1.field(10).text;
  return whole ?? (count === undefined || Number(count) === 1 ? money(ft1.field(12), sign) : undefined);
}

const typeOf = (ft1: Segment): string => ft1.field(6).component(1).text?.toUpperCase() ?? '';

const creditOf = (ft1: Segment): boolean => typeOf(ft1) === 'CD';

/** What the charge is for, as it is told apart by: FT1-7, or FT1-25 where that is all there is; words beside a code may be corrected. */
function codeOf(ft1: Segment): string {
  const [own, procedure] = [ft1.field(7), ft1.field(25)];
  const code = own.component(1).text ?? own.component(2).text ?? procedure.component(1).text;
  return code ?? (procedure.raw || own.component(4).text || own.raw);
}

/** Of a code the first time (FT1-4), and how many there are. */
interface Times {
  first: string;
  /** With how many, for how much and with what modifiers. */
  all: Map<string, string>;
}

const amountFields = [10, 11, 12, 13, 26];

const linesKey = (ft1: Segment): string => JSON.stringify([ft1.field(2).text, creditOf(ft1)]);

/** The charges of the message by number and whether they are credits: one bill may have 5,000 lines. */
const numbered = perMessage(({ message, warnings }) => {
  const bills = new Map<string, Map<string, Times>>();
  for (const ft1 of message.segments) {
    // Without a number each is a charge of its own: putCharge.
    if (ft1.name !== 'FT1' || !charges.has(typeOf(ft1)) || ft1.field(2).text === undefined) continue;
    const lines = bills.get(linesKey(ft1)) ?? new Map<string, Times>();
    bills.set(linesKey(ft1), lines);
    const at = ft1.field(4).raw;
    const times: Times = lines.get(codeOf(ft1)) ?? { first: at, all: new Map() };
    lines.set(codeOf(ft1), times);
    const amount = amountFields.map((field) => ft1.field(field).raw).join('|');
    if ((times.all.get(at) ?? amount) !== amount)
      warnings.add('FT1-2: two charges have one number, code (FT1-7) and time (FT1-4): only one of them has a place');
    times.all.set(at, amount);
    if (at < times.first) times.first = at;
  }
  return bills;
});

/**
 * Some send one FT1-2 for all lines of a bill: each is a charge, what it is for tells them apart, in whatever order they are sent
 * again. When it was does only for those of a code after its first: a date that is corrected makes no further charge, and
 * a bill that grows has what it had.
 */
function lineOf(mapping: Mapping, ft1: Segment): readonly string[] {
  const [code, at] = [codeOf(ft1), ft1.field(4).raw];
  const lines = numbered(mapping).get(linesKey(ft1))!;
  const { first, all } = lines.get(code)!;
  if (all.size > 1 || lines.size > 1)
    mapping.warnings.add('FT1-2: the number of another charge of the message; told apart by FT1-7 and FT1-4');
  return at === first ? [code] : [code, at];
}

export interface ChargeKey {
  isCredit: boolean;
  /** Elements that the charge has no longer (`""`). */
  cleared: readonly string[];
  /** As in Subject. */
  patientKey: string;
  /** What it is known by without FT1-2. */
  unnumbered(): string;
}

/**
 * A credit may have the number of the charge that it takes back: both stay, and come to nothing. Some count FT1-2 anew with each
 * patient, so that it is looked for among the patient's own.
 */
export function putCharge(
  mapping: Mapping,
  resource: JsonObject,
  ft1: Segment,
  { isCredit, cleared, patientKey, unnumbered }: ChargeKey,
): { reference: string; key: string } {
  const value = ft1.field(2).text;
  // What has been billed since is not to be billed again because it was sent again.
  const rules = { cleared, defaults: new Set(['status']) };
  if (value === undefined) {
    const key = unnumbered();
    return { reference: upsertDerived(mapping, resource, [mapping.facility, key], rules), key };
  }
  const identifier: Identifier = { system: localUri(mapping.facility, isCredit ? 'credit' : 'charge'), value };
  const own = [patientKey, `${identifier.system}|${value}`];
  const key = JSON.stringify(own);
  const id = JSON.stringify([...own, ...lineOf(mapping, ft1)]);
  // A claim of several lines that share a number is known by that number.
  return { reference: upsertDerived(mapping, { ...resource, identifier: [identifier] }, [id], rules), key };
}

/** PR1 of the charge. */
function proceduresOf(mapping: Mapping, group: Group, { patient, visit, encounter }: Billed): string[] {
  const before = mapping.entries.length;
  addProcedures(mapping, group, patient, visit, encounter);
  return mapping.entries.slice(before).flatMap(({ url }) => (url.startsWith('Procedure/') ? [url] : []));
}
