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

const header = (type: string, at = '20260301080000') => `MSH|^~\\&|BILL|CLINIC|EHR|HOSP|${at}||${type}|F${at}|P|2.5.1`;
const dft = (...lines: string[]) => [header('DFT^P03^DFT_P03'), 'EVN|P03|20260301', ...lines];
const pid = 'PID|1||P1^^^CLINIC^MR||TEST^JANE||19800102|F||||||||||ACC1';
const pv1 = 'PV1|1|O|||||7^Doc^Dora|||||||||||7||V1';
const ft1 = (id: string, type = 'CG', more = '') =>
  `FT1|1|${id}||20260228|20260301|${type}|99213^Visit^C4|||2|150.50&USD|75.25&USD|D1^Ward||||||I10^Hypertension^I10C|7^Doc^Dora|||O9^LAB||99213^Visit^C4|25${more}`;
const in1 = segment('IN1', { 1: '1', 2: 'PLAN1^Plan', 3: 'PAYER1', 4: 'Payer One', 16: 'TEST^JANE', 17: 'SEL' });

describe('DFT^P03', () => {
  it('is a charge of patient, visit and account', () => {
    const mapped = mapLines(...dft(pid, pv1, ft1('T1')));
    const { fullUrl: patient } = onlyEntry(mapped, 'Patient');
    const { fullUrl: visit } = onlyEntry(mapped, 'Encounter');
    const { fullUrl: account } = onlyEntry(mapped, 'Account');
    const doctor = entriesOf(mapped, 'Practitioner')[0]!.fullUrl;
    assert.deepEqual(onlyResource(mapped, 'ChargeItem'), {
      resourceType: 'ChargeItem',
      identifier: [{ system: 'urn:id:CLINIC:charge', value: 'T1' }],
      status: 'billable',
      code: { coding: [{ system: 'http://www.ama-assn.org/go/cpt', code: '99213', display: 'Visit' }] },
      subject: { reference: patient },
      context: { reference: visit },
      account: [{ reference: account }],
      occurrenceDateTime: '2026-02-28',
      enteredDate: '2026-03-01',
      quantity: { value: 2 },
      priceOverride: { value: 150.5, currency: 'USD' },
      costCenter: {
        type: 'Organization',
        identifier: { system: 'urn:id:CLINIC:department', value: 'D1' },
        display: 'Ward',
      },
      reason: [{ coding: [{ system: 'http://hl7.org/fhir/sid/icd-10-cm', code: 'I10', display: 'Hypertension' }] }],
      performer: [{ function: { text: 'performed by' }, actor: { reference: doctor, display: 'Dora Doc' } }],
      supportingInformation: [
        {
          type: 'ServiceRequest',
          identifier: {
            type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'FILL' }] },
            system: 'urn:id:LAB',
            value: 'O9',
          },
        },
      ],
    });
    assert.deepEqual(mapped.warnings, ['FT1-26: without a claim a modifier has no place']);
  });

  it('keeps the digits of an amount', () => {
    const { priceOverride } = onlyEntry(mapLines(...dft(pid, ft1('T1'))), 'ChargeItem').resource;
    assert.equal(
      String((priceOverride as JsonObject).value && JSON.stringify(priceOverride)),
      '{"value":150.50,"currency":"USD"}',
    );
  });

  it('with an insurance is a draft claim as well, of procedures and diagnoses', () => {
    const lines = [pid, pv1, ft1('T1'), 'PR1|1||99213^Visit^C4||20260228', 'DG1|1||I10^Hypertension^I10C|||A', in1];
    const mapped = mapLines(...dft(...lines));
    const claim = onlyResource(mapped, 'Claim');
    const { url: condition } = onlyEntry(mapped, 'Condition');
    const { url: procedure } = onlyEntry(mapped, 'Procedure');
    const { url: coverage } = onlyEntry(mapped, 'Coverage');
    const visit = onlyEntry(mapped, 'Encounter').fullUrl;
    const coded = (name: string, code: string) => ({
      coding: [{ system: `http://terminology.hl7.org/CodeSystem/${name}`, code }],
    });
    const doctor = entriesOf(mapped, 'Practitioner')[0]!.fullUrl;
    const { insurer: _insurer, ...rest } = claim;
    assert.deepEqual(rest, {
      resourceType: 'Claim',
      status: 'draft',
      type: coded('claim-type', 'professional'),
      use: 'claim',
      patient: { reference: onlyEntry(mapped, 'Patient').fullUrl },
      created: '2026-03-01T08:00:00Z',
      provider: { reference: doctor, display: 'Dora Doc' },
      priority: coded('processpriority', 'normal'),
      diagnosis: [{ sequence: 1, diagnosisReference: { reference: condition } }],
      procedure: [{ sequence: 1, procedureReference: { reference: procedure } }],
      insurance: [{ sequence: 1, focal: true, coverage: { reference: coverage } }],
      item: [
        {
          sequence: 1,
          diagnosisSequence: [1],
          procedureSequence: [1],
          productOrService: { coding: [{ system: 'http://www.ama-assn.org/go/cpt', code: '99213', display: 'Visit' }] },
          modifier: [{ coding: [{ code: '25' }] }],
          servicedDate: '2026-02-28',
          quantity: { value: 2 },
          unitPrice: { value: 75.25, currency: 'USD' },
          net: { value: 150.5, currency: 'USD' },
          encounter: [{ reference: visit }],
        },
      ],
    });
    assert.deepEqual(entriesOf(mapped, 'ChargeItem')[0]!.resource.service, [{ reference: procedure }]);
    assert.deepEqual(mapped.warnings, []);
  });

  it('has the group, the accident and the authorization of the claim', () => {
    const aut = 'AUT|||Payer Inc|20260101|20261231|A-77|500&USD';
    const acc = 'ACC|20260227|SP^Sport^L|Field 2|CA';
    const diagnosis = [
      'DG1|1||I10^Hypertension^I10C|||A',
      'DG1|2||E11.9^Diabetes^I10C|||A',
      'DRG|305^Hypertension^DRGLOC',
    ];
    const mapped = mapLines(...dft(pid, pv1, ft1('T1'), ...diagnosis, in1, aut, acc));
    assert.deepEqual(mapped.warnings, []);
    const claim = onlyResource(mapped, 'Claim');
    const [first, second] = claim.diagnosis as JsonObject[];
    assert.equal(((first!.packageCode as JsonObject).coding as JsonObject[])[0]!.code, '305');
    assert.equal(second!.packageCode, undefined);
    assert.equal((claim.accident as JsonObject).date, '2026-02-27');
    assert.deepEqual((claim.accident as JsonObject).locationAddress, { text: 'Field 2', state: 'CA' });
    assert.deepEqual((claim.insurance as JsonObject[])[0]!.preAuthRef, ['A-77']);
    const answer = onlyResource(mapped, 'ClaimResponse');
    assert.deepEqual(
      [answer.use, answer.preAuthRef, answer.preAuthPeriod],
      ['preauthorization', 'A-77', { start: '2026-01-01', end: '2026-12-31' }],
    );
    const undated = mapLines(...dft(pid, pv1, ft1('T1'), in1, 'ACC||SP^Sport^L'));
    assert.deepEqual(undated.warnings, ['ACC-1: an accident without date has no place']);
  });

  it('sent again is the same charge and claim; a credit stands beside the charge with a negative amount', () => {
    const first = dft(pid, pv1, ft1('T1'), in1);
    const { resources } = storedAfter(
      first,
      [header('DFT^P03^DFT_P03', '20260302080000'), ...first.slice(1)],
      [header('DFT^P03^DFT_P03', '20260303080000'), ...dft(pid, pv1, ft1('T1', 'CD'), in1).slice(1)],
    );
    const charges = storedOf(resources, 'ChargeItem').map(({ priceOverride, overrideReason }) => [
      JSON.stringify((priceOverride as JsonObject).value),
      overrideReason,
    ]);
    assert.deepEqual(charges, [
      ['150.50', undefined],
      ['-150.50', 'credit'],
    ]);
    assert.equal(storedOf(resources, 'Claim').length, 1);
  });

  it('sent again is billed where it was billed already, and its claim no draft any more', () => {
    const lines = dft(pid, pv1, ft1('T1'), in1);
    const again = mapLines(header('DFT^P03^DFT_P03', '20260302080000'), 'EVN|P03|20260302', ...lines.slice(2));
    for (const [type, status] of [
      ['ChargeItem', 'billed'],
      ['Claim', 'active'],
    ] as const) {
      const { resource } = onlyEntry(mapLines(...lines), type);
      const { merge, resource: incoming } = onlyEntry(again, type);
      assert.equal(merge!({ ...resource, status }, incoming).status, status);
    }
  });

  it('without a transaction number keeps two charges of one day and code apart', () => {
    assert.equal(entriesOf(mapLines(...dft(pid, ft1(''), ft1(''))), 'ChargeItem').length, 2);
  });

  it('passes over payments, and transactions without a code', () => {
    const mapped = mapLines(...dft(pid, ft1('T1', 'PY'), 'FT1|2|T2||20260228||CG', ft1('T3')));
    assert.equal(entriesOf(mapped, 'ChargeItem').length, 1);
    assert.deepEqual(mapped.warnings.slice(0, 2), [
      'FT1-6: a payment or adjustment is no charge; it has no place',
      'FT1-7: a transaction without code has no place',
    ]);
  });

  it('P11: diagnoses, insurances and procedures of each charge', () => {
    const mapped = mapLines(
      header('DFT^P11^DFT_P11'),
      'EVN|P11|20260301',
      pid,
      pv1,
      'DG1|1||I10^Hypertension^I10C|||A',
      ft1('T1'),
      'PR1|1||99213^Visit^C4||20260228',
      in1,
      ft1('T2'),
      'DG1|1||E11^Diabetes^I10C|||A',
    );
    assert.equal(entriesOf(mapped, 'ChargeItem').length, 2);
    assert.equal(entriesOf(mapped, 'Condition').length, 2);
    const claim = onlyResource(mapped, 'Claim');
    assert.deepEqual(
      (claim.item as JsonObject[]).map(({ sequence, procedureSequence }) => [sequence, procedureSequence]),
      [
        [1, [1]],
        [2, undefined],
      ],
    );
    assert.equal((claim.diagnosis as JsonObject[]).length, 2);
  });

  it('is refused without FT1 or PID', () => {
    assert.equal(refusalOf(...dft(pid, pv1)), 'AE 100 Required segment FT1 is missing');
    assert.equal(refusalOf(...dft(ft1('T1'))), 'AE 100 Required segment PID is missing');
  });
});

