// What a reference may point to: https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.type.targetProfile
import { type Run, typeUrl } from './expand.ts';
import { shown } from './faults.ts';
import type { ElementType, StructureElement } from './types.ts';

const targetsOf = (types: readonly ElementType[] | undefined, code: string): string[] =>
  (types ?? []).filter((type) => type.code === code).flatMap(({ targetProfile }) => targetProfile ?? []);

const ANY = typeUrl('Resource');

const plain = (canonical: string): string => canonical.split('|', 1)[0]!;

/** Tells of targets of a type that the base doesn't let it point to; what is not known here is not judged. */
export async function checkTargets(
  run: Run,
  base: StructureElement,
  diff: StructureElement,
  at: number,
): Promise<void> {
  for (const { code, targetProfile } of diff.type ?? []) {
    const allowed = targetsOf(base.type, code).map(plain);
    if (!targetProfile || allowed.length === 0 || allowed.includes(ANY)) continue;
    for (const target of targetProfile) {
      if (allowed.includes(plain(target)) || (await allowedByType(run, allowed, target))) continue;
      const text = `${shown(diff.id ?? diff.path)}: its base doesn't let it refer to ${shown(target)}`;
      run.faults.add('snapshot-target', text, at, 'warning');
    }
  }
}

async function allowedByType(run: Run, allowed: readonly string[], target: string): Promise<boolean> {
  const type = await run.typeOf(target);
  if (type === undefined || allowed.includes(typeUrl(type))) return true;
  for (const one of allowed) if ((await run.typeOf(one)) === type) return true;
  return false;
}
