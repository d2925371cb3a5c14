// Queries and changes in GraphQL, right and wrong: https://hl7.org/fhir/R4/graphql.html
import type { Chance } from './chance.ts';
import { makeSpoilt, type Tree } from './resources.ts';

export const QUERIES: readonly string[] = [
  'query Q($id: ID!, $all: Boolean = true) { Patient(id: $id) { id ...N @include(if: $all) name @skip(if: $all) { text } } } fragment N on Patient { name { family given } }',
  'query A { PatientList(name: "test", _count: 3, _sort: "-_id") { id n: name(use: official, _count: 1, _offset: 0) { family } } } query B { PatientList { id } }',
  '{ Patient(id: "f1") { name(fhirpath: "family.exists() and given.count() > 1") { family } e: extension(url: "urn:x") { valueString } } }',
  '{ Patient(id: "f1") { identifier @flatten { system @singleton value } telecom @slice(path: "use") { value } name @flatten @first { given @first } } }',
  '{ Patient(id: "f1") { ObservationList(_reference: subject, code: "8867-4") { id valueQuantity { value unit } component @slice(path: "$index") { code { text } } } } }',
  '{ ObservationList(_count: 2) { subject { reference resource(optional: true, type: Patient) { ... on Patient { name { family } managingOrganization { resource { __typename } } } } } } }',
  '{ PatientConnection(_count: 2, gender: male) { count first offset pagesize previous next edges { mode score resource { id } } } }',
  '{ PatientConnection(_count: 1) { count next edges { mode resource { resourceType id } } } }',
  '{ __schema { queryType { name } types { name } directives { name args { name } } } __type(name: "Patient") { fields { name type { kind name ofType { name } } } } }',
  'mutation M($res: PatientInput!) { PatientCreate(res: $res) { id meta { versionId } } }',
  'mutation { PatientUpdate(id: "f3", res: { active: true, name: [{ family: "x", given: ["a"] }] }) { id } ObservationDelete(id: "f4") { id } }',
  '{ PatientList(_id: ["f1", "f2"], _filter: "name eq test", birthdate: ["gt1960", "lt2020"]) { contained { ... on Organization { name } } birthDate _birthDate { extension { url } } } }',
  '{ a: Patient(id: f1) { ...F } b: Patient(id: "nope") { id } } fragment F on Patient { link { other { resource { ... on Patient { id } } } } }',
  '{ EncounterList { period { start } class { code } subject { resource { __typename ... on DomainResource { id } } } } }',
];
const TOKENS = (
  '{ } ( ) [ ] : ! $ @ ... on fragment query mutation subscription null true 1 -1 1e999 99999999999999999999 "x" "\\u0000" "\\ud800" """b""" & | = ' +
  '@skip @include(if:true) @first @flatten @singleton @slice(path:"$index") @slice(path:"x.y") @deprecated __typename __schema __proto__ constructor id ' +
  'name Patient PatientList PatientConnection resource fhirpath:"(" fhirpath:"descendants()" fhirpath:"%resource" fhirpath:"repeat($this)" ' +
  'fhirpath:"name.where(" _count:0 _count:-1 _offset:1000000000000 _sort:"x" _cursor:"e30" _reference:subject _filter:"(" # $id $res $none {a:{b:[{c:1}]}}'
).split(' ');
const FIELDS =
  'id active name family given use gender birthDate _birthDate identifier value system meta text div contained extension url valueString link telecom period start code coding'.split(
    ' ',
  );
