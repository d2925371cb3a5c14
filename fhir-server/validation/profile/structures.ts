// The differential of a profile against its base, by the making of its snapshot: https://hl7.org/fhir/R4/profiling.html#snapshot
import { generateSnapshot, type Issue, type JsonObject, type Resource } from '#fhir-model';
import { isObject } from '../json.ts';
import { pathOf } from '../report.ts';
import type { ProfileSource } from './profiles.ts';
import { addIssue, isDone, type Run } from './run.ts';

/** A profile found in a resource, and where. */
export interface Structure {
  readonly trail: readonly (string | number)[];
  readonly resource: JsonObject;
}

/** Some ms each: a Bundle may hold a package, and what else there is in it is not checked against its base. */
const structuresMax = 1000;
/** Faults of others, and what has to be loaded first: nothing that is wrong in the profile itself. */
const elsewhere = new Set(['snapshot-base-unknown', 'snapshot-base-faulty', 'snapshot-profile-unknown']);

/** Other definitions have no base whose elements theirs would have to be. */
export const isProfile = ({ resourceType, derivation, differential }: JsonObject): boolean =>
  resourceType === 'StructureDefinition' && derivation === 'constraint' && isObject(differential);

/** Base and profile may stand in the same Bundle. */
function findAmong(structures: readonly Structure[], source: ProfileSource) {
  const own = new Map(structures.map(({ resource }) => [resource.url, resource as Resource]));
  return async (canonical: string): Promise<Resource | undefined> => {
    const found = await source.find('StructureDefinition', canonical);
    const [url, version] = canonical.split('|');
    const beside = own.get(url);
    return found ?? (version === undefined || beside?.version === version ? beside : undefined);
  };
}

function tell(run: Run, at: string, { severity, code, diagnostics, expression = [], messageId = '' }: Issue): void {
  const path = at + (expression[0] ?? '').replace(/^StructureDefinition/, '');
  const told = severity === 'error' && elsewhere.has(messageId) ? 'warning' : severity;
  addIssue(run, { severity: told, code, diagnostics: `${path}: ${diagnostics}`, expression: [path], messageId });
}

export async function checkStructures(run: Run, source: ProfileSource): Promise<void> {
  const find = findAmong(run.structures, source);
  for (const { trail, resource } of run.structures.slice(0, structuresMax)) {
    if (isDone(run)) return;
    const { issues } = await generateSnapshot(resource as Resource, find);
    for (const issue of issues) if (issue.messageId !== 'snapshot-malformed') tell(run, pathOf(trail), issue);
  }
}
