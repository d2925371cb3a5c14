// FT1: HL7 v2.9 chapter 6.5.1. The guide has no map of it: https://hl7.org/fhir/R4/chargeitem.html, https://hl7.org/fhir/R4/claim.html
import type { JsonObject } from '#fhir-model';
import type { Part } from '../../message/message.ts';
import { localUri } from '../codesystems.ts';
import { codeableConcept } from '../datatypes.ts';
import { decimal } from '../decimal.ts';
import { eiIdentifier } from '../identifiers.ts';
import type { PartMap } from '../table/context.ts';
import { segmentTable } from '../table/table.ts';

/**
 * CP, of which the price is MO: an amount and its currency of ISO 4217; other words are no currency. Some send the currency as a
 * component (`12.50^USD`), where the type of the price would be, of two letters (table 0205).
 */
export function money(cp: Part, sign: 1 | -1 = 1): JsonObject | undefined {
  const amount = cp.component(1).subcomponent(1).text;
  const value = decimal(sign < 0 && amount !== undefined ? lessThanNothing(amount) : (amount ?? ''));
  if (value === undefined) return undefined;
  const currency = (cp.component(1).subcomponent(2).text ?? cp.component(2).text)?.toUpperCase();
  return { value, currency: currency !== undefined && /^[A-Z]{3}$/.test(currency) ? currency : undefined };
}

/** What takes away is sent with a sign and without one. */
const lessThanNothing = (amount: string): string => `-${amount.trim().replace(/^[+-]/, '')}`;

/** A department by its code, without a resource of its own. */
const department: PartMap = (part, { mapping }) => {
  const value = part.component(1).text;
  const display = part.component(2).text ?? value;
  if (value === undefined) return display === undefined ? undefined : { type: 'Organization', display };
  return { type: 'Organization', identifier: { system: localUri(mapping.facility, 'department'), value }, display };
};

/** What a charge master's code stands for: the procedure's code is a second coding of it. */
const code: PartMap = (part, { mapping, segment }) => {
  const first = codeableConcept(mapping, part);
  const second = segment.name === 'FT1' ? codeableConcept(mapping, segment.field(25)) : undefined;
  if (first === undefined || second === undefined) return first ?? second;
  const codings = [...codingsOf(first), ...codingsOf(second)];
  const distinct = new Map(codings.map((one) => [`${one.system}|${one.code}`, one] as const));
  return { ...second, ...first, coding: [...distinct.values()] };
};

const codingsOf = ({ coding }: JsonObject): JsonObject[] => (Array.isArray(coding) ? (coding as JsonObject[]) : []);

const words = (text: string): JsonObject => ({ text });

export const ft1ChargeItem = segmentTable(
  'FT1',
  'ChargeItem',
  `
1  | -               | a number within the message
2  | @identifier     | by which the charge is found; without it the charge is this message's own
3  | -               | the sender's batch of transactions
4  | occurrencePeriod | DR        | 4.2 valued
4.1 | occurrenceDateTime | dateTime | 4.2 empty
5  | enteredDate     | dateTime
6  | @status         | CG a charge; CD a credit, of a negative amount; payments and adjustments are none: finance/charges.ts
7  | code            | custom code
8  | note[].text     | ST
9  | note[].text     | ST
10 | quantity.value  | decimal
11 | @priceOverride  | negative where it is a credit
12 | @priceOverride  | where FT1-11 is empty and there is one of it
13 | costCenter      | custom department
14 | -               | the plan: IN1-2 has it
15 | -               | what the insurance is to pay: the claim's answer says it
16 | @locationReference | of the claim's item
17 | -               | the fee schedule of the sender
18 | -               | the patient's type: PV1-18 has it
19 | reason[]        | CWE
20 | performer[].actor & function = $performer | ref Practitioner
21 | performer[].actor & function = $orderer | ref Practitioner
22 | -               | what it costs the sender
23 | supportingInformation[].identifier & type = "ServiceRequest" | custom order
24 | enterer         | ref Practitioner
25 | code            | CWE | 7 empty
26 | @modifier       | of the claim's item
27 | -               | the notice to the beneficiary
28 | -               | why the same was done twice
29 | productCodeableConcept | CWE
30 | -               | the payment's number
31 | -               | which transaction of the sender it is about
32 | performingOrganization | ref Organization
33 | requestingOrganization | ref Organization
34 | productCodeableConcept | CWE | 29 empty
35 | -               | the model of a device that was used up
36 | -               | the sender's special processing
37 | -               | the clinic of the sender's billing
38 | @referral       | of the claim
39 | @preAuthRef     | of the claim
40 | -               | the provider's taxonomy: the Practitioner's own
41 | @revenue        | of the claim's item
42 | supportingInformation[].identifier & type = "MedicationRequest" | custom prescription
43 | -               | how much of the product: its unit is of the price list
`,
  {
    constants: { performer: words('performed by'), orderer: words('ordered by') },
    custom: {
      code,
      department,
      order: (part, { mapping }) => eiIdentifier(mapping, part, 'order-filler', 'FILL'),
      prescription: (part, { mapping }) =>
        part.text === undefined ? undefined : { system: localUri(mapping.facility, 'prescription'), value: part.text },
    },
  },
);

export const ft1ClaimItem = segmentTable(
  'FT1',
  'Claim.item',
  `
4  | servicedPeriod   | DR   | 4.2 valued
4.1 | servicedDate    | date | 4.2 empty
7  | productOrService | custom code
10 | quantity.value   | decimal
11 | net              | custom money
12 | unitPrice        | custom money
16 | locationReference | ref Location
19 | @diagnosisSequence | which of Claim.diagnosis; one that DG1 has not is added there
25 | productOrService | CWE | 7 empty
26 | modifier[]       | CWE
41 | revenue          | CWE
`,
  { custom: { code, money: (part) => money(part) } },
);
