import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import {
  entriesOf,
  mapLines,
  onlyEntry,
  onlyResource,
  refusalOf,
  segment,
  storedAfter,
  storedOf,
} from '../../testing/mapped.ts';

const header = (type: string, at = '20260301080000') => `MSH|^~\\&|CARE|CLINIC|EHR|HOSP|${at}||${type}|C${at}|P|2.5.1`;
const pid = 'PID|1||P1^^^CLINIC^MR||TEST^JANE||19800102|F';
const ppr = (event: string, at: string, ...lines: string[]) => [header(`PPR^${event}^PPR_PC1`, at), pid, ...lines];
const prb = (fields: Record<number, string> = {}) =>
  segment('PRB', {
    1: 'AD',
    2: '20260301',
    3: 'I10^Hypertension^I10C',
    4: 'PB1^CARE',
    7: '20260201',
    16: '20250101',
    ...fields,
  });
const gol = (fields: Record<number, string> = {}) =>
  segment('GOL', {
    1: 'AD',
    2: '20260301',
    3: 'BP^Pressure below 140^L',
    4: 'G1^CARE',
    7: '20260301',
    8: '20260601',
    ...fields,
  });
const coded = (system: string, code: string) => ({
  coding: [{ system: `http://terminology.hl7.org/CodeSystem/${system}`, code }],
});

