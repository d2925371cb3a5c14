// What the tests of snapshots share: R4's own structures, and small profiles beside them.
import assert from 'node:assert/strict';
import { loadCoreResources } from '../core-resources.ts';
import type { Issue, Resource } from '../types.ts';
import { generateSnapshot } from './generate.ts';
import type { FindStructure, StructureDefinition, StructureElement } from './types.ts';

const core = await loadCoreResources();
const read = new Map<string, Promise<Resource | undefined>>();

export const r4Url = (name: string): string => `http://hl7.org/fhir/StructureDefinition/${name}`;

export const r4Urls = (): string[] => core.urls('StructureDefinition');

/** R4's own, each read once. */
export function r4(canonical: string): Promise<Resource | undefined> {
  const [url = ''] = canonical.split('|');
  const known = read.get(url) ?? core.read('StructureDefinition', url);
  read.set(url, known);
  return known;
}

/** `others` before R4's own. */
export function findAmong(others: readonly Resource[]): FindStructure {
  const byUrl = new Map(others.map((one) => [String(one.url), one]));
  return (canonical) => byUrl.get(canonical.split('|', 1)[0]!) ?? r4(canonical);
}

export const profileUrl = (name: string): string => `http://test.example/StructureDefinition/${name}`;

/** A profile of R4's `type`, or what `more` says; elements as the differential has them. */
export function profile(
  name: string,
  type: string,
  element: StructureElement[],
  more: Partial<StructureDefinition> = {},
): StructureDefinition {
  return {
    resourceType: 'StructureDefinition',
    url: profileUrl(name),
    type,
    kind: 'resource',
    abstract: false,
    derivation: 'constraint',
    baseDefinition: r4Url(type),
    differential: { element },
    ...more,
  };
}

/** An extension with a value of `type`. */
export const extension = (name: string, type: string, more: StructureElement[] = []): StructureDefinition =>
  profile(
    name,
    'Extension',
    [
      { path: 'Extension', short: `The ${name}`, max: '1' },
      { path: 'Extension.url', fixedUri: profileUrl(name) },
      { path: 'Extension.value[x]', min: 1, type: [{ code: type }] },
      ...more,
    ],
    { kind: 'complex-type' },
  );

export interface Made {
  elements: StructureElement[];
  ids: string[];
  /** The element with that id; fails where there is none. */
  at(id: string): StructureElement;
  /** What was told: `severity name expression`. */
  told: string[];
  issues: Issue[];
}

/** The snapshot of `definition`, which must come about. */
export async function made(definition: Resource, others: readonly Resource[] = []): Promise<Made> {
  const { definition: result, issues } = await generateSnapshot(definition, findAmong(others));
  assert.ok(result, `no snapshot: ${JSON.stringify(issues)}`);
  const elements = result.snapshot.element;
  return {
    elements,
    ids: elements.map(({ id }) => String(id)),
    at(id) {
      const found = elements.find((element) => element.id === id);
      assert.ok(found, `no element ${id}`);
      return found;
    },
    told: told(issues),
    issues,
  };
}

export const told = (issues: readonly Issue[]): string[] =>
  issues.map(({ severity, messageId, expression }) => `${severity} ${messageId} ${expression?.join()}`);

/** What is told of `definition`, whether or not it gets a snapshot. */
export async function faultsOf(definition: Resource, others: readonly Resource[] = []): Promise<string[]> {
  return told((await generateSnapshot(definition, findAmong(others))).issues);
}

/** `StructureDefinition.differential.element[at]` */
export const place = (at: number): string => `StructureDefinition.differential.element[${at}]`;

export const typesOf = ({ type }: StructureElement): string[] => (type ?? []).map(({ code }) => code);
export const keysOf = ({ constraint }: StructureElement): string[] => (constraint ?? []).map(({ key }) => key);
