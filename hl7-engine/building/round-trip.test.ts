// Real messages as resources, as messages again, and as resources again.
import assert from 'node:assert/strict';
import test from 'node:test';
import { groupSegments } from '../mapping/structure/grouper.ts';
import { structures } from '../mapping/structure/structures.ts';
import { Refusal } from '../message/refusal.ts';
import { type CorpusMessage, corpusMessages, corpusMissing } from '../testing/corpus.ts';
import { type RoundTrip, roundTrips } from '../testing/round-trip.ts';
import { loadStandardValidator } from '../validation/standard.ts';
import { versions } from './build.ts';

/** What a message cannot say back, or says otherwise: where → why. */
const otherwise: readonly [where: RegExp, why: string][] = [
  [/^Patient\.identifier\[\]\.assigner/, 'the authority is either its name or its address'],
  [/^(?:Observation|Specimen)\.performer\[\]\.extension -/, 'the function of a performer has no field'],
  [/^Observation\.category|^ServiceRequest\.supportingInfo -/, 'OBX-29 came after the dictionary'],
  [/^Patient\.contact\[\]\.relationship/, "NK1-3 takes one concept, by the table's code"],
  [/^(?:ServiceRequest|Condition)\.code\.text -|^Specimen\.type\.text -/, "words that are a coding's display too"],
  [/^ServiceRequest\.extension\[\] -/, 'a second callback number'],
  [/^(?:PractitionerRole -|ServiceRequest\.requester\.reference)/, 'orders of one doctor for several facilities'],
  [/^DiagnosticReport\.identifier \+/, 'a report without a number is sent under its id'],
  [/^Patient\.identifier\[\]\.type \+/, 'CX.5 is required since 2.7: U, unspecified'],
  [/^Observation\.derivedFrom -/, 'OBR-26 names a result of another order'],
  [/^Organization\.telecom -/, 'only ORC-23 has one'],
  [/^Observation\.performer\[\]\.display/, 'one number, two names'],
  [/^Observation\.interpretation\[\]\.coding/, "the table's code stands for both codings"],
  [/^DiagnosticReport\.category\[\]\.coding/, "the table's code stands for both codings"],
  [/^(?:Encounter\.episodeOfCare|EpisodeOfCare)/, 'PV1-54 is not written'],
  [/^Encounter\.participant\[\]/, 'PV2-13 comes back as PV1-8'],
  [/^Encounter\.identifier\[\]\.period/, 'CX has dates without times'],
  [/^(?:Account\.guarantor|RelatedPerson)/, 'GT1 is not written'],
  [/^Patient\.name\[\]\.suffix/, 'the third suffix stands with the second'],
  [/^Patient\.maritalStatus\.coding/, 'CWE.3 names the table, whose code then stands beside'],
  [/^Patient\.telecom\[\]\.use \+/, 'PID-13 means home'],
  [/^Patient\.generalPractitioner\[\]|^Practitioner\.(?:name|qualification|identifier)/, 'PD1-4 was withdrawn'],
  [/^Patient\.extension/, 'PID-28 was withdrawn'],
  // Two results of one code: which is which, their places tell.
  [/^Observation\.(?:code|value)|^DiagnosticReport\.result/, 'told apart by OBX-4 only'],
];

/** CX.5 is required since 2.7: an identifier without a type is one of type U. */
const unspecified = 'Patient.identifier[].type +';

/** In these every field holds something: where one has no place, the lists move. They are looked at for their structure. */
const isFilled = ({ name }: CorpusMessage): boolean => name.startsWith('microsoft/');

async function tripsOf({ raw }: CorpusMessage, version: string): Promise<RoundTrip[]> {
  try {
    return await roundTrips(raw, version);
  } catch (error) {
    if (error instanceof Refusal) return [];
    throw error;
  }
}

/** Lengths and codes of tables are the sender's; all else of the standard has to hold. */
const kept = new Set(['structure', 'usage', 'cardinality', 'type']);

/** A report of no code, which its sender left out. */
const missing = /^OBR-4 /;

async function standardFaults({ built }: RoundTrip): Promise<string[]> {
  const findings = (await loadStandardValidator()).check(built);
  return findings
    .filter(({ severity, rule }) => severity === 'error' && kept.has(rule))
    .map(({ location, text }) => `${location.segment}-${location.field ?? ''} ${text}`)
    .filter((fault) => !missing.test(fault));
}

/** What the grouper of the message's structure says of it. */
function structureFaults({ built }: RoundTrip): string[] {
  const name =
    built.get('MSH-9.3') ??
    (built.get('MSH-9.1') === 'ADT' ? 'ADT_A01' : `${built.get('MSH-9.1')}_${built.get('MSH-9.2')}`);
  const structure = structures.get(name);
  if (structure === undefined) return [`no structure ${name}`];
  const { unexpected, warnings } = groupSegments(structure, built.segments);
  return [...unexpected.map((segment) => `${name}: unexpected ${segment.name}`), ...warnings];
}

test('messages of the corpus come back with what both can say', { skip: corpusMissing }, async () => {
  const faults: string[] = [];
  let [trips, same] = [0, 0];
  for (const message of corpusMessages()) {
    for (const trip of await tripsOf(message, '2.8')) {
      faults.push(...structureFaults(trip).map((fault) => `${message.name}: ${fault}`));
      if (isFilled(message)) continue;
      trips++;
      if ([...trip.differences.keys()].every((where) => where === unspecified)) same++;
      for (const [where, example] of trip.differences) {
        if (!otherwise.some(([form]) => form.test(where))) faults.push(`${message.name}: ${where} ${example}`);
      }
    }
  }
  assert.deepEqual(faults, []);
  assert.ok(trips >= 140 && same >= 100, `${same} of ${trips} are the same`);
});

test('messages of the corpus keep the standard', { skip: corpusMissing }, async () => {
  const faults: string[] = [];
  for (const message of corpusMessages()) {
    for (const trip of await tripsOf(message, '2.5.1')) {
      faults.push(...(await standardFaults(trip)).map((fault) => `${message.name}: ${fault}`));
    }
  }
  assert.deepEqual(faults, []);
});

const chosen = /ORU-R01-01|OML-O21-01|ORM-O01-01|SIU-S12-01|VXU-V04-01|ADT-A0[148]-01/;

for (const version of versions) {
  test(`messages in ${version} have only what it has`, { skip: corpusMissing }, async () => {
    const faults: string[] = [];
    let count = 0;
    for (const message of corpusMessages().filter(({ name }) => chosen.test(name))) {
      for (const trip of await tripsOf(message, version)) {
        count++;
        assert.equal(trip.built.get('MSH-12'), version);
        faults.push(...structureFaults(trip).map((fault) => `${message.name}: ${fault}`));
        const found = await standardFaults(trip);
        faults.push(...found.map((fault) => `${message.name}: ${fault}`));
      }
    }
    assert.ok(count >= 8, `${count} messages`);
    assert.deepEqual(faults, []);
  });
}
