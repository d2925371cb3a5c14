// PRT, which from v2.7 on stands for the fields of people in ORC, OBR and RXA: https://hl7.org/fhir/uv/v2mappings/ (OML_O21,
// ORU_R01, VXU_V04)
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { entriesOf, mapLines, onlyResource, storedAfter, storedOf } from '../../testing/mapped.ts';

const msh = (type: string): string => `MSH|^~\\&|EHR|HOSP|X|Y|20240102030405||${type}|1|P|2.8`;
const pid = 'PID|1||123^^^HOSP^MR||Doe^Jane||19800101|F';
const prt = (role: string, name: string, more = ''): string => `PRT||AD||${role}^x^HL70443|^${name}${more}`;

/** Names of the people, by what they are to it. */
const displays = (people: unknown): unknown[] => (people as JsonObject[]).map(({ display }) => display);

describe('PRT of orders, results and vaccinations', () => {
  it('is the primary care provider of a new patient and takes part in a new visit', () => {
    const mapped = mapLines(
      msh('ORU^R01^ORU_R01'),
      pid,
      prt('PP', 'Gp'),
      prt('RP', 'Referrer'),
      'PV1|1|I|||||||||||||||||V1',
      prt('AT', 'Attending'),
      prt('CP', 'Gone').replace('|AD|', '|DE|'),
      'OBR|1|P1|F1|2345-7^Glucose^LN',
    );
    assert.deepEqual(displays(onlyResource(mapped, 'Patient').generalPractitioner), ['Gp']);
    const { participant } = onlyResource(mapped, 'Encounter') as { participant: JsonObject[] };
    assert.deepEqual(
      participant.map(({ individual, type }) => [individual, (type as { coding: JsonObject[] }[])[0]!.coding.at(-1)]),
      [
        [
          { display: 'Attending' },
          { system: 'http://terminology.hl7.org/CodeSystem/v2-0443', code: 'AT', display: 'x' },
        ],
      ],
    );
    assert.deepEqual(mapped.warnings, [
      'PRT: of those around the patient only who gives primary care (PRT-4 PP) has a place',
    ]);
  });

  it('says who ordered, took the specimen, made and read the report, each of them', () => {
    const mapped = mapLines(
      msh('ORU^R01^ORU_R01'),
      pid,
      'ORC|RE|P1|F1',
      prt('OP', 'Orderer'),
      'OBR|1|P1|F1|2345-7^Glucose^LN|||||||||||||||||||||F',
      prt('SC', 'Collector'),
      prt('PRI', 'Reader^One'),
      prt('PRI', 'Reader^Two'),
      prt('ARI', 'Assistant'),
      prt('TN', 'Technician^A'),
      prt('TN', 'Technician^B'),
      prt('TR', 'Typist'),
      'OBX|1|NM|2345-7^Glucose^LN||5|mmol/L|||||F',
      prt('RO', 'Observer', '||||WARD^R1|'),
      'SPM|1|S1||SER^Serum^HL70487',
    );
    assert.deepEqual(onlyResource(mapped, 'ServiceRequest').requester, { display: 'Orderer' });
    const { collection } = onlyResource(mapped, 'Specimen') as { collection: JsonObject };
    assert.deepEqual(collection.collector, { display: 'Collector' });
    const report = onlyResource(mapped, 'DiagnosticReport');
    assert.deepEqual(displays(report.resultsInterpreter), ['One Reader', 'Two Reader', 'Assistant']);
    assert.deepEqual(displays(report.performer), ['A Technician', 'B Technician', 'Typist']);
    const observation = onlyResource(mapped, 'Observation');
    assert.deepEqual(displays(observation.performer), ['Observer']);
    const place = entriesOf(mapped, 'Location').at(-1)!;
    assert.deepEqual(observation.extension, [
      {
        url: 'http://hl7.org/fhir/StructureDefinition/event-location',
        valueReference: { reference: place.fullUrl, display: 'R1, WARD' },
      },
    ]);
  });

  it('says who took the specimen of an SPM where OBR-10 does', () => {
    const mapped = mapLines(
      msh('OML^O21^OML_O21'),
      pid,
      'ORC|NW|P1',
      'OBR|1|P1||2345-7^Glucose^LN||||||^Nurse^N',
      'SPM|1|S1||SER^Serum^HL70487',
    );
    const { collection } = onlyResource(mapped, 'Specimen') as { collection: JsonObject };
    assert.deepEqual(collection.collector, { display: 'N Nurse' });
  });

  it('says who ordered and who gave a vaccine', () => {
    const mapped = mapLines(
      msh('VXU^V04^VXU_V04'),
      pid,
      'ORC|RE||V1',
      prt('OP', 'Orderer'),
      'RXA|0|1|20240101||08^HepB^CVX|0.5|mL',
      prt('AP', 'Nurse'),
    );
    const { performer } = onlyResource(mapped, 'Immunization') as { performer: JsonObject[] };
    const system = 'http://terminology.hl7.org/CodeSystem/v2-0443';
    assert.deepEqual(performer, [
      { actor: { display: 'Orderer' }, function: { coding: [{ system, code: 'OP' }] } },
      { actor: { display: 'Nurse' }, function: { coding: [{ system, code: 'AP' }] } },
    ]);
    assert.deepEqual(mapped.warnings, []);
  });
});