describe('BAR', () => {
  const visit = segment('PV1', { 1: '1', 2: 'I', 3: 'WARD^R1', 19: 'V1', 44: '20260201080000', 45: '20260205120000' });

  it('P01 is the account with its payers, guarantor and visit', () => {
    const mapped = mapLines(
      header('BAR^P01^BAR_P01'),
      'EVN|P01|20260301',
      pid,
      visit,
      'DG1|1||I10^X^I10C|||A',
      segment('GT1', { 1: '1', 3: 'TEST^JANE', 11: 'SEL' }),
      in1,
    );
    const account = onlyResource(mapped, 'Account');
    assert.deepEqual(
      [account.status, account.servicePeriod, account.guarantor, (account.coverage as JsonObject[]).length],
      [
        'active',
        { start: '2026-02-01T08:00:00Z', end: '2026-02-05T12:00:00Z' },
        [{ party: { reference: onlyEntry(mapped, 'Patient').fullUrl } }],
        1,
      ],
    );
    const encounter = onlyResource(mapped, 'Encounter');
    assert.deepEqual(encounter.account, [{ reference: onlyEntry(mapped, 'Account').fullUrl }]);
    assert.equal((encounter.diagnosis as JsonObject[]).length, 1);
  });

  it('P01 of visits that have no numbers of their own is refused: they cannot be told apart', () => {
    const person = segment('PID', { 1: '1', 3: '7^^^HOSP^MR', 18: 'A7' });
    const p01 = (...visits: string[]) => refusalOf(header('BAR^P01^BAR_P01'), 'EVN|P01|20260301', person, ...visits);
    const of = (number: string, day: string) => segment('PV1', { 1: '1', 2: 'O', 19: number, 44: `202602${day}` });
    const text = 'AE 205 Visits of the message have the same number: send the visit number (PV1-19) of each';
    assert.equal(p01(of('', '01'), of('', '02')), text);
    assert.equal(p01(of('V1', '01'), of('V1', '02')), text);
    assert.equal(p01(of('', '01'), of('V1', '02')), 'mapped');
  });

  it('P01 of an account with several visits has each payer once', () => {
    const second = visit.replace('V1', 'V2');
    const gt1 = segment('GT1', { 1: '1', 3: 'TEST^JANE', 11: 'SEL' });
    const lines = [header('BAR^P01^BAR_P01'), 'EVN|P01|20260301', pid, visit, gt1, in1, second, gt1, in1];
    const { coverage, guarantor } = onlyResource(mapLines(...lines), 'Account');
    assert.deepEqual([(coverage as JsonObject[]).length, (guarantor as JsonObject[]).length], [1, 1]);
  });

  it('an account of a family has the payers of each member', () => {
    const told = (member: string, plan: string, minute: string) => {
      const other = in1.replace('PLAN1', plan);
      const own = member === '' ? [] : [segment('GT1', { 1: '1', 3: `TEST^${member}`, 11: 'FTH' }), other];
      const at = `2026030108${minute}00`;
      const message = [header('BAR^P01^BAR_P01', at), `EVN|P01|${at}`, pid, visit, ...own];
      const { resource, merge } = onlyEntry(mapLines(...message), 'Account');
      return { resource, merge: merge! };
    };
    // The store knows who the message is of.
    const join = (existing: Resource | undefined, patient: string, { resource, merge }: ReturnType<typeof told>) =>
      merge(existing, { ...resource, subject: [{ reference: patient }] });
    const [a, b] = ['Patient/a', 'Patient/b'];
    const first = told('ANN', 'PLANA', '00');
    const second = told('BEN', 'PLANB', '01');
    const again = told('ANA', 'PLANC', '02');
    const silent = told('', '', '03');
    const payers = (account: Resource, of: string): unknown[] =>
      [account.coverage, account.guarantor].map((items) =>
        (items as unknown as JsonObject[]).flatMap(({ extension, ...item }) => {
          const [mark] = (extension ?? []) as unknown as { valueReference: JsonObject }[];
          return mark?.valueReference.reference === of ? [item] : [];
        }),
      );
    const said = ({ resource }: ReturnType<typeof told>): unknown[] => [resource.coverage, resource.guarantor];
    const alone = join(undefined, a, first);
    assert.deepEqual([alone.coverage, alone.guarantor], said(first));
    const both = join(alone, b, second);
    assert.deepEqual([payers(both, a), payers(both, b)], [said(first), said(second)]);
    const changed = join(both, a, again);
    assert.deepEqual([payers(changed, a), payers(changed, b)], [said(again), said(second)]);
    assert.deepEqual((changed.coverage as unknown as JsonObject[]).length, 2);
    // Who has told of no payers changes none, and late is late.
    const joined = join(join(alone, b, silent), a, told('ANA', 'PLANC', '04'));
    assert.deepEqual([payers(joined, a), payers(joined, b)], [said(again), [[], []]]);
    assert.equal(join(changed, b, second), changed);
    const late = join(join(undefined, a, again), b, second);
    assert.deepEqual([payers(late, a), payers(late, b), late.subject], [said(again), said(second), both.subject]);
    assert.deepEqual(late.meta, again.resource.meta);
    assert.deepEqual(changed.subject, [{ reference: a }, { reference: b }]);
  });

  it('P06 ends the account and P02 purges it; what is known of it stays', () => {
    const opened = [header('BAR^P01^BAR_P01'), 'EVN|P01|20260301', pid, visit, in1];
    const ended = [header('BAR^P06^BAR_P06', '20260310080000'), 'EVN|P06|20260310080000', pid, visit];
    const [account] = storedOf(storedAfter(opened, ended).resources, 'Account');
    assert.deepEqual(
      [account!.status, account!.servicePeriod, (account!.coverage as JsonObject[]).length],
      ['inactive', { start: '2026-02-01T08:00:00Z', end: '2026-03-10T08:00:00Z' }, 1],
    );
    const purged = storedAfter(opened, [header('BAR^P02^BAR_P02', '20260311080000'), 'EVN|P02|20260311', pid]);
    assert.equal(storedOf(purged.resources, 'Account')[0]!.status, 'inactive');
    assert.deepEqual(mapLines(header('BAR^P06^BAR_P06'), 'EVN|P06|20260310', pid.replace('ACC1', '')).warnings, [
      'PID-18: no account number: no account can be ended',
    ]);
  });

  it('P12 changes diagnoses and procedures alone', () => {
    const mapped = mapLines(
      header('BAR^P12^BAR_P12'),
      'EVN|P12|20260301',
      pid,
      visit,
      'DG1|1||I10^X^I10C|||A',
      'PR1|1||1^Op^L||20260202',
    );
    assert.equal(entriesOf(mapped, 'Account').length, 0);
    const { encounter } = onlyResource(mapped, 'Condition');
    assert.deepEqual(encounter, { reference: onlyEntry(mapped, 'Encounter').fullUrl });
    assert.deepEqual(onlyResource(mapped, 'Procedure').encounter, encounter);
  });
});

