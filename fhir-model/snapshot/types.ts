// StructureDefinition and ElementDefinition as JSON: https://hl7.org/fhir/R4/structuredefinition.html, elementdefinition.html
import type { Issue, JsonObject, Resource } from '../types.ts';

export interface ElementType extends JsonObject {
  /** A type's name, or an absolute URI: `http://hl7.org/fhirpath/System.String`, a logical model. */
  code: string;
  profile?: string[];
  targetProfile?: string[];
}

export interface Slicing extends JsonObject {
  discriminator?: { type: string; path: string }[];
  description?: string;
  ordered?: boolean;
  rules?: string;
}

export interface ElementConstraint extends JsonObject {
  key: string;
  severity?: string;
  human?: string;
  expression?: string;
  /** Canonical URL of the StructureDefinition that made it. */
  source?: string;
}

/** An element of a StructureDefinition's snapshot or differential: what R4 calls ElementDefinition. */
export interface StructureElement extends JsonObject {
  id?: string;
  path: string;
  sliceName?: string;
  slicing?: Slicing;
  min?: number;
  max?: string;
  base?: { path: string; min: number; max: string };
  contentReference?: string;
  type?: ElementType[];
  constraint?: ElementConstraint[];
  binding?: { strength?: string; valueSet?: string } & JsonObject;
  mustSupport?: boolean;
  isModifier?: boolean;
}

export interface StructureDefinition extends Resource {
  resourceType: 'StructureDefinition';
  url: string;
  type: string;
  kind?: string;
  abstract?: boolean;
  derivation?: string;
  baseDefinition?: string;
  snapshot?: { element: StructureElement[] };
  differential?: { element: StructureElement[] };
}

export type WithSnapshot = StructureDefinition & { snapshot: { element: StructureElement[] } };

/** Finds a StructureDefinition by its canonical URL, perhaps with `|version`; undefined if it isn't known. */
export type FindStructure = (canonical: string) => Resource | undefined | Promise<Resource | undefined>;

/**
 * `definition`, with its snapshot, unless something is missing without which there can be none. With an issue of
 * severity error it is as good as it could be made, and must not be taken for right.
 */
export interface SnapshotResult {
  definition?: WithSnapshot;
  /** `expression` is the place in the StructureDefinition: `StructureDefinition.differential.element[3]`. */
  issues: Issue[];
}

/** Of a cardinality: `*` is no limit. */
export const maxNumber = (max: string | undefined): number =>
  max === undefined || max === '*' ? Number.POSITIVE_INFINITY : Number(max);

/** What can be wrong, by name (`Issue.messageId`), with its issue type. */
export const faultCodes = {
  'snapshot-malformed': 'structure',
  'snapshot-base-unknown': 'not-found',
  'snapshot-base-faulty': 'business-rule',
  'snapshot-cycle': 'business-rule',
  'snapshot-too-costly': 'too-costly',
  'snapshot-element-unknown': 'not-found',
  'snapshot-profile-unknown': 'not-found',
  'snapshot-content-reference': 'not-found',
  'snapshot-several-types': 'business-rule',
  'snapshot-cardinality': 'business-rule',
  'snapshot-type': 'business-rule',
  'snapshot-target': 'business-rule',
  'snapshot-fixed': 'business-rule',
  'snapshot-binding': 'business-rule',
  'snapshot-must-support': 'business-rule',
  'snapshot-slicing': 'business-rule',
  'snapshot-slice-name': 'business-rule',
} as const;

export type FaultName = keyof typeof faultCodes;

/** Elements of a differential, and of a snapshot: the largest real ones have some 2,000. */
export const elementsMax = 10_000;
/** Elements of all snapshots that are made on the way to one. */
export const elementsTotalMax = 100_000;
/** Steps in a path: deeper than any type of R4 goes. */
export const pathStepsMax = 60;
/** Steps in all paths of a differential together; 500,000 took 2 s. */
export const pathStepsTotalMax = 100_000;
/** Of a path or an id. */
export const nameCharactersMax = 2_000;
export const sliceNameCharactersMax = 300;
/** Profiles of profiles, and profiles within profiles, on the way to one snapshot. */
export const chainMax = 40;
/** Structures that one snapshot may be made of: US Core's largest need 30. */
export const structuresMax = 1_000;
/** Issues told of one profile. */
export const issuesMax = 200;
