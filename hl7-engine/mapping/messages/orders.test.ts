import assert from 'node:assert/strict';
import test from 'node:test';
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

const msh = (type: string, at = '20260301080000') => `MSH|^~\\&|EHR|SOUTH|LAB|NORTH|${at}||${type}|M1|P|2.5.1`;
const pid = 'PID|1||777^^^HOSP^MR||TEST^PATIENT';
const obr = 'OBR|1|P1^EHR||24323-8^Panel^LN|R||20260301070000';

const oml = [
  msh('OML^O21^OML_O21'),
  pid,
  'ORC|NW|P1^EHR||G1^EHR|||||20260301075500|||100^Doc^Dora^^^^^^HOSP||^WPN^PH^^^555^1234|||||||North Clinic^^^^^HOSP^XX^^^N1',
  'TQ1|1||BID|||5^d|||S||with food',
  obr,
  'NTE|1|P|please call',
  'DG1|1||E11.9^Type 2 diabetes^I10',
  'OBX|1|CWE|49541-6^Fasting status^LN||Y^Yes^HL70136||||||O',
  'SPM|1|S1&EHR||SER^Serum^HL70487',
];

test('OML^O21: the request with its specimen, answers, diagnosis and schedule', () => {
  const mapped = mapLines(...oml);
  assert.deepEqual(mapped.warnings, []);
  const request = onlyResource(mapped, 'ServiceRequest');
  assert.equal(
    decodeURIComponent(onlyEntry(mapped, 'ServiceRequest').url),
    'ServiceRequest?identifier=urn:id:EHR|P1&code=http://loinc.org|24323-8',
  );
  const { status, intent, priority, requisition, authoredOn, note, specimen, supportingInfo, reasonReference } =
    request;
  assert.deepEqual([status, intent, priority, authoredOn], ['active', 'order', 'routine', '2026-03-01T07:55:00Z']);
  assert.equal((requisition as JsonObject).value, 'G1');
  assert.deepEqual(note, [{ authorString: 'Orderer (placer)', text: 'please call' }, { text: 'with food' }]);
  assert.deepEqual(specimen, [{ reference: onlyEntry(mapped, 'Specimen').fullUrl }]);
  assert.deepEqual(supportingInfo, [{ reference: onlyEntry(mapped, 'Observation').url }]);
  assert.deepEqual(reasonReference, [{ reference: onlyEntry(mapped, 'Condition').url }]);
  assert.deepEqual(request.occurrenceTiming, {
    repeat: {
      boundsDuration: { value: 5, unit: 'd', system: 'http://unitsofmeasure.org', code: 'd' },
      frequency: 2,
      period: 1,
      periodUnit: 'd',
    },
    code: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0335', code: 'BID' }] },
  });
  assert.equal(onlyResource(mapped, 'Observation').status, 'final');
  const role = onlyEntry(mapped, 'PractitionerRole');
  assert.deepEqual(request.requester, { reference: role.url, display: 'Dora Doc' });
  assert.deepEqual(entriesOf(mapped, 'DiagnosticReport'), []);
});

/** The order after each of these controls, one message a minute. */
function orderAfter(...controls: [control: string, status?: string][]): { request: Resource; tasks: string[] } {
  const messages = controls.map(([control, status = ''], index) => [
    msh('ORM^O01^ORM_O01', `202603010800${String(index).padStart(2, '0')}`),
    pid,
    `ORC|${control}|P1^EHR|||${status}`,
    obr,
  ]);
  const { resources } = storedAfter(...messages);
  const tasks = storedOf(resources, 'Task').map(
    ({ code, status }) => `${((code as JsonObject).coding as JsonObject[])[0]!.code} ${status}`,
  );
  const requests = storedOf(resources, 'ServiceRequest');
  assert.equal(requests.length, 1);
  return { request: requests[0]!, tasks };
}

