// Differentials that are wrong in any way: an answer each time, in bounds, and a snapshot that is one.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { random } from '#platform/testing';
import { generateSnapshot } from './generate.ts';
import { findAmong, profile, r4, r4Url } from './testing.ts';
import { elementsMax, faultCodes, issuesMax, type StructureDefinition, type StructureElement } from './types.ts';

const runs = 600;

const profiles = [
  'bodyweight',
  'bp',
  'lipidprofile',
  'patient-birthPlace',
  'cqf-questionnaire',
  'elementdefinition-de',
];
const sources = (await Promise.all(profiles.map((name) => r4(r4Url(name))))).filter(
  (one): one is StructureDefinition => one !== undefined,
);

const steps = [
  'extension',
  'modifierExtension',
  'value[x]',
  'valueQuantity',
  'code',
  'item',
  'component',
  'name',
  'nothing',
];
const codes = ['Quantity', 'Extension', 'Reference', 'Patient', 'string', 'Questionnaire', 'Nothing', 'urn:x:y'];
const slices = ['a', 'a/b', 'a/b/c', 'valueQuantity', 'VSCat', '', '/', 'a.b', 'a:b'];
const urls = ['u0', 'u1', 'u2'].map((name) => `http://test.example/StructureDefinition/${name}`);

type Draw = (below: number) => number;

const pick = <T>(draw: Draw, list: readonly T[]): T => list[draw(list.length)]!;

function changed(draw: Draw, element: StructureElement): StructureElement {
  const path = element.path.split('.');
  const changes: (() => Partial<StructureElement>)[] = [
    () => ({ path: [...path, pick(draw, steps)].join('.') }),
    () => ({ path: path.slice(0, -1).join('.') || path[0]! }),
    () => ({ path: [...path.slice(0, -1), pick(draw, steps)].join('.') }),
    () => ({ sliceName: pick(draw, slices) }),
    () => ({ id: `${element.path}:${pick(draw, slices)}` }),
    () => ({ min: draw(4), max: pick(draw, ['0', '1', '*', '07', '-1', 'x']) }),
    () => ({ type: [{ code: pick(draw, codes), profile: [pick(draw, urls)] }] }),
    () => ({ type: [{ code: pick(draw, codes) }, { code: pick(draw, codes) }] }),
    () => ({ slicing: { rules: pick(draw, ['open', 'closed', 'x']) } }),
    () => ({ contentReference: pick(draw, ['#Questionnaire.item', '#', 'x', '#Observation.code']) }),
  ];
  return { ...element, ...pick(draw, changes)() };
}

function mutated(draw: Draw, source: StructureDefinition, name: string): StructureDefinition {
  const { snapshot: _, ...bare } = source;
  let element = [...(source.differential?.element ?? [])];
  for (let i = 0; i < 1 + draw(5); i++) {
    const at = draw(element.length);
    const act = draw(5);
    if (act === 0) element = element.toSpliced(at, 1);
    else if (act === 1) element = element.toSpliced(at, 0, pick(draw, element));
    else element = element.with(at, changed(draw, element[at]!));
    if (element.length === 0) break;
  }
  const base = draw(4) === 0 ? pick(draw, urls) : String(source.baseDefinition);
  const derivation = draw(8) === 0 ? 'specialization' : 'constraint';
  const more = { url: name, baseDefinition: base, derivation };
  return { ...bare, ...more, differential: { element } } as StructureDefinition;
}

/** Each element within one that stands before it, with the id of its path and of its slices. */
function assertTree(elements: readonly StructureElement[]): void {
  const known = new Set<string>();
  for (const [at, { id = '', path, min, max }] of elements.entries()) {
    const parent = id.slice(0, id.lastIndexOf('.'));
    if (at > 0 && !/:.*\./.test(id.slice(parent.length)))
      assert.ok(known.has(parent), `${id} has nothing that it is in`);
    known.add(id);
    assert.ok(
      path.split('.').every((step) => id.includes(step)),
      `${id} is no id of ${path}`,
    );
    assert.ok(min === undefined || Number.isInteger(min));
    assert.ok(max === undefined || /^(?:\*|\d+)$/.test(max), `${id}: max ${max}`);
  }
}

describe('mutated differentials', () => {
  test(`${runs} of them`, async () => {
    const draw = random(20);
    const others = [
      profile('u0', 'Extension', [
        { path: 'Extension.extension', sliceName: 'x', type: [{ code: 'Extension', profile: [urls[1]!] }] },
      ]),
      profile('u1', 'Extension', [
        { path: 'Extension.extension', sliceName: 'y', type: [{ code: 'Extension', profile: [urls[0]!] }] },
      ]),
      profile('u2', 'Observation', [], { baseDefinition: urls[2]! }),
    ];
    const counts = { made: 0, faulty: 0 };
    for (let i = 0; i < runs; i++) {
      const definition = mutated(draw, pick(draw, sources), pick(draw, [...urls, 'urn:other']));
      const { definition: result, issues } = await generateSnapshot(definition, findAmong(others));
      assert.ok(issues.length <= issuesMax);
      for (const { messageId } of issues) assert.ok(String(messageId) in faultCodes, String(messageId));
      if (issues.some(({ severity }) => severity === 'error')) counts.faulty++;
      else assert.ok(result, 'neither a snapshot nor an error');
      if (!result) continue;
      counts.made++;
      assert.ok(result.snapshot.element.length <= elementsMax);
      assertTree(result.snapshot.element);
    }
    // Neither all right nor all wrong: the test would say nothing.
    assert.ok(counts.made > runs / 4 && counts.faulty > runs / 4, JSON.stringify(counts));
  });
});
