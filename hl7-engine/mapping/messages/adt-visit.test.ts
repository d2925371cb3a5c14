// What ADT events make of a visit: Encounter.status, location, period, classHistory and participant. HL7 v2.9 chapter 3.3
import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { head, pid, pv1 } from '../../testing/adt.ts';
import { entriesOf, mapLines, mapMerging, onlyEntry } from '../../testing/mapped.ts';

/** The encounter after each of the messages. */
function visit(...messages: string[][]): { states: Resource[]; places: string[][] } {
  const states: Resource[] = [];
  for (const lines of messages) {
    const { resource, merge } = onlyEntry(mapLines(...lines), 'Encounter');
    // As the store does it: references are to resources, not to entries of one message.
    const incoming = JSON.parse(JSON.stringify(resource).replaceAll(/"urn:uuid:[^"]*"/g, '"Patient/p"')) as Resource;
    for (const one of (incoming.location ?? []) as JsonObject[]) delete (one.location as JsonObject).reference;
    states.push(merge!(states.at(-1), incoming));
  }
  const place = ({ location, status, period }: JsonObject) => {
    const { start = '', end = '' } = (period ?? {}) as Record<string, string>;
    return `${(location as JsonObject).display} ${status} ${start.slice(14, 16)}-${end.slice(14, 16)}`;
  };
  return { states, places: states.map(({ location }) => ((location ?? []) as JsonObject[]).map(place)) };
}

test('admit, transfer, cancelled transfer, discharge, cancelled discharge', () => {
  const { states, places } = visit(
    [...head('A01', 1), pid, pv1('W1')],
    [...head('A02', 10), pid, pv1('W2', { 6: 'W1' })],
    [...head('A12', 15), pid, pv1('W1')],
    [...head('A03', 30), pid, pv1('W1', { 36: '01', 37: 'HOME' })],
    [...head('A08', 31), pid, pv1('W1')],
    [...head('A13', 40), pid, pv1('W1')],
  );
  assert.deepEqual(places, [
    ['W1 active 01-'],
    ['W1 completed 01-10', 'W2 active 10-'],
    ['W1 active 01-'],
    ['W1 completed 01-30'],
    ['W1 completed 01-30'],
    ['W1 active 01-'],
  ]);
  assert.deepEqual(
    states.map(({ status }) => status),
    ['in-progress', 'in-progress', 'in-progress', 'finished', 'finished', 'in-progress'],
  );
  const [, , , discharged, , reopened] = states as [Resource, Resource, Resource, Resource, Resource, Resource];
  assert.deepEqual(discharged.period, { end: '2026-01-31T12:30:00Z' });
  assert.equal((discharged.hospitalization as JsonObject).dischargeDisposition !== undefined, true);
  assert.equal(reopened.period, undefined);
  assert.equal((reopened.hospitalization as JsonObject | undefined)?.dischargeDisposition, undefined);
  assert.deepEqual(
    (reopened.statusHistory as JsonObject[]).map(({ status }) => status),
    ['in-progress', 'finished'],
  );
});

test('a discharge that is told some time after it: the place was left with the visit (PV1-45)', () => {
  const placesAfter = (event: string, end: string) =>
    visit([...head('A01', 1), pid, pv1('W1')], [...head(event, 30), pid, pv1('W1', { 45: end })]).places[1];
  assert.deepEqual(placesAfter('A03', '20260131122000+0000'), ['W1 completed 01-20']);
  assert.deepEqual(placesAfter('A08', '20260131122000+0000'), ['W1 completed 01-20']);
  assert.deepEqual(placesAfter('A03', '20260131'), ['W1 completed 01-30']);
  assert.deepEqual(visit([...head('A08', 30), pid, pv1('W1', { 45: '20260131122000+0000' })]).places, [
    ['W1 completed -20'],
  ]);
});

test('a place that was told after the visit had ended (PV1-45) does not end before it began', () => {
  const end = [...head('A03', 30), pid, pv1('W2', { 45: '20260131122000+0000' })];
  const { places } = visit([...head('A01', 1), pid, pv1('W1')], [...head('A02', 25), pid, pv1('W2')], end);
  assert.deepEqual(places[2], ['W1 completed 01-25', 'W2 completed 25-25']);
  assert.deepEqual(visit([...head('A04', 25), pid, pv1('W2')], end).places[1], ['W2 completed 25-25']);
});

test('a visit that was cancelled or deleted has nobody in a place; a leave of absence moves nobody', () => {
  const placesAfter = (event: string, ward: string) =>
    visit([...head('A01', 1), pid, pv1('W1')], [...head(event, 9), pid, pv1(ward)]).places[1];
  assert.deepEqual(placesAfter('A11', 'W1'), ['W1 completed 01-09']);
  assert.deepEqual(placesAfter('A23', 'W1'), ['W1 completed 01-09']);
  assert.deepEqual(placesAfter('A21', 'W2'), ['W1 active 01-']);
  assert.deepEqual(visit([...head('A21', 9), pid, pv1('W2')]).places, [['W2 active 09-']]);
});

test('statuses by event, and a class that changes', () => {
  const statusAfter = (event: string) =>
    visit([...head('A01'), pid, pv1('W1')], [...head(event, 9), pid, pv1('W1')]).states[1]!.status;
  assert.deepEqual(['A11', 'A27', 'A38', 'A21', 'A22', 'A23', 'A08'].map(statusAfter), [
    'cancelled',
    'cancelled',
    'cancelled',
    'onleave',
    'in-progress',
    'entered-in-error',
    'in-progress',
  ]);
  const planned = visit([...head('A05'), pid, pv1('W1', { 2: 'P' })]);
  assert.deepEqual([planned.states[0]!.status, planned.places[0]], ['planned', ['W1 planned -']]);
  const { states } = visit([...head('A01', 1), pid, pv1('W1')], [...head('A07', 20), pid, pv1('C1', { 2: 'O' })]);
  const [history] = states[1]!.classHistory as JsonObject[];
  assert.deepEqual([(history!.class as JsonObject).code, (states[1]!.class as JsonObject).code], ['IMP', 'AMB']);
  assert.deepEqual(history!.period, { end: '2026-01-31T12:20:00Z' });
});

test('an event is of the visit whose number alone it names', () => {
  const bare = (patientClass = 'I') => pv1('', { 2: patientClass });
  const statuses = (...events: string[]) =>
    visit(...events.map((event, index) => [...head(event, index), pid, bare()])).states.map(({ status }) => status);
  assert.deepEqual(statuses('A01', 'A03', 'A13', 'A11'), ['in-progress', 'finished', 'in-progress', 'cancelled']);
  assert.deepEqual(statuses('A05', 'A38'), ['planned', 'cancelled']);
  assert.deepEqual(statuses('A04', 'A23'), ['in-progress', 'entered-in-error']);
  const { states } = visit([...head('A01'), pid, bare()], [...head('A07', 1), pid, bare('O')]);
  assert.equal((states[1]!.class as JsonObject).code, 'AMB');
});

test('an update of the class alone is of the visit that PV1-19 names; unknown and not applicable are no class', () => {
  const account = 'PID|1||777^^^HOSP&1.2.3&ISO^MR|||||||||||||||888^^^HOSP';
  const bare = (patientClass: string) => pv1('', { 2: patientClass });
  const classAfter = (event: string, patientClass: string) => {
    const more = patientClass === 'O' ? {} : { 10: 'MED' };
    const { states } = visit(
      [...head('A01', 1), pid, pv1('W1')],
      [...head(event, 9), pid, pv1('', { 2: patientClass, ...more })],
    );
    return (states[1]!.class as JsonObject).code;
  };
  assert.deepEqual([classAfter('A08', 'O'), classAfter('A31', 'O')], ['AMB', 'AMB']);
  assert.deepEqual([classAfter('A08', 'U'), classAfter('A31', 'N')], ['IMP', 'IMP']);
  assert.deepEqual(entriesOf(mapLines(...head('A31'), 'PID|1||777^^^HOSP^MR', bare('N')), 'Encounter'), []);
  assert.deepEqual(mapLines(...head('A31'), account, 'PV1|1|N').warnings, []);
  const unknown = mapLines(...head('A31'), account, 'PV1|1|O');
  assert.deepEqual(entriesOf(unknown, 'Encounter'), []);
  assert.deepEqual(unknown.warnings, [
    'PV1-2: no visit number (PV1-19) to know the visit by that the class is of; left out',
  ]);
  assert.equal(entriesOf(mapLines(...head('A08'), account, 'PV1|1|O'), 'Encounter').length, 1);
});

test('fields of the visit that are deleted: people by what they are, one value at a time', () => {
  const { states } = visit(
    [...head('A01', 1), pid, pv1('W1', { 7: '^Att', 8: '^Ref', 9: '^Con1~^Con2', 10: 'MED', 14: '1', 36: '01' })],
    [...head('A08', 2), pid, pv1('', { 7: '""', 9: '""~""', 10: '""', 36: '""' })],
    [...head('A08', 3), pid, pv1('', { 8: '""', 9: '^Con3' })],
    [...head('A08', 4), pid, pv1('', { 9: '""' })],
  );
  const people = states.map(({ participant }) =>
    (participant as JsonObject[] | undefined)?.map(({ individual }) => (individual as JsonObject).display),
  );
  assert.deepEqual(people, [['Att', 'Ref', 'Con1', 'Con2'], ['Ref'], ['Con3'], undefined]);
  assert.equal(states[1]!.serviceType, undefined);
  assert.deepEqual(Object.keys(states[1]!.hospitalization as JsonObject), ['admitSource']);
});

test('A54 ends the attending doctor, A55 takes it back', () => {
  const doctor = (number: string) => ({ 7: `^Doc${number}` });
  const { states } = visit(
    [...head('A01', 1), pid, pv1('W1', doctor('1'))],
    [...head('A54', 10), pid, pv1('W1', doctor('2'))],
    [...head('A55', 12), pid, pv1('W1', doctor('1'))],
  );
  const people = states.map(({ participant }) =>
    (participant as JsonObject[]).map(({ individual, period }) => [(individual as JsonObject).display, period]),
  );
  const changed = '2026-01-31T12:10:00Z';
  assert.deepEqual(people[0], [['Doc1', undefined]]);
  assert.deepEqual(people[1], [
    ['Doc1', { end: changed }],
    ['Doc2', { start: changed }],
  ]);
  assert.deepEqual(
    people[2]!.map(([name]) => name),
    ['Doc1'],
  );
  // Who was the attending doctor before stays told, also by messages that only repeat the present one.
  const repeated = visit(
    [...head('A01', 1), pid, pv1('W1', doctor('1'))],
    [...head('A54', 10), pid, pv1('W1', doctor('2'))],
    [...head('A08', 20), pid, pv1('W1', doctor('2'))],
  ).states;
  assert.deepEqual(repeated[2]!.participant, repeated[1]!.participant);
});

test('an attending doctor who was told late (EVN-6 of the next) does not end before having begun', () => {
  const [msh, evn] = head('A54', 15);
  const { states } = visit(
    [...head('A01', 1), pid, pv1('W1', { 7: '^Doc0' })],
    [...head('A54', 10), pid, pv1('W1', { 7: '^Doc1' })],
    [msh!, `${evn}||||20260131120500`, pid, pv1('W1', { 7: '^Doc2' })],
  );
  const [, first, second] = states[2]!.participant as JsonObject[];
  assert.deepEqual(first!.period, { start: '2026-01-31T12:10:00Z', end: '2026-01-31T12:10:00Z' });
  assert.deepEqual(second!.period, { start: '2026-01-31T12:05:00Z' });
});

test('a cancelled pre-admission has no planned place, also where the cancellation comes first', () => {
  const planned = [...head('A05', 1), pid, pv1('W1', { 2: 'P' })];
  const cancelled = [...head('A38', 9), pid, pv1('W1', { 2: 'P' })];
  assert.deepEqual(visit(planned, cancelled).places, [['W1 planned -'], []]);
  assert.deepEqual(visit(cancelled).places, [[]]);
});

test('a cancelled transfer leaves what was before it, a new plan takes the place of the former', () => {
  const { places } = visit(
    [...head('A01', 1), pid, pv1('W1')],
    [...head('A02', 10), pid, pv1('W2')],
    [...head('A02', 20), pid, pv1('W3')],
    [...head('A12', 25), pid, pv1('W2')],
  );
  assert.deepEqual(places[3], ['W1 completed 01-10', 'W2 active 10-']);
  const plan = (minute: number, place: string) => [...head('A05', minute), pid, pv1(place, { 2: 'P' })];
  assert.deepEqual(visit(plan(1, 'W1'), plan(9, 'W2')).places[1], ['W2 planned -']);
});

test('a place that is deleted (PV1-3, PV1-11, PV1-42) is left, or not to be gone to', () => {
  const { places } = visit(
    [...head('A01', 1), pid, pv1('W1', { 11: 'XRAY', 42: 'W2' })],
    [...head('A08', 5), pid, pv1('W1', { 11: '""', 42: '""' })],
    [...head('A08', 9), pid, pv1('""')],
  );
  assert.deepEqual(places, [
    ['W1 active 01-', 'XRAY active -', 'W2 reserved -'],
    ['W1 active 01-', 'XRAY completed -05'],
    ['W1 completed 01-09', 'XRAY completed -05'],
  ]);
});

test('the days of a stay (PV2-11) are a duration; what is no number of days is left out and told', () => {
  const stay = (days: string) => {
    const mapped = mapLines(...head('A03'), pid, pv1('W1'), `PV2|||||||||||${days}`);
    return [JSON.stringify(onlyEntry(mapped, 'Encounter').resource.length), ...mapped.warnings];
  };
  const duration = (value: string) =>
    `{"value":${value},"unit":"days","system":"http://unitsofmeasure.org","code":"d"}`;
  assert.deepEqual(stay('2.50'), [duration('2.50')]);
  assert.deepEqual(stay('0'), [duration('0')]);
  for (const days of ['-1', 'two', '3d']) {
    assert.deepEqual(stay(days), [undefined, 'PV2-11: no number of days']);
  }
});

test('an admission that comes after the transfer or the discharge says when the visit began, and no more', () => {
  const late = [...head('A01', 1), pid, pv1('W1', { 44: '20260131110000' })];
  const { states, places } = visit([...head('A02', 9), pid, pv1('W2')], late);
  assert.deepEqual(states[1]!.period, { start: '2026-01-31T11:00:00Z' });
  assert.deepEqual(places[1], places[0]);
  const after = visit([...head('A03', 9), pid, pv1('W2', { 45: '20260131100000' })], late);
  assert.deepEqual(after.states[1]!.period, { end: '2026-01-31T10:00:00Z' });
});

test('of an accident (ACC) the visit has what it was; what else it says, and one without a visit, is told to have no place', () => {
  const warnings = (...lines: string[]) => mapLines(...head('A08'), pid, ...lines).warnings;
  assert.deepEqual(warnings(pv1('W1'), 'ACC||SP^Sport^L'), []);
  assert.deepEqual(warnings(pv1('W1'), 'ACC|""|SP^Sport^L||""|Y'), []);
  assert.deepEqual(
    warnings(pv1('W1'), 'ACC|20260227|SP^Sport^L|Field 2|CA|||||||1 Main St'),
    [1, 3, 4, 11].map((field) => `ACC-${field}: when and where an accident happened has no place but in a claim`),
  );
  assert.deepEqual(warnings('ACC||SP^Sport^L'), [
    'ACC-2: an accident has no place without a visit that it is a reason of',
  ]);
});

test('a group of a visit (DRG) is told to have no place; what the visit was before (MRG-3) is read by A06 and A07 alone', () => {
  const warnings = (event: string, ...lines: string[]) => mapLines(...head(event), pid, ...lines).warnings;
  const drg = 'DRG|065^Stroke^MSDRG';
  assert.deepEqual(warnings('A03', pv1('W1'), 'DG1|1||I63^Stroke^I10', drg), [
    'DRG-1: a group has no place but in a claim',
  ]);
  assert.deepEqual(warnings('A03', pv1('W1'), 'DRG|'), []);
  const mrg = 'MRG|||OLD';
  assert.deepEqual(warnings('A06', mrg, pv1('W1')), []);
  assert.ok(warnings('A08', mrg, pv1('W1')).includes('MRG: segment not mapped'));
});

test('an end before the beginning, of one message or of two, is left out', () => {
  const [begun, over] = [{ 44: '20260131120000' }, { 45: '20260131110000' }];
  const start = '2026-01-31T12:00:00Z';
  const periodAfter = (...messages: string[][]): unknown => visit(...messages).states.at(-1)!.period;
  assert.deepEqual(periodAfter([...head('A03', 1), pid, pv1('W1', { ...begun, ...over })]), { start });
  const admitted = [...head('A01', 1), pid, pv1('W1', begun)];
  assert.deepEqual(periodAfter(admitted, [...head('A03', 5), pid, pv1('W1', over)]), { start });
  const end = '2026-01-31T12:05:00Z';
  assert.deepEqual(periodAfter(admitted, [...head('A03', 5), pid, pv1('W1')]), { start, end });
});

test('a discharge that was none (A13) has no end, whatever PV1-36, PV1-37 and PV1-45 still say', () => {
  const of = { 36: '01', 37: 'HOME', 45: '20260131123000' };
  const a03 = [...head('A03', 30), pid, pv1('W1', of)];
  const a13 = [...head('A13', 40), pid, pv1('W1', of)];
  for (const order of [
    [a03, a13],
    [a13, a03],
  ]) {
    const { states, places } = visit([...head('A01', 1), pid, pv1('W1')], ...order);
    const { status, period, hospitalization } = states.at(-1)!;
    assert.deepEqual([status, period, hospitalization], ['in-progress', undefined, undefined]);
    assert.match(places.at(-1)!.join(), /^W1 active/);
  }
});

test('an episode of care (PV1-54) is found among those of the patient', () => {
  const mapped = mapLines(...head('A01'), pid, pv1('W1', { 54: '7^^^HOSP' }));
  const [known, episode] = [onlyEntry(mapped, 'Patient'), onlyEntry(mapped, 'EpisodeOfCare')];
  known.choose!([{ ...known.resource, id: 'a' }]);
  const of = (id: string): Resource => ({
    ...episode.resource,
    id: `e-${id}`,
    patient: { reference: `Patient/${id}` },
  });
  assert.equal(episode.choose!([of('b'), of('a')]).match?.id, 'e-a');
  assert.deepEqual(episode.choose!([of('b')]), { match: undefined });
  // Of the others there may be thousands, and the store looks at a few matches.
  assert.match(
    decodeURIComponent(episode.ifNoneExist!),
    /^identifier=[^&]*\|7&patient:Patient\.identifier=[^&]*\|777$/,
  );
});

test('where references stay with who was merged, so does the episode that the survivor’s messages name', () => {
  const mapped = mapMerging({ references: 'keep' }, ...head('A01'), pid, pv1('W1', { 54: '7^^^HOSP' }));
  const [known, episode] = [onlyEntry(mapped, 'Patient'), onlyEntry(mapped, 'EpisodeOfCare')];
  const asked = mapped.lookUps!.find(({ url }) => url.startsWith('EpisodeOfCare?'))!;
  assert.match(decodeURIComponent(asked.url), /\|7&patient:Patient\.link:Patient\.identifier=[^&]*\|777$/);
  const link = [{ other: { reference: 'Patient/old' }, type: 'replaces' }];
  known.choose!([{ ...known.resource, id: 'a', link }]);
  asked.choose!([{ ...episode.resource, id: 'e', patient: { reference: 'Patient/old' } }]);
  // Those that match by the survivor's own number come first.
  const own: Resource = { ...episode.resource, id: 'own', patient: { reference: 'Patient/a' } };
  assert.equal(episode.choose!([own]).match, own);
  assert.deepEqual(episode.choose!([]), { follow: 'EpisodeOfCare/e' });
});

test('two patients of one message (A17) whose episodes have one number have an episode each', () => {
  const other = 'PID|2||999^^^HOSP&1.2.3&ISO^MR||Test^Bea';
  const of = (visit: string) => pv1('W1', { 19: `${visit}^^^HOSP`, 54: '7^^^HOSP' });
  const mapped = mapLines(...head('A17'), pid, of('V1'), other, of('V2'));
  const episodes = entriesOf(mapped, 'EpisodeOfCare');
  assert.deepEqual(
    entriesOf(mapped, 'Encounter').map(({ resource }) => resource.episodeOfCare),
    episodes.map(({ fullUrl }) => [{ reference: fullUrl }]),
  );
  assert.equal(new Set(episodes.map(({ resource }) => (resource.patient as JsonObject).reference)).size, 2);
});