test('ORC-1: what is asked of an order is a Task, which its answer changes', () => {
  const cases: [controls: [string, string?][], status: string, tasks: string[]][] = [
    [[['NW']], 'active', []],
    [[['NW'], ['OK']], 'active', []],
    [[['NW'], ['CA']], 'active', ['abort requested']],
    [[['NW'], ['CA', 'CA']], 'revoked', ['abort requested']],
    [[['NW'], ['CA'], ['CR']], 'revoked', ['abort completed']],
    [[['NW'], ['CA'], ['UC']], 'active', ['abort rejected']],
    [[['NW'], ['OC']], 'revoked', []],
    [[['NW'], ['DC']], 'revoked', ['abort requested']],
    [[['NW'], ['HD'], ['HR']], 'on-hold', ['suspend completed']],
    [[['NW'], ['HD'], ['HR'], ['RL'], ['OR']], 'active', ['suspend completed', 'resume completed']],
    [[['NW'], ['XO'], ['XR']], 'active', ['change completed']],
    [[['NW'], ['XO'], ['UX']], 'active', ['change rejected']],
    [[['NW'], ['SC', 'CM']], 'completed', []],
    [[['NW'], ['SC', 'HD']], 'on-hold', []],
    [[['SC', 'CM'], ['NA']], 'completed', []],
    [[['CA', 'CA']], 'revoked', ['abort requested']],
  ];
  for (const [controls, status, tasks] of cases) {
    const found = orderAfter(...controls);
    assert.deepEqual([found.request.status, found.tasks], [status, tasks], controls.join(' '));
  }
});

test('an older message about an order changes nothing', () => {
  const newer = [msh('ORM^O01', '20260301090000'), pid, 'ORC|OC|P1^EHR', obr];
  const older = [msh('ORM^O01', '20260301080000'), pid, 'ORC|NW|P1^EHR', obr];
  const { resources, warnings } = storedAfter(newer, older);
  assert.equal(storedOf(resources, 'ServiceRequest')[0]!.status, 'revoked');
  assert.ok(warnings.includes('ServiceRequest: older than what is stored; it stays as it is'));
});

test('a replacement replaces, a child is based on its parent', () => {
  const replaced = mapLines(
    msh('ORM^O01^ORM_O01'),
    pid,
    'ORC|RU|P1^EHR',
    obr,
    'ORC|RO|P2^EHR',
    obr.replace('P1', 'P2'),
  );
  const [old, successor] = entriesOf(replaced, 'ServiceRequest');
  assert.equal(old!.resource.status, 'revoked');
  assert.deepEqual(successor!.resource.replaces, [{ reference: old!.fullUrl }]);
  const family = mapLines(msh('ORM^O01^ORM_O01'), pid, 'ORC|PA|P1^EHR', obr, 'ORC|CH|P2^EHR', obr.replace('P1', 'P2'));
  const [parent, child] = entriesOf(family, 'ServiceRequest');
  assert.deepEqual(child!.resource.basedOn, [{ reference: parent!.fullUrl }]);
});

test('an order and its result are one request', () => {
  const order = [msh('OML^O21^OML_O21', '20260301080000'), pid, 'ORC|NW|P1^EHR', obr];
  const result = [
    msh('ORU^R01^ORU_R01', '20260301090000'),
    pid,
    'ORC|RE|P1^EHR|F1^LAB',
    `${obr.replace('||24323', '|F1^LAB|24323')}|||||||||||||||||||F`.replace(
      /\|+F$/,
      '|||||||||||||||20260301085500|||F',
    ),
    'OBX|1|NM|2823-3^Potassium^LN||5|mmol/L|||||F',
  ];
  const { resources } = storedAfter(order, result);
  const [request, ...others] = storedOf(resources, 'ServiceRequest');
  assert.deepEqual(others, []);
  assert.deepEqual(
    (request!.identifier as JsonObject[]).map(({ value }) => value),
    ['P1', 'F1'],
  );
  assert.equal(storedOf(resources, 'DiagnosticReport').length, 1);
});

