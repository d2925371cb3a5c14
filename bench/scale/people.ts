// Organizations, practitioners and patients. No name is one that people bear.
import type { Random } from '../data/random.ts';
import { day, narrative, type Resource, reference } from './parts.ts';

const number = (n: number, width: number): string => String(n).padStart(width, '0');
export const organizationId = (n: number): string => `scale-org-${number(n, 5)}`;
export const practitionerId = (n: number): string => `scale-prac-${number(n, 6)}`;
export const patientId = (n: number): string => `scale-pat-${number(n, 7)}`;

export const patientSystem = 'urn:oid:2.999.1.31';
const practitionerSystem = 'http://hl7.org/fhir/sid/us-npi';
export const identifierOf = (n: number): string => `MRN-${number(n, 8)}`;

const surnames = ['Testperson', 'Sampleton', 'Mockford', 'Exampleby', 'Placeholder', 'Dummont', 'Fixture', 'Specimen'];
const givens = ['Avery', 'Blake', 'Casey', 'Devon', 'Emery', 'Finley', 'Harper', 'Jordan', 'Kendall', 'Morgan'];
const cities = ['Sampletown', 'Mockville', 'Testbury', 'Exampleton', 'Fixture Falls', 'Placeholder Springs'];

/** 8,000 family names. */
export const familyOf = (random: Random): string => `${random.pick(surnames)}${random.below(1000)}`;

const address = (random: Random) => ({
  line: [`${1 + random.below(999)} Example Street`],
  city: random.pick(cities),
  state: 'EX',
  postalCode: number(random.below(1e5), 5),
  country: 'ZZ',
});

export const organization = (random: Random, n: number): Resource => ({
  resourceType: 'Organization',
  id: organizationId(n),
  identifier: [{ system: 'urn:oid:2.999.1.32', value: `ORG-${number(n, 5)}` }],
  active: true,
  type: [
    {
      coding: [
        {
          system: 'http://terminology.hl7.org/CodeSystem/organization-type',
          code: 'prov',
          display: 'Healthcare Provider',
        },
      ],
      text: 'Healthcare Provider',
    },
  ],
  name: `${random.pick(cities)} General Hospital ${n}`,
  telecom: [{ system: 'phone', value: `555-01${number(random.below(100), 2)}` }],
  address: [address(random)],
});

export const practitioner = (random: Random, n: number): Resource => ({
  resourceType: 'Practitioner',
  id: practitionerId(n),
  identifier: [{ system: practitionerSystem, value: number(9_000_000_000 + n, 10) }],
  active: true,
  name: [{ family: familyOf(random), given: [random.pick(givens)], prefix: ['Dr.'] }],
  address: [address(random)],
  gender: random.pick(['female', 'male']),
});

export function patient(random: Random, n: number, bornMs: number): Resource {
  const family = familyOf(random);
  const given = random.pick(givens);
  return {
    resourceType: 'Patient',
    id: patientId(n),
    text: narrative(`Generated record of ${given} ${family}`),
    extension: [
      {
        url: 'http://hl7.org/fhir/StructureDefinition/patient-birthPlace',
        valueAddress: { city: random.pick(cities), state: 'EX', country: 'ZZ' },
      },
      { url: 'http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName', valueString: familyOf(random) },
    ],
    identifier: [
      {
        type: {
          coding: [
            {
              system: 'http://terminology.hl7.org/CodeSystem/v2-0203',
              code: 'MR',
              display: 'Medical Record Number',
            },
          ],
          text: 'Medical Record Number',
        },
        system: patientSystem,
        value: identifierOf(n),
      },
      { system: 'urn:oid:2.999.1.33', value: `INS-${number(random.below(1e8), 8)}` },
    ],
    name: [{ use: 'official', family, given: [given, random.pick(givens)], prefix: ['Mx.'] }],
    telecom: [{ system: 'phone', value: `555-01${number(random.below(100), 2)}`, use: 'home' }],
    gender: random.pick(['female', 'male']),
    birthDate: day(bornMs),
    address: [address(random)],
    maritalStatus: {
      coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-MaritalStatus', code: 'M', display: 'Married' }],
      text: 'Married',
    },
    multipleBirthBoolean: false,
    communication: [
      { language: { coding: [{ system: 'urn:ietf:bcp:47', code: 'en-US', display: 'English' }], text: 'English' } },
    ],
    managingOrganization: reference('Organization', organizationId(random.below(organizationsFor(n + 1)))),
  };
}

/** A hundred patients come to one place, fifty to one practitioner. */
export const organizationsFor = (patients: number): number => Math.max(1, Math.floor(patients / 100));
export const practitionersFor = (patients: number): number => Math.max(1, Math.floor(patients / 50));
