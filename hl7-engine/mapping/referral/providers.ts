// PRD to Practitioner and PractitionerRole: HL7 v2.9 chapter 11.8.3
import type { JsonObject } from '#fhir-model';
import type { Segment } from '../../message/message.ts';
import { upsertDerived } from '../administration/upsert.ts';
import type { Mapping } from '../context.ts';
import { displayName } from '../datatypes.ts';
import { dateTime } from '../datetime.ts';
import { type Identifier, identifierCriterion } from '../identifiers.ts';
import { soundPeriod } from '../period.ts';
import { organizationReference } from '../practitioner.ts';
import type { Group } from '../structure/group.ts';
import { runTable } from '../table/table.ts';
import { prdPractitioner } from '../tables/rf1.ts';

export interface Provider {
  /** Table 0286: RP, RT, PP, CP, RH. */
  roles: string[];
  /** The person in the organization, else the one that there is. */
  reference: JsonObject;
}

export function providersOf(mapping: Mapping, root: Group): Provider[] {
  return root.groups('PROVIDER').flatMap((group) => {
    const prd = group.get('PRD');
    const reference = prd && providerReference(mapping, group, prd);
    if (prd === undefined || reference === undefined) return [];
    const roles = prd
      .field(1)
      .repetitions()
      .flatMap((role) => role.component(1).text?.toUpperCase() ?? []);
    return [{ roles, reference }];
  });
}

function providerReference(mapping: Mapping, group: Group, prd: Segment): JsonObject | undefined {
  const person = practitioner(mapping, group, prd);
  const organization = organizationReference(mapping, prd.field(10).repetition(1), {
    address: prd.field(11),
    telecom: prd.field(13),
  });
  if (person === undefined || organization === undefined) return person ?? organization;
  if (person.reference === undefined && organization.reference === undefined) return person;
  const start = dateTime(prd.field(8).text, mapping.zone);
  const end = dateTime(prd.field(9).repetition(1).text, mapping.zone);
  const period = start === undefined && end === undefined ? undefined : soundPeriod(mapping, { start, end }, 'PRD-9');
  // Who has no number is known by name within the organization.
  const known = person.reference === undefined ? prd.field(2).raw : prd.field(7).raw;
  const key = [mapping.facility, known, prd.field(10).raw];
  const role: JsonObject = {
    resourceType: 'PractitionerRole',
    practitioner: person,
    organization,
    ...(period === undefined ? {} : { period }),
  };
  const display = person.display ?? organization.display;
  return { reference: upsertDerived(mapping, role, key), display };
}

/** By the first of PRD-7; one without a number is known by name alone. */
function practitioner(mapping: Mapping, group: Group, prd: Segment): JsonObject | undefined {
  const found = runTable(prdPractitioner, { segment: prd, group, mapping });
  const [identifier] = (found?.identifier ?? []) as Identifier[];
  const [name] = (found?.name ?? []) as JsonObject[];
  const display = displayName(name);
  if (found === undefined || identifier === undefined) return display === undefined ? undefined : { display };
  const ifNoneExist = identifierCriterion(identifier);
  const reference = mapping.once(`Practitioner?${ifNoneExist}`, () =>
    mapping.add({ method: 'POST', url: 'Practitioner', ifNoneExist, resource: found as never }),
  );
  return { reference, display };
}