test('ORM^O01 by what is ordered: diet and supply', () => {
  const diet = mapLines(msh('ORM^O01^ORM_O01'), pid, 'ORC|NW|P5^EHR||||||||20260301', 'ODS|D||160^Diabetic^L|no nuts');
  const nutrition = onlyResource(diet, 'NutritionOrder');
  assert.deepEqual(
    [nutrition.status, nutrition.oralDiet],
    [
      'active',
      { type: [{ coding: [{ system: 'urn:id:SOUTH:L', code: '160', display: 'Diabetic' }] }], instruction: 'no nuts' },
    ],
  );
  const supply = mapLines(msh('ORM^O01^ORM_O01'), pid, 'ORC|NW|P6^EHR', 'RQD|1|G1^Gloves^L|||2|BX^Box^L');
  const request = onlyResource(supply, 'SupplyRequest');
  assert.deepEqual([request.status, (request.quantity as JsonObject).value], ['active', 2]);
  const some = mapLines(msh('ORM^O01^ORM_O01'), pid, 'ORC|NW|P6^EHR', 'RQD|1|G1^Gloves^L|||2,5|BX^Box^L');
  const { value, unit } = onlyResource(some, 'SupplyRequest').quantity as JsonObject;
  assert.deepEqual([value, unit, some.warnings], [undefined, 'Box', ['RQD-5: not a number; left out']]);
});

test('responses tell what became of an order; without the patient they are refused', () => {
  const order = [msh('OML^O21^OML_O21', '20260301080000'), pid, 'ORC|CA|P1^EHR', obr];
  const response = [msh('ORL^O22^ORL_O22', '20260301080500'), 'MSA|AA|M1', pid, 'ORC|CR|P1^EHR|F1^LAB', obr];
  const { resources } = storedAfter(order, response);
  assert.equal(storedOf(resources, 'ServiceRequest')[0]!.status, 'revoked');
  assert.equal(
    refusalOf(...response.filter((line) => !line.startsWith('PID'))),
    'AE 100 Required segment PID is missing: whose order it is cannot be told',
  );
  const acknowledged = mapLines(msh('ORR^O02^ORR_O02'), 'MSA|AA|M1', pid);
  assert.deepEqual(acknowledged.entries, []);
});

test('prior results of an order are reports of their own', () => {
  const mapped = mapLines(
    ...oml,
    'PID|1||777^^^HOSP^MR||TEST^PATIENT',
    'ORC|PR|P0^EHR|F0^LAB',
    'OBR|1|P0^EHR|F0^LAB|24323-8^Panel^LN|||20260201||||||||||||||||||F',
    'OBX|1|NM|2823-3^Potassium^LN||4|mmol/L|||||F',
  );
  assert.equal(onlyResource(mapped, 'DiagnosticReport').status, 'final');
  assert.equal(entriesOf(mapped, 'ServiceRequest').length, 2);
  assert.equal(entriesOf(mapped, 'Patient').length, 1);
});

test('the visit of an earlier result is not that of the order', () => {
  const prior = [
    'PID|1||777^^^HOSP^MR||TEST^PATIENT',
    'PV1|1|I|||||||||||||||||V-OLD^^^HOSP',
    'ORC|PR|P0^EHR|F0^LAB',
    'OBR|1|P0^EHR|F0^LAB|24323-8^Panel^LN|||20260201||||||||||||||||||F',
  ];
  const withoutVisit = oml.filter((line) => !line.startsWith('PV1'));
  const requests = entriesOf(mapLines(...withoutVisit, ...prior), 'ServiceRequest').map(({ resource }) => resource);
  const encounter = onlyEntry(mapLines(...withoutVisit, ...prior), 'Encounter');
  assert.deepEqual(
    requests.map((one) => (one.encounter as JsonObject | undefined)?.reference),
    [undefined, encounter.fullUrl],
  );
});

test('orders that lack what they are about', () => {
  assert.equal(refusalOf(msh('ORM^O01'), pid), 'AE 100 Required segment ORC is missing');
  assert.equal(refusalOf(msh('ORM^O01'), 'ORC|NW|P1', obr), 'AE 100 Required segment PID is missing');
  const nothing = mapLines(msh('ORM^O01'), pid, 'ORC|NW');
  assert.deepEqual(nothing.warnings, ['ORC: an order without number and detail has no place']);
});

