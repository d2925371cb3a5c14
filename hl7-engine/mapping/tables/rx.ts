// RXO, RXE, RXR, RXC, RXD and RXA of medication: https://hl7.org/fhir/uv/v2mappings/ (RXO[MedicationRequest],
// RXR[MedicationRequest], ORC[MedicationAdministration]); HL7 v2.9 chapter 4A. The guide has no map of RXE, RXC, RXD, and of RXA
// none to MedicationAdministration: these are ours, after RXO's and RXA's.
import type { JsonObject } from '#fhir-model';
import type { Part } from '../../message/message.ts';
import { localUri } from '../codesystems.ts';
import type { Mapping } from '../context.ts';
import { decimal } from '../decimal.ts';
import { segmentTable } from '../table/table.ts';
import { unitOf } from '../units.ts';

/** A number of one field with the unit of another. */
export function amount(mapping: Mapping, value: Part, unit: Part): JsonObject | undefined {
  const number = decimal(value.text ?? '');
  if (number === undefined && value.text !== undefined)
    mapping.warnings.add('An amount of a medication is not a number; left out, or kept as text where it is a dose');
  return number === undefined
    ? undefined
    : { value: number, ...(unit.raw === '' ? {} : unitOf(unit, mapping.facility)) };
}

/** A dose that is no number (`1,5`, `1-2`), as it was sent: what is given must neither be lost nor taken for another number. */
export function doseInWords(values: readonly Part[], unit: Part): string | undefined {
  const sent = values.flatMap(({ text }) => text ?? []);
  if (sent.every((text) => decimal(text) !== undefined)) return undefined;
  const measured = unit.component(2).text ?? unit.component(9).text ?? unit.component(1).text;
  return [[...new Set(sent)].join(' - '), measured].filter((text) => text !== undefined).join(' ');
}

/** What was asked for. */
export const rxoMedicationRequest = segmentTable(
  'RXO',
  'MedicationRequest',
  `
1  | @medication  | what to give
2  | @dosage      | least dose
3  | @dosage      | largest dose
4  | @dosage      | unit of the dose
5  | @medication  | Medication.form
6  | note[].text  | CWE.text
7  | @dosage      | dosageInstruction.text
8  | -            | where it is to be brought
9  | substitution.allowedCodeableConcept | CWE AllowSubstitution
10 | @medication  | where RXO-1 names nothing
11 | dispenseRequest.quantity | custom dispensed
12 | @dispense    | the unit of RXO-11
13 | dispenseRequest.numberOfRepeatsAllowed | unsignedInt
14 | @requester   | where ORC-12 names nobody
15 | -            | who verified it: Provenance
16 | -            | a question of the pharmacy's workflow
17 | @dosage      | the time unit of the rate
18 | @medication  | strength
19 | @medication  | unit of the strength
20 | reasonCode[] | CWE
21 | @dosage      | rate
22 | @dosage      | unit of the rate
23 | @dosage      | dosageInstruction.maxDosePerPeriod, a day
24 | -            | a second code of the same: RXO-1 has room for it
25 | @medication  | volume of the strength
26 | @medication  | its unit
27 | category[]   | CWE
28 | dispenseRequest.dispenseInterval | custom days
32 | dispenseRequest.performer | custom pharmacy
29,30 | - | numbers of segments and of single packages
31 | - | the mood of v3: the order's group says it
33 | - | address of the dispensing pharmacy: it is known by its number
34,35 | - | where to deliver: R4's request has no place for it
36 | - | telephone of the pharmacy: it is known by its number
`,
  {
    custom: {
      dispensed: (part, { mapping, segment }) => amount(mapping, part, segment.field(12)),
      days: (part, { mapping }) => amountOfDays(mapping, part),
      pharmacy: (part) => named(part),
    },
  },
);

