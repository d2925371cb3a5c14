// A tiny SNOMED CT release in the real file formats: metadata identifiers as the release file specification has them, all
// concepts of its own invention.
import { type Files, tsv } from './rig.ts';

export const CORE = '900000000000207008';
const INFERRED = '900000000000011006';
const STATED = '900000000000010007';
const IS_A = '116680003';
const FSN = '900000000000003001';
const SYNONYM = '900000000000013009';
const PREFERRED = '900000000000548007';
const ACCEPTABLE = '900000000000549004';
export const US = '900000000000509007';
export const GB = '900000000000508004';
const PRIMITIVE = '900000000000074008';
const DEFINED = '900000000000073002';
const SOME = '900000000000451002';

/** Concepts: things that bloop. */
export const ids = {
  root: '138875005',
  finding: '71100001',
  bloop: '71200002',
  loudBloop: '71300003',
  blueBloop: '71400004',
  loudBlueBloop: '71500005',
  gone: '71600006',
  site: '72100001',
  leftSite: '72200002',
  colour: '73100001',
  blue: '73200002',
  hasSite: '74100001',
  hasColour: '74200002',
  count: '74300003',
  attribute: '74000000',
  refset: '75100001',
};

const conceptHeader = ['id', 'effectiveTime', 'active', 'moduleId', 'definitionStatusId'];
const concept = (id: string, active = '1', status = PRIMITIVE): string[] => [id, '20240131', active, CORE, status];

const names: [keyof typeof ids, string][] = [
  ['root', 'Everything'],
  ['finding', 'Finding'],
  ['bloop', 'Bloop'],
  ['loudBloop', 'Loud bloop'],
  ['blueBloop', 'Blue bloop'],
  ['loudBlueBloop', 'Loud blue bloop'],
  ['gone', 'Bloop that is gone'],
  ['site', 'Site'],
  ['leftSite', 'Left site'],
  ['colour', 'Colour'],
  ['blue', 'Blue'],
  ['attribute', 'Attribute'],
  ['hasSite', 'Has site'],
  ['hasColour', 'Has colour'],
  ['count', 'Count'],
  ['refset', 'Bloops of note'],
];

const descriptionHeader = [
  ...['id', 'effectiveTime', 'active', 'moduleId', 'conceptId', 'languageCode', 'typeId', 'term', 'caseSignificanceId'],
];
const description = (id: string, of: string, type: string, term: string, active = '1'): string[] => [
  ...[id, '20240131', active, CORE, of, 'en', type, term, '900000000000448009'],
];

/** An id of a description of that concept: `1` the fully specified name, `2` the name that all prefer. */
const described = (key: keyof typeof ids, kind: number): string => `${ids[key].slice(0, -1)}${kind}1`;

const languageHeader = [
  ...['id', 'effectiveTime', 'active', 'moduleId', 'refsetId', 'referencedComponentId', 'acceptabilityId'],
];
const preference = (refset: string, of: string, acceptability = PREFERRED): string[] => [
  ...[`00000000-0000-4000-8000-${of.padStart(12, '0')}`, '20240131', '1', CORE, refset, of, acceptability],
];

const relationshipHeader = [
  ...['id', 'effectiveTime', 'active', 'moduleId', 'sourceId', 'destinationId', 'relationshipGroup', 'typeId'],
  ...['characteristicTypeId', 'modifierId'],
];
type Key = keyof typeof ids;
const relationship = (from: Key, to: Key, type = IS_A, group = '0', kind = INFERRED, active = '1'): string[] => [
  ...['90000021', '20240131', active, CORE, ids[from], ids[to], group, type, kind, SOME],
];

const isA: [Key, Key][] = [
  ['finding', 'root'],
  ['bloop', 'finding'],
  ['loudBloop', 'bloop'],
  ['blueBloop', 'bloop'],
  ['loudBlueBloop', 'loudBloop'],
  ['loudBlueBloop', 'blueBloop'],
  ['site', 'root'],
  ['leftSite', 'site'],
  ['colour', 'root'],
  ['blue', 'colour'],
  ['attribute', 'root'],
  ['hasSite', 'attribute'],
  ['hasColour', 'attribute'],
  ['count', 'attribute'],
];