describe('PPR^PC1', () => {
  const lines = [
    prb({ 13: 'CONFIRMED', 14: 'ACTIVE' }),
    'NTE|1||Found at a check-up',
    'ROL|1|AD|AT^Attending^HL70443|7^Doc^Dora',
    'OBX|1|NM|8480-6^Systolic^LN||160|mm[Hg]^^UCUM|||||F|||20260301',
    gol({ 18: 'ACTIVE' }),
    'ORC|NW|O1^CARE',
    'OBR|1|O1^CARE||D1^Diet advice^L',
  ];
  const withPathway = [
    ...lines.slice(0, 4),
    'PTH|AD|HT^Hypertension pathway^L|PT1^CARE|20260301|ACTIVE',
    'VAR|V1|20260302||7^Doc^Dora||Not started',
    ...lines.slice(4),
  ];

  it('is a problem with its evidence, team and note, and its goal', () => {
    const mapped = mapLines(...ppr('PC1', '20260301080000', ...lines));
    const patient = onlyEntry(mapped, 'Patient').fullUrl;
    const condition = onlyEntry(mapped, 'Condition').url;
    const { identifier: _identifier, ...problem } = onlyResource(mapped, 'Condition');
    assert.deepEqual(problem, {
      resourceType: 'Condition',
      clinicalStatus: {
        coding: [
          { system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code: 'active' },
          { code: 'ACTIVE' },
        ],
      },
      verificationStatus: {
        coding: [
          { system: 'http://terminology.hl7.org/CodeSystem/condition-ver-status', code: 'confirmed' },
          { code: 'CONFIRMED' },
        ],
      },
      category: [coded('condition-category', 'problem-list-item')],
      code: { coding: [{ system: 'http://hl7.org/fhir/sid/icd-10-cm', code: 'I10', display: 'Hypertension' }] },
      subject: { reference: patient },
      onsetDateTime: '2025-01-01',
      recordedDate: '2026-02-01',
      evidence: [{ detail: [{ reference: onlyEntry(mapped, 'Observation').url }] }],
      note: [{ text: 'Found at a check-up' }],
    });
    const { identifier: _number, ...goal } = onlyResource(mapped, 'Goal');
    assert.deepEqual(goal, {
      resourceType: 'Goal',
      lifecycleStatus: 'active',
      description: { coding: [{ system: 'urn:id:CLINIC:L', code: 'BP', display: 'Pressure below 140' }] },
      subject: { reference: patient },
      startDate: '2026-03-01',
      target: [{ dueDate: '2026-06-01' }],
      addresses: [{ reference: condition }],
    });
    assert.equal((onlyResource(mapped, 'CareTeam').participant as JsonObject[]).length, 1);
    assert.equal(onlyResource(mapped, 'ServiceRequest').status, 'active');
    assert.deepEqual(mapped.warnings, []);
  });

  it('with a pathway is a care plan of its goals and orders, with its variances', () => {
    const mapped = mapLines(...ppr('PC1', '20260301080000', ...withPathway));
    const { identifier: _identifier, ...plan } = onlyResource(mapped, 'CarePlan');
    assert.deepEqual(plan, {
      resourceType: 'CarePlan',
      status: 'active',
      intent: 'plan',
      category: [{ coding: [{ system: 'urn:id:CLINIC:L', code: 'HT', display: 'Hypertension pathway' }] }],
      title: 'Hypertension pathway',
      subject: { reference: onlyEntry(mapped, 'Patient').fullUrl },
      period: { start: '2026-03-01' },
      addresses: [{ reference: onlyEntry(mapped, 'Condition').url }],
      goal: [{ reference: onlyEntry(mapped, 'Goal').url }],
      activity: [{ reference: { reference: onlyEntry(mapped, 'ServiceRequest').fullUrl } }],
      note: [{ authorString: 'Dora Doc', time: '2026-03-02', text: 'Not started' }],
    });
  });

  it('is resolved, comes back, and is taken back', () => {
    const opened = ppr('PC1', '20260301080000', prb());
    const resolved = ppr('PC2', '20260401080000', prb({ 1: 'UP', 9: '20260401' }));
    const back = ppr('PC2', '20260501080000', prb({ 1: 'UP', 14: 'RECURRENCE' }));
    const deleted = ppr('PC3', '20260601080000', prb({ 1: 'DE' }));
    const problem = (...messages: string[][]): JsonObject =>
      storedOf(storedAfter(...messages).resources, 'Condition')[0]!;
    const codeOf = (concept: unknown): unknown =>
      ((concept as JsonObject | undefined)?.coding as JsonObject[] | undefined)?.[0]?.code;
    const told = ({ clinicalStatus, verificationStatus, abatementDateTime }: JsonObject) => [
      codeOf(clinicalStatus),
      codeOf(verificationStatus),
      abatementDateTime,
    ];
    const odd = mapLines(...ppr('PC1', '20260301080000', prb({ 13: 'PERHAPS' })));
    assert.deepEqual(
      [onlyResource(odd, 'Condition').verificationStatus, odd.warnings],
      [undefined, ['PRB-13: no code of a verification status']],
    );
    assert.deepEqual(told(problem(opened, resolved)), ['resolved', undefined, '2026-04-01']);
    assert.deepEqual(told(problem(opened, resolved, back)), ['recurrence', undefined, undefined]);
    assert.deepEqual(told(problem(opened, deleted)), [undefined, 'entered-in-error', undefined]);
    assert.deepEqual(told(problem(resolved, opened)), ['resolved', undefined, '2026-04-01']);
    // Only the severity.
    const changed = ppr('PC2', '20260502080000', prb({ 1: 'UP', 26: 'MI' }));
    assert.deepEqual(told(problem(opened, resolved, changed)), ['resolved', undefined, '2026-04-01']);
    assert.deepEqual(told(problem(changed)), ['active', undefined, undefined]);
    assert.deepEqual(told(problem(opened, deleted, ppr('PC2', '20260602080000', prb({ 1: 'UP' })))), [
      'active',
      undefined,
      undefined,
    ]);
    const withoutEnd = ppr('PC2', '20260502080000', prb({ 1: 'UP', 9: '""' }));
    assert.deepEqual(told(problem(opened, resolved, withoutEnd)), ['active', undefined, undefined]);
    const [, category] = problem(ppr('PC1', '20260301080000', prb({ 10: 'DX^Diagnosis^L' })), resolved)
      .category as JsonObject[];
    assert.equal(codeOf(category), 'DX');
  });

  it('is what a goal is for where it is told as unchanged, and stays as it is', () => {
    const known = ppr('PC1', '20260301080000', prb({ 14: 'INACTIVE' }));
    const later = ppr('PC2', '20260302080000', prb({ 1: 'UC', 3: 'X^Other words^L' }), gol());
    const { resources } = storedAfter(known, later);
    const [condition, ...others] = storedOf(resources, 'Condition');
    assert.equal(others.length, 0);
    assert.deepEqual(condition, storedOf(storedAfter(known).resources, 'Condition')[0]);
    const addresses = [{ reference: `Condition/${condition!.id}` }];
    assert.deepEqual(storedOf(resources, 'Goal')[0]!.addresses, addresses);
    const alone = mapLines(...later);
    assert.deepEqual(onlyEntry(alone, 'Goal').resource.addresses, addresses);
    assert.deepEqual(onlyResource(alone, 'Condition').clinicalStatus, coded('condition-clinical', 'active'));
    const [twice] = entriesOf(mapLines(...later, prb({ 14: 'RESOLVED' })), 'Condition');
    assert.equal((twice!.resource.clinicalStatus as unknown as { coding: JsonObject[] }).coding[0]!.code, 'resolved');
  });

  it('is what a goal is for, whatever the message tells of another problem of that code', () => {
    const mapped = mapLines(...ppr('PC2', '20260302080000', prb({ 1: 'UC' }), gol(), prb({ 4: 'OTHER^H' })));
    const [unchanged, ...others] = entriesOf(mapped, 'Condition');
    assert.equal(others.length, 1);
    assert.deepEqual(onlyEntry(mapped, 'Goal').resource.addresses, [{ reference: unchanged!.url }]);
  });

  it('leaves what is unchanged, and what has no code', () => {
    const mapped = mapLines(
      ...ppr('PC2', '20260301080000', prb({ 1: 'UC' }), segment('PRB', { 1: 'AD', 7: '20260101' }), gol({ 1: 'DE' })),
    );
    assert.deepEqual(mapped.warnings, ['PRB-3: a problem without code or words has no place']);
    assert.equal(entriesOf(mapped, 'Condition').length, 0);
    assert.equal(onlyResource(mapped, 'Goal').lifecycleStatus, 'entered-in-error');
    assert.equal(refusalOf(header('PPR^PC1^PPR_PC1'), prb()), 'AE 100 Required segment PID is missing');
  });
});