/** What the pharmacy made of it: it goes before RXO. */
export const rxeMedicationRequest = segmentTable(
  'RXE',
  'MedicationRequest',
  `
1  | @dosage      | TQ of old: clinical/timing.ts
2  | @medication  | what to give
3  | @dosage      | least dose
4  | @dosage      | largest dose
5  | @dosage      | unit of the dose
6  | @medication  | Medication.form
7  | @dosage      | dosageInstruction.text
8  | -            | where it is to be brought
9  | substitution.allowedCodeableConcept | CWE AllowSubstitution
10 | dispenseRequest.quantity | custom dispensed
11 | @dispense    | the unit of RXE-10
12 | dispenseRequest.numberOfRepeatsAllowed | unsignedInt
13 | @requester   | where ORC-12 names nobody
14 | -            | who verified it: Provenance
15 | identifier[] | custom prescription
16 | -            | how many refills are left: MedicationDispenses tell it
17 | -            | how many doses were dispensed: MedicationDispenses tell it
18 | -            | when it was last dispensed: MedicationDispenses tell it
19 | @dosage      | dosageInstruction.maxDosePerPeriod, a day
20 | -            | a question of the pharmacy's workflow
21 | note[].text  | CWE.text
22 | @dosage      | the time unit of the rate
23 | @dosage      | rate
24 | @dosage      | unit of the rate
25 | @medication  | strength
26 | @medication  | unit of the strength
27 | reasonCode[] | CWE
28 | -            | package size: the Medication's own
29 | -            | package size: the Medication's own
30 | -            | how it is packed
31 | -            | a second code of the same: RXE-2 has room for it
32 | authoredOn   | dateTime
33 | @medication  | volume of the strength
34 | @medication  | its unit
35 | -            | schedule of controlled substances: the substance's own
36 | -            | formulary: the payer's
37 | -            | alternative substance: the formulary's
38 | -            | where it was last dispensed
39 | dispenseRequest.initialFill.quantity | custom initial
40 | dispenseRequest.performer | custom pharmacy
44 | category[]   | CWE
41 | - | address of the dispensing pharmacy: it is known by its number
42,43 | - | where to deliver: R4's request has no place for it
45 | - | telephone of the pharmacy: it is known by its number
`,
  {
    custom: {
      dispensed: (part, { mapping, segment }) => amount(mapping, part, segment.field(11)),
      initial: (part, { mapping, segment }) => amount(mapping, part, segment.field(11)),
      prescription: (part, { mapping }) => prescriptionNumber(mapping, part),
      pharmacy: (part) => named(part),
    },
  },
);

/** The number on the label; it is the pharmacy's own. */
function prescriptionNumber(mapping: Mapping, part: Part): JsonObject | undefined {
  const value = part.text;
  return value === undefined ? undefined : { system: localUri(mapping.facility, 'prescription'), value };
}

function amountOfDays(mapping: Mapping, part: Part): JsonObject | undefined {
  const value = decimal(part.text ?? '');
  return value === undefined
    ? undefined
    : { value, ...unitOf(part, mapping.facility), unit: 'd', system: 'http://unitsofmeasure.org', code: 'd' };
}

/** A CWE that names somebody by words or a number of no known system. */
function named(part: Part): JsonObject | undefined {
  const display = part.component(2).text ?? part.component(9).text ?? part.component(1).text;
  return display === undefined ? undefined : { display };
}

/** What is to be given once, of an order: the guide has no map of it; after RXE's. */
export const rxgMedicationRequest = segmentTable(
  'RXG',
  'MedicationRequest',
  `
1  | @identifier  | number of the give within the order, of which its id is made
2  | -            | number of the dispense that it is taken from
3  | @dosage      | TQ of old: clinical/timing.ts
4  | @medication  | what to give
5  | @dosage      | least dose
6  | @dosage      | largest dose
7  | @dosage      | unit of the dose
8  | @medication  | Medication.form
9  | note[].text  | CWE.text
10 | -            | whether it is what was ordered: RXG-4 beside RXO-1 says it
11 | -            | where it is to be brought
12 | -            | a question of the pharmacy's workflow
13 | @dosage      | dosageInstruction.text
14 | @dosage      | the time unit of the rate
15 | @dosage      | rate
16 | @dosage      | unit of the rate
17 | @medication  | strength
18 | @medication  | unit of the strength
19 | @medication  | Medication.batch.lotNumber
20 | @medication  | Medication.batch.expirationDate
21 | @medication  | Medication.manufacturer
22 | reasonCode[] | CWE
23 | @medication  | volume of the strength
24 | @medication  | its unit
25 | -            | barcode of the package
26 | category[]   | CWE
27 | dispenseRequest.performer | custom pharmacy
28 | -            | address of the dispensing pharmacy: it is known by its number
29,30 | -         | where to deliver: R4's request has no place for it
`,
  { custom: { pharmacy: (part) => named(part) } },
);

/** What a pump is to do, each bolus and what the patient may ask for a Dosage of its own: clinical/infusion.ts. */
segmentTable(
  'RXV',
  'Dosage',
  `
1  | -            | a number within the message
2  | @additionalInstruction | loading or supplemental bolus
3,4 | @doseAndRate | doseQuantity of the bolus
5,6 | @doseAndRate | where RXV-3 is empty
7  | @additionalInstruction | continuous, patient controlled, both; patient controlled is asNeededBoolean
8,9 | @doseAndRate | doseQuantity of what the patient asks for
10,11 | @doseAndRate | where RXV-8 is empty
12,13 | @maxDosePerPeriod | at most so much in RXV-16
14,15 | @maxDosePerPeriod | where RXV-12 is empty
16 | @maxDosePerPeriod | denominator
17 | @additionalInstruction | the lockout interval, in words: R4 has no element for it
18,19,20,21 | - | the syringe of the pump
22 | -            | the order's control says it
`,
);

