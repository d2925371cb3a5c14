// The patch that an entry of a Bundle holds: https://hl7.org/fhir/R4/http.html#patch
import { isUtf8 } from 'node:buffer';
import { parseSentJson, type Resource } from '#fhir-model';
import { CerebraError } from '#platform';
import { PATCH_FORMATS, type Patch, parsePatch, patchFormat } from '../patch/apply.ts';
import type { Core } from './core.ts';
import { at, type Plan } from './entries.ts';

function decoded(binary: Resource): string {
  const bytes = Buffer.from(typeof binary.data === 'string' ? binary.data : '', 'base64');
  if (isUtf8(bytes)) return bytes.toString('utf8');
  throw new CerebraError('structure', 'The patch document is not valid UTF-8', { expression: ['Binary.data'] });
}

/** Parameters are a FHIRPath Patch, a Binary holds a document of its contentType. */
async function entryPatch(core: Core, resource: Resource): Promise<Patch> {
  if (resource.resourceType === 'Parameters') return parsePatch(core, 'fhirpath-patch', resource);
  const type = String(resource.contentType ?? '').split(';')[0]!;
  const format = patchFormat(type.trim().toLowerCase());
  if (resource.resourceType === 'Binary' && format)
    return parsePatch(core, format, parseSentJson(decoded(resource)).exact);
  const types = Object.keys(PATCH_FORMATS).join(' or ');
  throw new CerebraError('invalid', `A patch is a Parameters resource, or a Binary whose contentType is ${types}`, {
    expression: [`${resource.resourceType}`],
  });
}

/** The plan with its patch read. Throws with the entry's place for one that is wrong in itself. */
export async function withPatch(core: Core, plan: Plan): Promise<Plan> {
  if (plan.method !== 'PATCH') return plan;
  try {
    return { ...plan, patch: await entryPatch(core, plan.entry.resource!) };
  } catch (error) {
    if (error instanceof CerebraError) {
      for (const issue of error.issues) issue.expression = [at(plan.index, '.resource')];
    }
    throw error;
  }
}