describe('PR1 with those who did it', () => {
  const adt = (time: string, ...lines: string[]): string[] => [
    msh('ADT^A01^ADT_A01').replace('20240102030405', time),
    pid,
    'PV1|1|I|||||||||||||||||V1',
    ...lines,
  ];
  const performersOf = (...messages: string[][]): unknown[] => {
    const [procedure] = storedOf(storedAfter(...messages).resources, 'Procedure');
    return ((procedure?.performer ?? []) as JsonObject[]).map((one) => {
      const { actor, function: role } = one as {
        actor: JsonObject;
        function?: { text?: string; coding?: JsonObject[] };
      };
      return [actor.display, role?.text ?? role?.coding?.at(-1)?.code];
    });
  };
  const pr1 = (anaesthetist: string, surgeon: string, other: string): string =>
    `PR1|1||0DTJ^Appendectomy^I10P||20240101|||${anaesthetist}|||${surgeon}|${other}`;
  const all = adt('20240102030405', pr1('^Sleep', '^Knife', '^Third'));

  it('has those of ROL and PRT of its group', () => {
    const lines = [pr1('', '', ''), 'ROL||AD|RT^x^HL70443|^Rolle', prt('AS', 'Assistant'), prt('AS', 'Gone', '')];
    const gone = lines.with(3, lines[3]!.replace('|AD|', '|DE|'));
    assert.deepEqual(performersOf(adt('20240102030405', ...gone)), [
      ['Rolle', 'RT'],
      ['Assistant', 'AS'],
    ]);
  });

  it('keeps the others where one field says that nobody did it', () => {
    assert.deepEqual(performersOf(all, adt('20240102040405', pr1('', '""', ''))), [
      ['Sleep', 'Anesthesiologist'],
      ['Third', undefined],
    ]);
    assert.deepEqual(performersOf(all, adt('20240102040405', pr1('', '', '""'))), [
      ['Sleep', 'Anesthesiologist'],
      ['Knife', 'Surgeon'],
    ]);
    assert.deepEqual(performersOf(all, adt('20240102040405', pr1('""', '""', '""'))), []);
  });

  it('keeps the others where one field names somebody else', () => {
    assert.deepEqual(performersOf(all, adt('20240102040405', pr1('', '^Blade', ''))), [
      ['Sleep', 'Anesthesiologist'],
      ['Third', undefined],
      ['Blade', 'Surgeon'],
    ]);
  });
});