const concretes = [
  ['id', 'effectiveTime', 'active', 'moduleId', 'sourceId', 'value', 'relationshipGroup', 'typeId'],
  ['90000031', '20240131', '1', CORE, ids.loudBloop, '#3', '1', ids.count],
  ['90000041', '20240131', '1', CORE, ids.blueBloop, '#0.5', '1', ids.count],
  ['90000051', '20240131', '0', CORE, ids.bloop, '#9', '1', ids.count],
];

const refsetRows = (members: string[][]): string[][] => [
  ['id', 'effectiveTime', 'active', 'moduleId', 'refsetId', 'referencedComponentId'],
  ...members,
];
const member = (of: string, active = '1'): string[] => [
  ...[`00000000-0000-4000-8000-${of.padStart(12, '0')}`, '20240131', active, CORE, ids.refset, of],
];

const at = (name: string): string => `SnomedCT_Test_20240131T120000Z/Snapshot/${name}`;

export const paths = {
  concept: at('Terminology/sct2_Concept_Snapshot_INT_20240131.txt'),
  description: at('Terminology/sct2_Description_Snapshot-en_INT_20240131.txt'),
  relationship: at('Terminology/sct2_Relationship_Snapshot_INT_20240131.txt'),
  language: at('Refset/Language/der2_cRefset_LanguageSnapshot-en_INT_20240131.txt'),
};

/** The rows of the files that tests change. */
export const rows = () => ({
  concept: [
    conceptHeader,
    ...names.map(([key]) =>
      concept(ids[key], key === 'gone' ? '0' : '1', key === 'loudBlueBloop' ? DEFINED : PRIMITIVE),
    ),
  ],
  description: [
    descriptionHeader,
    ...names.flatMap(([key, term]) => [
      description(described(key, 1), ids[key], FSN, `${term} (thing)`),
      description(described(key, 2), ids[key], SYNONYM, term),
    ]),
    description(described('blue', 3), ids.blue, SYNONYM, 'Azure'),
    description(described('blue', 4), ids.blue, SYNONYM, 'Bleu', '0'),
    description(described('colour', 3), ids.colour, SYNONYM, 'Color'),
  ],
  language: [
    languageHeader,
    ...names.flatMap(([key]) =>
      [US, GB]
        .filter((refset) => key !== 'colour' || refset === GB)
        .flatMap((refset) => [preference(refset, described(key, 1)), preference(refset, described(key, 2))]),
    ),
    preference(US, described('colour', 3)),
    preference(US, described('blue', 3), ACCEPTABLE),
  ],
  relationship: [
    relationshipHeader,
    ...isA.map(([from, to]) => relationship(from, to)),
    relationship('gone', 'bloop', IS_A, '0', INFERRED, '0'),
    relationship('loudBloop', 'site', IS_A, '0', STATED),
    relationship('bloop', 'site', ids.hasSite, '0'),
    relationship('blueBloop', 'site', ids.hasSite, '1'),
    relationship('blueBloop', 'blue', ids.hasColour, '1'),
    relationship('loudBlueBloop', 'leftSite', ids.hasSite, '1'),
    relationship('loudBlueBloop', 'blue', ids.hasColour, '2'),
  ],
});

/** `changed` instead of the release's own rows. */
export function rf2Files(changed: Partial<ReturnType<typeof rows>> = {}): Files {
  const all = { ...rows(), ...changed };
  const content = Object.entries(paths).map(([name, path]) => [path, tsv(all[name as keyof typeof all])]);
  return {
    ...Object.fromEntries(content),
    [at('Terminology/sct2_TextDefinition_Snapshot-en_INT_20240131.txt')]: tsv([
      descriptionHeader,
      description('88000011', ids.bloop, '900000000000550004', 'A sound, or a spot, nobody knows'),
    ]),
    [at('Terminology/sct2_RelationshipConcreteValues_Snapshot_INT_20240131.txt')]: tsv(
      concretes.map((row, i) => [...row, i === 0 ? 'characteristicTypeId' : INFERRED, i === 0 ? 'modifierId' : SOME]),
    ),
    [at('Refset/Content/der2_Refset_SimpleSnapshot_INT_20240131.txt')]: tsv(
      refsetRows([member(ids.loudBloop), member(ids.gone), member(ids.blueBloop, '0'), member('88000011')]),
    ),
    'SnomedCT_Test_20240131T120000Z/Full/Terminology/sct2_Concept_Full_INT_20240131.txt': 'not read',
    'SnomedCT_Test_20240131T120000Z/Readme.txt': 'nor this',
  };
}
