// SQL against memory: random searches over random resources find what fhir-model's matches() says, each way they can be
// run. https://hl7.org/fhir/R4/search.html
import { rawJson } from '#fhir-model';
import { random, testDatabase } from '#platform/testing';
import { clean, differential, drawing } from './differential-testing.ts';

const draw = drawing(random(20_260_101));
const { next, one, some, maybe } = draw;

const systems = ['http://a', 'http://b', 'http://a|b'];
const codes = ['x', 'y', 'z', 'X', 'a,b', 'b|x'];
const words = [
  'Smith',
  'smith',
  'SMITHSON',
  "O'Neil",
  'Oneil',
  'Müller',
  'mull',
  '100%',
  '100_',
  '😀'.repeat(60),
  `long ${'word '.repeat(40)}`,
  'Ærø',
  'san  juan',
  'van der Berg',
  'Carreño-Smith',
  'Ng, Mull-Smithson',
];
const uris = [
  'http://e.org/a',
  'http://e.org/a/b',
  'http://e.org/a/b/c',
  'http://e.org/ab',
  'urn:oid:1.2.3',
  'http://e.org/a/',
];
const days = [
  '2019',
  '2020',
  '2020-02',
  '2020-02-29',
  '2020-03-01',
  '2020-03-01T10:00:00Z',
  '2020-03-01T10:00:00.500+01:00',
  '2021-12-31',
];
const numbers = ['0', '1', '1.0', '1.50', '-2', '100', '99.5', '1e2', '0.001'];
const units = [
  { unit: 'mg' },
  { unit: 'mg', system: 'http://u', code: 'mg' },
  { system: 'http://u', code: 'g' },
  { unit: 'gram', system: 'http://u', code: 'g' },
  {},
];
const targets = [
  'Patient/p1',
  'Patient/p2',
  'Group/p1',
  'Patient/none',
  'http://else.org/Patient/p1',
  'http://test.example/fhir/R4/Patient/p2',
  'urn:uuid:3b5a2f5e-0000-4000-8000-000000000001',
];

const coding = () => {
  const system = maybe(() => one(systems));
  return { ...(system === undefined ? {} : { system }), code: one(codes) };
};
const concept = () => {
  const list = some(coding, 3);
  return list.length > 0 ? { coding: list } : { text: one(words) };
};
const identifier = () => {
  const system = maybe(() => one(systems));
  return { ...(system === undefined ? {} : { system }), value: one(codes) };
};
const period = () => {
  const [start, end] = [one(days), one(days)].sort();
  return [{ start: start! }, { end: end! }, { start: start!, end: end! }][next(3)]!;
};
const quantity = () => ({
  value: rawJson(one(numbers)),
  ...one(units),
  ...(next(5) === 0 ? { comparator: one(['<', '<=', '>', '>=']) } : {}),
});
const name = () => ({ family: one(words), given: some(() => one(words), 2), text: one(words) });

const makers: Record<string, () => object> = {
  Patient: () => ({
    identifier: some(identifier, 2),
    active: maybe(() => next(2) === 0),
    name: some(name, 2).map((each) => clean(each)),
    gender: maybe(() => one(['male', 'female'])),
    birthDate: maybe(() => one(days.filter((day) => day.length <= 10))),
    telecom: some(() => ({ system: one(['phone', 'email']), value: one(codes) }), 2),
    generalPractitioner: some(() => ({ reference: one(['Practitioner/d1', 'Organization/p1']) }), 2),
  }),
  Observation: () => ({
    status: one(['final', 'amended']),
    code: concept(),
    category: some(concept, 2),
    subject: maybe(() => ({ reference: one(targets) })),
    focus: some(() => ({ reference: one(targets) }), 2),
    performer: some(() => ({ reference: one(['Practitioner/d1', 'Patient/p1']) }), 2),
    ...one([
      { effectiveDateTime: one(days) },
      { effectivePeriod: period() },
      { effectiveTiming: { event: [one(days), one(days)] } },
      {},
    ]),
    ...one([{ valueQuantity: quantity() }, { valueCodeableConcept: concept() }, { valueString: one(words) }, {}]),
    component: some(() => ({ code: concept(), valueQuantity: quantity() }), 2),
  }),
  Encounter: () => ({
    status: one(['finished', 'planned']),
    class: coding(),
    identifier: some(identifier, 1),
    subject: maybe(() => ({ reference: one(targets) })),
    period: maybe(period),
  }),
  ValueSet: () => ({
    status: 'draft',
    url: maybe(() => one(uris)),
    name: maybe(() => one(words)),
    date: maybe(() => one(days)),
    version: maybe(() => one(codes)),
  }),
  RiskAssessment: () => ({
    status: 'final',
    subject: { reference: one(targets) },
    prediction: some(() => ({ probabilityDecimal: rawJson(one(numbers.filter((n) => n !== '-2'))) }), 3),
  }),
  CarePlan: () => ({
    status: 'active',
    intent: 'plan',
    subject: { reference: one(targets) },
    activity: some(() => ({ detail: { status: 'scheduled', scheduledPeriod: period() } }), 3),
    instantiatesCanonical: some(() => `${one(uris)}${one(['', '|1'])}`, 2),
  }),
};

