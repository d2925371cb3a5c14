// Patient/$member-match: https://hl7.org/fhir/us/davinci-hrex/OperationDefinition-member-match.html
import type { OperationAnswer, OperationParameter, OperationRequest, OperationSpec, Resource } from '#fhir-model';
import { isCerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { one, parametersOf } from './answer.ts';
import { featuresOf } from './match-features.ts';
import { assertEnough, findMember, memberIdentifier } from './member-match-find.ts';
import { createGuard, type Guard } from './member-match-guard.ts';
import { assertAbout, assertConsent, keep } from './member-match-keep.ts';

async function findGuarded(core: Core, guard: Guard, patient: Resource, coverage: Resource, request: OperationRequest) {
  const features = featuresOf(patient);
  guard.assertAllowed(features);
  const ended = guard.begun(features);
  try {
    return await findMember(core, patient, coverage, request.scope);
  } catch (error) {
    if (isCerebraError(error, 'business-rule')) guard.failed(features);
    throw error;
  } finally {
    ended();
  }
}

async function memberMatch(core: Core, guard: Guard, request: OperationRequest): Promise<OperationAnswer> {
  const { input, scope } = request;
  const patient = one<Resource>(input, 'MemberPatient')!;
  const coverage = one<Resource>(input, 'CoverageToMatch')!;
  const link = one<Resource>(input, 'CoverageToLink');
  const consent = one<Resource>(input, 'Consent');
  assertEnough(patient, coverage);
  assertAbout(patient, coverage.beneficiary, 'CoverageToMatch.beneficiary');
  assertAbout(patient, link?.beneficiary, 'CoverageToLink.beneficiary');
  assertConsent(core, patient, consent);
  const member = await findGuarded(core, guard, patient, coverage, request);
  const identifier = await memberIdentifier(core, member, scope);
  await keep(core, [link, consent], patient, member.id!, scope);
  return {
    resource: parametersOf([
      { name: 'MemberIdentifier', valueIdentifier: identifier },
      { name: 'MemberId', valueReference: { reference: `Patient/${member.id}` } },
    ]),
  };
}

const input = (name: string, min: number, type: string, documentation: string): OperationParameter => ({
  ...{ name, use: 'in', min, max: '1', type, documentation },
});

export function memberMatchOperation(core: Core): OperationSpec {
  const guard = createGuard(core.store.clock);
  return {
    name: 'member-match',
    title: 'HRex Member Match Operation',
    description:
      'Finds the one member with these demographics and this coverage and returns its identifier; keeps the consent and the other coverage',
    url: 'http://hl7.org/fhir/us/davinci-hrex/OperationDefinition/member-match',
    type: ['Patient'],
    system: false,
    typeLevel: true,
    instanceLevel: false,
    affectsState: true,
    parameters: [
      input('MemberPatient', 1, 'Patient', 'Demographics of the member: family and given name, birth date, gender'),
      input('Consent', 0, 'Consent', 'What permits the disclosure; kept, about the member that is found'),
      input('CoverageToMatch', 1, 'Coverage', 'What stands on the card of the payer that is asked'),
      input('CoverageToLink', 0, 'Coverage', 'The coverage by the payer that asks; kept, of the member that is found'),
      { name: 'MemberIdentifier', use: 'out', min: 1, max: '1', type: 'Identifier' },
      { name: 'MemberId', use: 'out', min: 0, max: '1', type: 'Reference' },
    ],
    run: (request) => memberMatch(core, guard, request),
  };
}
