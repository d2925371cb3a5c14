// The small parts that generated resources are made of.
import { createRandom, type Random } from '../data/random.ts';
import type { Coded } from './codes.ts';

export type Resource = { resourceType: string; id: string } & Record<string, unknown>;

export const snomed = 'http://snomed.info/sct';
export const loinc = 'http://loinc.org';
export const rxnorm = 'http://www.nlm.nih.gov/research/umls/rxnorm';
export const cvx = 'http://hl7.org/fhir/sid/cvx';
export const ucum = 'http://unitsofmeasure.org';
const terminology = 'http://terminology.hl7.org/CodeSystem';

export const concept = (system: string, { code, display }: Coded) => ({
  coding: [{ system, code, display }],
  text: display,
});

export const category = (system: string, code: string, display: string) => ({
  coding: [{ system: `${terminology}/${system}`, code, display }],
});

export const reference = (type: string, id: string, display?: string) =>
  display === undefined ? { reference: `${type}/${id}` } : { reference: `${type}/${id}`, display };

/** Randomness of one of many things, with its number. */
export interface Numbered extends Random {
  readonly n: number;
}

/** One to one on 32 bits (Murmur3's final mix): two numbers never have the same. */
function spread(n: number): number {
  let h = Math.imul(n ^ (n >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * A UUID, the same at each run. It begins with the number of its owner: of 20,000 random sequences with 32 bits of state
 * some overlap.
 */
export function uuid(random: Numbered): string {
  const hex = (n: number) => n.toString(16).padStart(8, '0');
  const [a, b, c, d] = [spread(random.n), ...Array.from({ length: 3 }, () => random.below(0x1_0000_0000))].map(hex);
  return `${a}-${b!.slice(0, 4)}-4${b!.slice(5)}-8${c!.slice(1, 4)}-${c!.slice(4)}${d}`;
}

/** The early items come more often: about half of all is the first quarter. */
export const frequent = <T>(random: Random, items: readonly T[]): T =>
  items[Math.floor(random.next() ** 2 * items.length)]!;

export const instant = (ms: number): string => new Date(ms).toISOString();
export const day = (ms: number): string => instant(ms).slice(0, 10);

/** A narrative, which most systems send along. */
export const narrative = (text: string) => ({
  status: 'generated',
  div: `<div xmlns="http://www.w3.org/1999/xhtml"><p>${text}</p></div>`,
});

export const money = (random: Random, max: number) => ({
  value: Number((random.next() * max + 10).toFixed(2)),
  currency: 'USD',
});

/** Randomness of its own for the n-th of something, so that any one can be made without those before it. */
export const randomOf = (seed: number, n: number): Numbered => ({
  ...createRandom(Math.imul(seed ^ n, 0x9e3779b1) ^ n),
  n,
});