/** What may stand where a text stands: FHIRPath, dates, codes, filters. */
const TEXTS = [
  ...[
    'given',
    "family.matches('^(a+)+$')",
    'repeat(given)',
    'descendants().count()',
    '$this.nothing.x',
    'iif(',
    'name eq "x"',
    "given.select($this & 'x')",
  ],
  ...[
    'resolve().name',
    "extension('u').value",
    'today() > @2020',
    '1 / 0',
    '%resource.id',
    "family.replaceMatches('(.)', '$1$1')",
    "trace('x')",
  ],
  ...[
    'f1',
    'gt1960',
    '2020',
    'urn:x|y',
    '',
    'a\\u0000',
    '|',
    '*',
    '-_id',
    '1e400',
    'name ne test and (gender eq male or not (active eq true))',
    '$index',
    'use',
  ],
];
const DEEP = [
  `{ Patient(id: "f1") ${'{ link { other { resource '.repeat(40)}{ id }${' } } }'.repeat(40)} }`,
  `{ ${Array.from({ length: 300 }, (_, i) => `a${i}: PatientList(_count: 1) { id }`).join(' ')} }`,
  `{ Patient(id: "f1") { name(fhirpath: "${'('.repeat(3000)}1${')'.repeat(3000)}") { use } } }`,
  `{ PatientList(name: ${'['.repeat(3000)}${']'.repeat(3000)}) { id } }`,
];

/** A document, with up to three of its tokens taken out, doubled or put in. */
function makeDocument(chance: Chance): string {
  const { one, below } = chance;
  if (chance.once(40)) return one(DEEP);
  let text = one(QUERIES);
  for (const _ of chance.some(2, () => 0)) {
    const parts = text.split(/(\s+|[{}()[\]:!,@"]|\.\.\.)/);
    const at = below(parts.length);
    text = one([
      () => text.replace(one([/"[^"]*"/, /(?<=\(.*)"[^"]*"/s]), () => `"${one(TEXTS)}"`),
      () => text.replace(/(?<=fhirpath: )"[^"]*"/, () => `"${one(TEXTS)}"`),
      () =>
        text.replaceAll(/@\w+(\([^)]*\))?/g, (found) =>
          chance.once(2) ? found : one(TOKENS.filter((token) => token.startsWith('@'))),
        ),
      () => text.replace(/(?<=[{ ])[a-z]\w+(?= [{}])/, () => one(FIELDS)),
      () => text.replace(/(?<=_\w+: )\d+/, () => one(['0', '-1', '2147483648', '1.5', '"2"', 'null', '[1]'])),
      () => parts.with(at, one(TOKENS)).join(''),
      () => parts.toSpliced(at, 0, ` ${one(TOKENS)} `).join(''),
      () => parts.toSpliced(at, 1 + below(3)).join(''),
      () => parts.with(at, one(parts)).join(''),
      () => text.slice(0, below(text.length + 1)),
    ])();
  }
  return text;
}

export function makeGraphql(chance: Chance): { path: string; query: string; body: Tree } {
  const { one } = chance;
  const query = makeDocument(chance);
  const res = one<() => unknown>([
    () => makeSpoilt(chance),
    () => ({ active: true, _birthDate: { id: 'b' } }),
    () => null,
    () => 'x',
  ])();
  const variables = one<unknown>([
    { id: 'f1', all: false, res },
    { id: 'f1', res },
    { id: 'f1' },
    { id: 5, all: 'x', res },
    { id: 'f1', all: null, res: { active: true } },
    { id: 'f1' },
    { id: ['f1'] },
    chance.once(2) ? [] : null,
    chance.once(2) ? 'x' : {},
  ]);
  const known = /\b(?:query|mutation) (\w+)/.exec(query)?.[1] ?? null;
  const operationName = one<unknown>([known, known, known, known, known, 'B', '', chance.once(2) ? '__proto__' : 5]);
  const body = { query, ...(chance.once(3) ? {} : { variables }), ...(chance.once(3) ? { operationName } : {}) };
  return {
    path: one([
      '$graphql',
      '$graphql',
      '$graphql',
      '$graphql',
      '$graphql',
      'Patient/$graphql',
      'Patient/f1/$graphql',
      'Observation/f1/$graphql',
    ]),
    query,
    body,
  };
}