test('a second OBR without an ORC is an order of its own, and its answers are no earlier results', () => {
  const second = 'OBR|2|P2^EHR||2345-7^Glucose^LN';
  const answer = 'OBX|1|CWE|49541-6^Fasting status^LN||Y^Yes^HL70136||||||O';
  for (const type of ['OML^O21^OML_O21', 'OMG^O19^OMG_O19', 'ORM^O01^ORM_O01']) {
    const mapped = mapLines(msh(type), pid, 'ORC|NW|P1^EHR', obr, second, answer);
    const requests = entriesOf(mapped, 'ServiceRequest').map(({ url }) => decodeURIComponent(url));
    assert.deepEqual(
      requests,
      [
        'ServiceRequest?identifier=urn:id:EHR|P1&code=http://loinc.org|24323-8',
        'ServiceRequest?identifier=urn:id:EHR|P2&code=http://loinc.org|2345-7',
      ],
      type,
    );
    assert.deepEqual(entriesOf(mapped, 'DiagnosticReport'), [], type);
    const [, last] = entriesOf(mapped, 'ServiceRequest');
    assert.deepEqual(last!.resource.supportingInfo, [{ reference: onlyEntry(mapped, 'Observation').url }], type);
  }
});

test('GT1, FT1 and BLG of an order: who answers for the account, what it costs, who is billed', () => {
  const lines = (type: string, guarantor: string) => [
    msh(type),
    'PID|1||777^^^HOSP^MR||TEST^PATIENT|||||||||||||A7^^^HOSP',
    'PV1|1|O|||||||||||||||||V9^^^HOSP^VN',
    guarantor,
    'ORC|NW|P1^EHR',
    obr,
    segment('FT1', { 1: '1', 4: '20260301', 6: 'CG', 7: '80053^Panel^C4', 10: '1', 11: '40.50&USD' }),
    segment('FT1', { 1: '2', 2: 'T2', 4: '20260301', 6: 'CG', 7: '36415^Draw^C4' }),
    'BLG|||B5^^^HOSP',
  ];
  for (const type of ['OML^O21^OML_O21', 'OMG^O19^OMG_O19', 'ORM^O01^ORM_O01']) {
    const mapped = mapLines(...lines(type, 'GT1|1||PAYER^PAT||1 Main St^^Town'));
    assert.deepEqual(mapped.warnings, [], type);
    const [own, billed, ...more] = entriesOf(mapped, 'Account');
    assert.deepEqual(more, []);
    assert.match(decodeURIComponent(own!.url), /\|A7$/);
    assert.match(decodeURIComponent(billed!.url), /\|B5$/);
    assert.deepEqual(own!.resource.guarantor, [{ party: { reference: onlyEntry(mapped, 'RelatedPerson').url } }]);
    const request = onlyEntry(mapped, 'ServiceRequest');
    assert.deepEqual(request.resource.supportingInfo, [{ reference: billed!.fullUrl }]);
    const charges = entriesOf(mapped, 'ChargeItem');
    assert.equal(charges.length, 2);
    for (const { resource } of charges) {
      assert.deepEqual(resource.supportingInformation, [{ reference: request.fullUrl }]);
      assert.deepEqual(resource.account, [{ reference: billed!.fullUrl }]);
    }
    assert.equal(JSON.stringify(charges[0]!.resource.priceOverride), '{"value":40.50,"currency":"USD"}');
    const [{ value }] = charges[1]!.resource.identifier as [{ value: string }];
    assert.equal(value, 'T2');
  }
  const itself = mapLines(...lines('OML^O21', 'GT1|1||TEST^PATIENT||||||||SEL'));
  assert.deepEqual(entriesOf(itself, 'Account')[0]!.resource.guarantor, [
    { party: { reference: onlyEntry(itself, 'Patient').fullUrl } },
  ]);
  const { resources } = storedAfter(
    lines('OML^O21', 'GT1|1||PAYER^PAT'),
    lines('OML^O21', 'GT1|1||PAYER^PAT').map((line) =>
      line.replace('|M1|', '|M2|').replace('0301080000', '0301090000'),
    ),
  );
  assert.equal(storedOf(resources, 'ChargeItem').length, 2, 'sent again it is the same charge');
});