const escaped = (text: string): string => text.replace(/[\\,|$]/g, '\\$&');
const prefixed = (values: readonly string[]): string =>
  one(['', '', 'eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'ap']) + one(values);
const tokenText = (): string =>
  one([
    escaped(one(codes)),
    `${escaped(one(systems))}|${escaped(one(codes))}`,
    `|${escaped(one(codes))}`,
    `${escaped(one(systems))}|`,
  ]);
const word = (): string => {
  const [text, from] = [one(words), next(3)];
  return escaped([...text].slice(from, from + 1 + next(130)).join(''));
};
/** The beginning of any word of a text, or of several from there on. */
const laterWord = (): string => {
  const parts = one(words).split(/(?<=[ -])/);
  const text = [...parts.slice(next(parts.length)).join('')];
  return escaped(text.slice(0, 1 + next(text.length)).join(''));
};
const alternatives = (make: () => string): string => [make(), ...some(make, 2)].join(',');
const byToken = (names: string[]) => () => `${one(names)}${one(['', '', ':not'])}=${alternatives(tokenText)}`;
const byDate = (names: string[]) => () => `${one(names)}=${alternatives(() => prefixed(days))}`;
const byString = (names: string[]) => () => `${one(names)}${one(['', ':exact', ':contains'])}=${alternatives(word)}`;
const byReference = (names: string[]) => () =>
  `${one(names)}${one(['', '', ':Patient'])}=${alternatives(() => one([...targets.filter((target) => !target.startsWith('Group')), 'p1', 'p2', 'none']))}`;
const byQuantity = (names: string[]) => () =>
  `${one(names)}=${alternatives(() => prefixed(numbers) + one(['', '', '||mg', '|http://u|g', '||g', '||gram']))}`;
const byMissing = (names: string[]) => () => `${one(names)}:missing=${one(['true', 'false'])}`;
const common = [
  () => `_id${one(['', ':not'])}=${alternatives(() => `r${next(120)}`)}`,
  () => `_lastUpdated=${prefixed(['2023', '2023-11-14', '2024', '2023-11-14T22:13:20Z'])}`,
];

const askers: Record<string, (() => string)[]> = {
  Patient: [
    byToken(['identifier', 'gender']),
    // They have no system.
    () =>
      `${one(['active', 'phone', 'telecom'])}${one(['', '', ':not'])}=${alternatives(() => one(['', '|']) + escaped(one(codes)))}`,
    byString(['name', 'family', 'given', 'phonetic']),
    () => `${one(['name', 'family', 'phonetic'])}${one(['', '', ':exact', ':contains'])}=${alternatives(laterWord)}`,
    byDate(['birthdate']),
    byMissing(['birthdate', 'identifier', 'name', 'general-practitioner', 'gender']),
    () => `general-practitioner=${one(['d1', 'Practitioner/d1', 'Organization/p1', 'p1'])}`,
    () =>
      `gender=${one(['male', 'http://hl7.org/fhir/administrative-gender|female', '|male', 'http://else|male', 'http://hl7.org/fhir/administrative-gender|'])}`,
  ],
  Observation: [
    byToken(['code', 'category', 'combo-code', 'status', 'value-concept', 'component-code']),
    byDate(['date']),
    () => `date=ge${one(days)}&date=lt${one(days)}`,
    byReference(['subject', 'patient', 'focus']),
    byQuantity(['value-quantity', 'combo-value-quantity', 'component-value-quantity']),
    byString(['value-string']),
    byMissing(['date', 'subject', 'patient', 'value-quantity', 'combo-value-quantity', 'code', 'combo-code', 'focus']),
  ],
  Encounter: [
    byToken(['class', 'status', 'identifier']),
    byDate(['date']),
    byReference(['subject', 'patient']),
    byMissing(['date', 'patient']),
  ],
  ValueSet: [
    () =>
      `url${one(['', ':below', ':above'])}=${alternatives(() => one(uris.filter((uri) => !uri.startsWith('urn'))))}`,
    byString(['name']),
    byDate(['date']),
    byToken(['version']),
    byMissing(['url', 'name']),
  ],
  RiskAssessment: [
    () => `probability=${alternatives(() => prefixed(numbers))}`,
    byReference(['subject', 'patient']),
    byMissing(['probability']),
  ],
  CarePlan: [
    byDate(['activity-date', 'date']),
    () => `activity-date=gt${one(days)}&activity-date=lt${one(days)}`,
    byReference(['patient', 'subject']),
    () => `instantiates-canonical=${one(uris)}${one(['', '|1', '|2'])}`,
  ],
};
const sorts: Record<string, string[]> = {
  Patient: ['name', 'birthdate', '_id', '_lastUpdated', 'family'],
  Observation: ['date', 'value-quantity', 'combo-value-quantity', 'value-string'],
  Encounter: ['date', '_id'],
  ValueSet: ['url', 'name', 'date'],
  RiskAssessment: ['probability'],
  CarePlan: ['activity-date', '_lastUpdated'],
};

differential({
  database: testDatabase,
  makers,
  askers: (type) => [...askers[type]!, ...common],
  sorts,
  draw,
  searches: 600,
  tellingMin: 300,
});