describe('REF^I12', () => {
  const rf1 = (fields: Record<number, string> = {}) =>
    segment('RF1', {
      1: 'A',
      2: 'S',
      3: 'Med^Medical^HL70281',
      5: 'O',
      6: 'R1^CLINIC',
      7: '20260301',
      8: '20260601',
      10: 'S^Second opinion^HL70336',
      11: 'X1^OTHER',
      ...fields,
    });
  const prd = (role: string, name: string, number: string, organization = '') =>
    segment('PRD', { 1: role, 2: name, 7: number === '' ? '' : `${number}^NPI`, 10: organization });
  const aut = segment('AUT', {
    1: 'PLAN',
    2: 'PAYER1',
    3: 'Payer One',
    4: '20260301',
    5: '20260601',
    6: 'AUTH1',
    7: '250&USD',
    9: '10',
  });
  const ref = (event: string, at: string, ...lines: string[]) => [header(`REF^${event}^REF_I12`, at), ...lines];
  const lines = [
    rf1(),
    aut,
    prd('RP', 'DOC^DORA', '1', 'North'),
    prd('RT', 'ROE^RITA', '2'),
    pid,
    'DG1|1||I10^X^I10C|||A',
    'OBR|1|||P1^Panel^L|||20260201||||||||||||||||||F',
    'OBX|1|NM|2823-3^K^LN||4.1|mmol/L^^UCUM|||||F',
  ];

  it('tells of what it does not read: an accident, and a group of diagnoses', () => {
    const { warnings } = mapLines(...ref('I12', '20260301080000', ...lines, 'ACC|20260227|SP^Sport^L', 'DRG|065'));
    assert.deepEqual(
      warnings.filter((one) => one.includes('segment')),
      ['ACC: segment not mapped', 'DRG: segment not mapped'],
    );
  });

  it('is answered by RRI, which tells what becomes of it', () => {
    const answer = (event: string, at: string, code: string, status: string) => [
      header(`RRI^${event}^RRI_I12`, at),
      `MSA|${code}|M1`,
      segment('RF1', { 1: status, 6: 'R1^CLINIC', 11: 'X2^OTHER' }),
      prd('RT', 'ROE^RITA', '2'),
      pid,
    ];
    const first = ref('I12', '20260301080000', ...lines);
    const after = (...messages: string[][]) => {
      const found = storedOf(storedAfter(first, ...messages).resources, 'ServiceRequest');
      const referrals = found.filter(({ category }) => category !== undefined);
      assert.equal(referrals.length, 1);
      return referrals[0]!;
    };
    const accepted = after(answer('I12', '20260301090000', 'AA', 'A'));
    assert.equal(accepted.status, 'active');
    assert.deepEqual(
      (accepted.identifier as JsonObject[]).map(({ value }) => value),
      ['R1', 'X1', 'X2'],
    );
    assert.equal((accepted.reasonReference as JsonObject[]).length, 1, 'what the answer leaves out stays');
    assert.equal((accepted.category as JsonObject[]).length, 2);
    assert.equal(after(answer('I12', '20260301090000', 'AA', 'R')).status, 'revoked');
    assert.equal(after(answer('I14', '20260301090000', 'AA', '')).status, 'revoked');
    assert.equal(after(answer('I14', '20260301090000', 'AE', '')).status, 'active');
    const bare = mapLines(header('RRI^I12^RRI_I12', '20260301090000'), 'MSA|AA|M1', pid);
    assert.deepEqual([bare.entries, bare.warnings], [[], ['RF1: an answer without a referral changes nothing']]);
  });

  it('is a request for a referral with both sides, reasons, results and what the payer allows', () => {
    const mapped = mapLines(...ref('I12', '20260301080000', ...lines));
    const request = entriesOf(mapped, 'ServiceRequest')[0]!.resource;
    const [requesterRole] = entriesOf(mapped, 'PractitionerRole');
    const other = entriesOf(mapped, 'Practitioner').find(({ resource }) =>
      JSON.stringify(resource.name).includes('ROE'),
    )!;
    const { meta: _meta, identifier, category, ...rest } = request;
    assert.deepEqual(
      (identifier as unknown as JsonObject[]).map(({ system, value }) => [system, value]),
      [
        ['urn:id:CLINIC', 'R1'],
        ['urn:id:OTHER', 'X1'],
      ],
    );
    assert.deepEqual(
      (category as unknown as { coding: JsonObject[] }[]).map(({ coding }) => coding[0]!.code),
      ['3457005', 'O'],
    );
    assert.deepEqual(JSON.parse(JSON.stringify(rest)), {
      resourceType: 'ServiceRequest',
      status: 'active',
      intent: 'order',
      priority: 'stat',
      code: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0281', code: 'Med', display: 'Medical' }] },
      subject: { reference: onlyEntry(mapped, 'Patient').fullUrl },
      occurrencePeriod: { start: '2026-03-01', end: '2026-06-01' },
      requester: { reference: requesterRole!.url, display: 'DORA DOC' },
      performer: [{ reference: other.fullUrl, display: 'RITA ROE' }],
      reasonCode: [
        { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0336', code: 'S', display: 'Second opinion' }] },
      ],
      reasonReference: [{ reference: onlyEntry(mapped, 'Condition').url }],
      insurance: [{ reference: onlyEntry(mapped, 'ClaimResponse').url }],
      supportingInfo: [{ reference: onlyEntry(mapped, 'DiagnosticReport').url }],
    });
    const allowed = onlyResource(mapped, 'ClaimResponse');
    assert.deepEqual(
      [allowed.use, allowed.preAuthRef, allowed.preAuthPeriod, allowed.insurer],
      [
        'preauthorization',
        'AUTH1',
        { start: '2026-03-01', end: '2026-06-01' },
        {
          type: 'Organization',
          identifier: { system: 'urn:id:CLINIC:insurer', value: 'PAYER1' },
          display: 'Payer One',
        },
      ],
    );
    assert.deepEqual(mapped.warnings, []);
  });

  it('is changed and cancelled under its number; a question changes nothing', () => {
    const first = ref('I12', '20260301080000', ...lines);
    const cancelled = ref('I14', '20260302080000', rf1({ 2: 'R' }), pid);
    const late = ref('I13', '20260228080000', rf1({ 2: 'A' }), pid);
    const [request] = storedOf(storedAfter(first, cancelled, late).resources, 'ServiceRequest');
    assert.deepEqual([request!.status, request!.priority], ['revoked', 'routine']);
    const asked = mapLines(...ref('I15', '20260303080000', rf1(), pid));
    assert.deepEqual(
      [asked.entries, asked.warnings],
      [[], ['RF1: a question for the status of a referral changes nothing']],
    );
  });

  it('that is known by RF1-11 alone is the one that comes with RF1-6 as well', () => {
    const stored = (fields: Record<number, string>, id: string): Resource => {
      const [entry] = entriesOf(mapLines(...ref('I12', '20260301080000', rf1(fields), pid)), 'ServiceRequest');
      return { ...entry!.resource, id };
    };
    const chosen = (matches: Resource[], withOther: Resource[]): unknown => {
      const mapped = mapLines(...ref('I13', '20260302080000', rf1(), pid));
      const [asked] = mapped.lookUps!;
      const { searchParams: criteria } = new URL(asked!.url, 'http://localhost');
      assert.deepEqual(
        [...criteria],
        [
          ['identifier', 'urn:id:OTHER|X1'],
          ['category', 'http://snomed.info/sct|3457005'],
        ],
      );
      assert.deepEqual(asked!.choose!(withOther), { idle: true });
      return entriesOf(mapped, 'ServiceRequest')[0]!.choose!(matches);
    };
    const unnumbered = stored({ 6: '' }, 'x');
    assert.deepEqual(chosen([], [unnumbered]), { follow: 'ServiceRequest/x' });
    assert.deepEqual(chosen([unnumbered], [unnumbered]), { match: unnumbered });
    assert.deepEqual(chosen([], [stored({ 6: 'R2^CLINIC' }, 'y')]), {}, 'another referral has that number too');
    assert.deepEqual(chosen([], []), {});
    const own = stored({ 11: '' }, 'o');
    assert.deepEqual(chosen([own], [unnumbered]), { match: own });
    const alone = mapLines(...ref('I13', '20260302080000', rf1({ 11: '' }), pid));
    assert.deepEqual([alone.lookUps, entriesOf(alone, 'ServiceRequest')[0]!.choose], [[], undefined]);
  });

  it('has the organization of a provider who has no number', () => {
    const mapped = mapLines(
      ...ref('I12', '20260301080000', rf1(), prd('RP', 'DOC^DORA', '', 'North^^7'), prd('RT', '', '', 'South^^8'), pid),
    );
    const request = entriesOf(mapped, 'ServiceRequest')[0]!.resource;
    const role = onlyEntry(mapped, 'PractitionerRole');
    const [north, south] = entriesOf(mapped, 'Organization');
    assert.deepEqual(
      [role.resource.practitioner, role.resource.organization],
      [{ display: 'DORA DOC' }, { reference: north!.fullUrl, display: 'North' }],
    );
    assert.deepEqual(request.requester, { reference: role.url, display: 'DORA DOC' });
    assert.deepEqual(request.performer, [{ reference: south!.fullUrl, display: 'South' }]);
    const other = mapLines(...ref('I12', '20260301080000', rf1(), prd('RP', 'ROE^RITA', '', 'North^^7'), pid));
    assert.notEqual(onlyEntry(other, 'PractitionerRole').url, role.url);
  });

  it('tells of a provider whose role has no place in it', () => {
    const mapped = mapLines(...ref('I12', '20260301080000', rf1(), 'PRD|PP|DOC^DORA|||||77^NPI', pid));
    assert.deepEqual(mapped.warnings, ['PRD-1: a provider with no role in the referral (RP, RT, RH, CP) has no place']);
  });

  it('is refused without RF1 or PID', () => {
    assert.equal(refusalOf(...ref('I12', '20260301', pid)), 'AE 100 Required segment RF1 is missing');
    assert.equal(refusalOf(...ref('I12', '20260301', rf1())), 'AE 100 Required segment PID is missing');
  });
});