test('ORA^R33: the order that was placed for results gets its number', () => {
  const mapped = mapLines(msh('ORA^R33^ORA_R33'), 'MSA|AA|M1', 'ORC|OK|P9^EHR|F1^LAB');
  assert.deepEqual(mapped.warnings, []);
  const { url, choose, merge, resource } = onlyEntry(mapped, 'ServiceRequest');
  assert.equal(decodeURIComponent(url), 'ServiceRequest?identifier=urn:id:LAB|F1');
  const known = {
    resourceType: 'ServiceRequest',
    id: 'a',
    status: 'active',
    identifier: [{ system: 's', value: 'F1' }],
  };
  assert.deepEqual(choose!([known]), { match: known });
  const changed = merge!(known, resource);
  assert.deepEqual(
    (changed.identifier as JsonObject[]).map(({ value }) => value),
    ['F1', 'P9'],
  );
  assert.equal(changed.status, 'active');
  assert.equal(merge!(changed, resource), changed, 'told again it changes nothing');
  assert.deepEqual(choose!([]), { idle: true });
  assert.deepEqual(choose!([known, { ...known, id: 'b' }]), { idle: true });
  assert.deepEqual(mapLines(msh('ORA^R33'), 'MSA|AA|M1', 'ORC|OK|P9^EHR').entries, []);
});

test('OBX of an order for a drug, a diet or a supply are Observations, those of a drug the same as with its RDE', () => {
  const head = [msh('ORM^O01^ORM_O01'), pid, 'ORC|NW|P1^EHR'];
  const weight = 'OBX|1|NM|29463-7^Body weight^LN||70|kg|||||F';
  const observed = (...lines: string[]) => onlyEntry(mapLines(...lines, weight), 'Observation');
  const drug = observed(...head, 'RXO|1234^Amoxicillin^L|250||mg');
  const encoded = observed(msh('RDE^O11^RDE_O11'), ...head.slice(1), 'RXE||1234^Amoxicillin^L|250||mg');
  assert.equal(drug.url, encoded.url);
  const based = (lines: string[], type: string) => {
    const mapped = mapLines(...lines, weight);
    const [request] = entriesOf(mapped, type);
    return [onlyResource(mapped, 'Observation').basedOn, request?.fullUrl];
  };
  for (const [detail, type] of [
    ['RXO|1234^Amoxicillin^L|250||mg', 'MedicationRequest'],
    ['ODS|D||321^Low salt^L', 'NutritionOrder'],
  ] as const) {
    const [basedOn, reference] = based([...head, detail], type);
    assert.deepEqual(basedOn, [{ reference }]);
  }
  assert.equal(based([...head, 'RQD|1|9^Gloves^L|||5|BX'], 'SupplyRequest')[0], undefined);
});

test('DG1 of an order for a drug, a diet or a supply is a Condition, and the reason where there is a place for it', () => {
  const head = [msh('ORM^O01^ORM_O01'), pid, 'ORC|NW|P1^EHR'];
  const because = (detail: string, type: string, ...diagnoses: string[]) => {
    const mapped = mapLines(...head, detail, ...diagnoses);
    const { reasonReference } = onlyResource(mapped, type) as JsonObject;
    return [reasonReference, entriesOf(mapped, 'Condition').map(({ url }) => ({ reference: url }))];
  };
  const sepsis = 'DG1|1||A41.9^Sepsis^I10||20260131|W';
  const fever = 'DG1|2||R50.9^Fever^I10||20260131|W';
  for (const [detail, type] of [
    ['RXO|1234^Amoxicillin^L|250||mg', 'MedicationRequest'],
    ['RQD|1|9^Gloves^L|||5|BX', 'SupplyRequest'],
  ] as const) {
    const [reasons, conditions] = because(detail, type, sepsis, fever);
    assert.equal((conditions as JsonObject[]).length, 2);
    assert.deepEqual(reasons, conditions, type);
    assert.deepEqual(because(detail, type), [undefined, []], type);
  }
  const [reasons, conditions] = because('ODS|D||321^Low salt^L', 'NutritionOrder', sepsis);
  assert.deepEqual([reasons, (conditions as JsonObject[]).length], [undefined, 1]);
});
