// What the tests of patches share: applying one without a database.
import { type Json, loadDefinitions, parseJson, type Resource, stringify } from '#fhir-model';
import { isCerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { createStructureValidator } from '../validation/structure.ts';
import { type PatchFormat, parsePatch } from './apply.ts';

const definitions = await loadDefinitions();
const parts = { definitions, store: { validator: createStructureValidator(definitions) } } as unknown as Core;

/** The patched resource's JSON text. */
export async function patched(format: PatchFormat, resource: string, document: string): Promise<string> {
  const patch = await parsePatch(parts, format, parseJson(document).exact);
  return stringify(patch(parseJson(resource).exact as Resource));
}

/** `status code expression diagnostics` of the refusal. */
export async function refusal(format: PatchFormat, resource: string, document: string): Promise<string> {
  try {
    return `patched: ${await patched(format, resource, document)}`;
  } catch (error) {
    if (!isCerebraError(error)) throw error;
    const [issue] = error.issues;
    return `${error.status} ${issue!.code} ${issue!.expression?.join() ?? ''} ${issue!.diagnostics}`;
  }
}

/** A Parameters document of operations; parts that are given as text are a string, a whole number is an integer. */
export function operations(...list: Record<string, unknown>[]): string {
  const part = (name: string, value: unknown): Json => {
    if (name === 'type') return { name, valueCode: value as string };
    if (typeof value === 'string') return { name, valueString: value };
    if (typeof value === 'number') return { name, valueInteger: value };
    return { name, ...(value as object) };
  };
  const parameter = list.map((one) => ({
    name: 'operation',
    part: Object.entries(one).map(([name, value]) => part(name, value)),
  }));
  return stringify({ resourceType: 'Parameters', ...(parameter.length > 0 ? { parameter } : {}) });
}