export const rxrDosage = segmentTable(
  'RXR',
  'Dosage',
  `
1 | route  | CWE RouteOfAdministration
2 | site   | CWE BodyParts
3 | -      | the device that gives it
4 | method | CWE AdministrationMethod
5 | additionalInstruction[] | CWE RoutingInstruction
6 | -      | a detail of RXR-2: its modifier
`,
);

/** A part of a compound: A additive, B base. */
export const rxcIngredient = segmentTable(
  'RXC',
  'Medication.ingredient',
  `
1 | -      | additive or base: both are ingredients
2 | itemCodeableConcept | CWE
3 | strength | custom part
4 | @strength | the unit of RXC-3
5 | -      | strength of the component itself
6 | -      | its unit
7 | -      | a second code of the same
8 | -      | volume of RXC-5
9 | -      | its unit
`,
  {
    custom: {
      // How much of it is in the whole: a ratio to 1, since R4 has both parts or none (rat-1).
      part: (part, { mapping, segment }) => {
        const numerator = amount(mapping, part, segment.field(4));
        return numerator && { numerator, denominator: { value: 1 } };
      },
    },
  },
);

export const rxdMedicationDispense = segmentTable(
  'RXD',
  'MedicationDispense',
  `
1  | @identifier  | the number of the dispense within the order, of which its id is made
2  | @medication  | what was dispensed
3  | whenHandedOver | dateTime
4  | quantity     | custom dispensed
5  | @quantity    | the unit of RXD-4
6  | @medication  | Medication.form
7  | identifier[] | custom prescription
8  | -            | how many refills are left: the order's
9  | note[].text  | ST
10 | performer[].actor | ref Practitioner
11 | substitution.wasSubstituted | custom substituted
12 | @dosage      | maxDosePerPeriod, a day
13 | -            | where it was brought
14 | -            | a question of the pharmacy's workflow
15 | note[].text  | CWE.text
16 | @medication  | strength
17 | @medication  | unit of the strength
18 | @medication  | Medication.batch.lotNumber
19 | @medication  | Medication.batch.expirationDate
20 | @medication  | Medication.manufacturer
21 | -            | the order has the reason
22 | -            | package size: the Medication's own
23 | -            | package size: the Medication's own
24 | -            | how it is packed
25 | -            | a second code of the same
26 | -            | initiating location
27 | -            | where it was packed
28 | -            | drug strength volume: the order's
29 | -            | its unit
30 | -            | pharmacy's own location
31 | -            | its address
33 | type         | CWE
34 | -            | who gives the next number
32 | - | the pharmacy's kind of order: the route of the order says it
`,
  {
    custom: {
      dispensed: (part, { mapping, segment }) => amount(mapping, part, segment.field(5)),
      prescription: (part, { mapping }) => prescriptionNumber(mapping, part),
      // Table 0167: 0 and 1 and N and their like say that the product is as it was ordered.
      substituted: (part) => (part.text === undefined ? undefined : /^(?:G|T|[2-5]|7|8)$/.test(part.text)),
    },
  },
);

export const rxaMedicationAdministration = segmentTable(
  'RXA',
  'MedicationAdministration',
  `
1  | -            | number of the give: RXG's
2  | @identifier  | number of the administration within the order, of which its id is made
3  | effectiveDateTime | dateTime | 4 empty
3  | effectivePeriod.start | dateTime | 4 valued
4  | effectivePeriod.end | dateTime
5  | @medication  | what was given
6  | @dosage      | dose; 999 is unknown
7  | @dosage      | unit of the dose
8  | @medication  | Medication.form
9  | note[].text  | CWE.text
10 | performer[].actor & function.coding[0].system = "http://terminology.hl7.org/CodeSystem/v2-0443" & function.coding[0].code = "AP" | ref Practitioner
11 | -            | where it was given: the Encounter's
12 | @dosage      | the time unit of the rate
13 | @medication  | strength
14 | @medication  | unit of the strength
15 | @medication  | Medication.batch.lotNumber
16 | @medication  | Medication.batch.expirationDate
17 | @medication  | Medication.manufacturer
18 | statusReason[] | CWE
19 | reasonCode[] | CWE
20 | @status      | table 0322
21 | @status      | D: entered in error
22 | -            | when it was typed in: Provenance
23 | -            | drug strength volume
24 | -            | its unit
25 | -            | barcode of the package
26 | category     | CWE
27 | -            | where it was given: the Encounter's
28 | -            | its address
`,
);