describe('of admissions', () => {
  const adt = (...lines: string[]) =>
    mapLines('MSH|^~\\&|ADT|HOSP|||20260301||ADT^A01^ADT_A01|M1|P|2.5.1', 'EVN||20260301', pid, pv1, ...lines);

  it('DB1 is whether the patient is disabled, and when', () => {
    const mapped = adt('DB1|1|PT||Y|20260101|20260201', 'DB1|2|GT||Y|20260101');
    const observation = onlyResource(mapped, 'Observation');
    assert.equal((observation.code as JsonObject).coding !== undefined, true);
    assert.deepEqual(
      [observation.valueBoolean, observation.effectivePeriod],
      [true, { start: '2026-01-01', end: '2026-02-01' }],
    );
    assert.deepEqual(mapped.warnings, ['DB1-2: a disability of somebody else than the patient has no place']);
  });

  it('AUT is what the payer of its insurance has allowed', () => {
    const mapped = adt(in1, 'AUT||||20260101||A-78');
    const answer = onlyResource(mapped, 'ClaimResponse');
    assert.equal(answer.preAuthRef, 'A-78');
    assert.ok((answer.insurer as JsonObject).display);
    assert.deepEqual(mapped.warnings, []);
    assert.deepEqual(adt(in1, 'AUT||||20260101').warnings, [
      'AUT-6: an authorization without number or payer has no place',
    ]);
  });
});
