// What the making of a message from resources knows: the resources, and who sends what to whom.
import type { Json, JsonObject } from '#fhir-model';
import type { Graph } from './graph.ts';

/** The header of the message, and how this destination wants to be spoken to. */
export interface BuildTarget {
  /** MSH-12: one of 2.3 to 2.8.2. */
  version: string;
  /** MSH-3 to MSH-6. */
  sendingApplication: string;
  sendingFacility: string;
  receivingApplication?: string | undefined;
  receivingFacility?: string | undefined;
  /** MSH-11: P, T or D. */
  processingId: string;
  /** As it stands in MSH-18; without it UTF-8 where the text is more than ASCII. */
  charset?: string | undefined;
  /** Assigning authority (namespace id or object identifier) -> Identifier.system: read the other way round. */
  identifierSystems: Readonly<Record<string, string>>;
  /** Code system -> what the receiver calls it in CWE.3, ahead of table 0396. */
  codingSystems: Readonly<Record<string, string>>;
}

export interface Building {
  readonly target: BuildTarget;
  readonly graph: Graph;
  /** When the message is made, milliseconds since 1970 UTC. */
  readonly nowMs: number;
  /** Names of the segments that the message's structure has in its version, where the dictionary knows it. */
  readonly structure?: ReadonlySet<string> | undefined;
  /** What has no place in the message, without values. */
  readonly warnings: Set<string>;
}

/** Whether MSH-12 is at least this version: `since(building, '2.5')`. */
export function since({ target }: Pick<Building, 'target'>, version: string): boolean {
  const [ours, asked] = [target.version, version].map((text) => text.split('.').map(Number));
  for (let at = 0; at < 3; at++) {
    const difference = (ours![at] ?? 0) - (asked![at] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/** Whether TQ1 or SPM, which came with 2.5, has a place: ORM^O01, kept as it was, has neither also then. */
export const takes = (building: Pick<Building, 'target' | 'structure'>, segment: 'TQ1' | 'SPM'): boolean =>
  building.structure?.has(segment) ?? since(building, '2.5');

export { isObject, objectsOf as objects } from '#fhir-model';

export const text = (value: Json | undefined): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

/** Tells of what the resource says there and no field takes. */
export function noPlace({ warnings }: Building, resource: JsonObject, elements: readonly string[]): void {
  for (const element of elements) {
    if (resource[element] !== undefined)
      warnings.add(`${String(resource.resourceType)}.${element} has no place in the message`);
  }
}
