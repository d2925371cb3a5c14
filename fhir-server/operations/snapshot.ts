// StructureDefinition/$snapshot: https://hl7.org/fhir/R4/structuredefinition-operation-snapshot.html
import {
  type AccessScope,
  generateSnapshot,
  type OperationAnswer,
  type OperationRequest,
  type OperationSpec,
  parseJson,
  type Resource,
} from '#fhir-model';
import { CerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { readCurrent } from '../store/read.ts';
import { one } from './answer.ts';

async function stored({ store }: Core, { id, scope }: OperationRequest): Promise<Resource> {
  const found = await readCurrent(store.db, 'StructureDefinition', id!, scope);
  if (!found) throw new CerebraError('not-found', `StructureDefinition/${id} is not known`);
  if (found.deleted)
    throw new CerebraError('deleted', `StructureDefinition/${id} was deleted as version ${found.version}`);
  return parseJson(found.body).exact as Resource;
}

/** R4's own, and what is stored as far as the caller may see it, with all digits of its numbers. */
const finding =
  ({ canonicals, store }: Core, scope: AccessScope) =>
  async (canonical: string): Promise<Resource | undefined> => {
    const found = await canonicals.find('StructureDefinition', canonical);
    // Only what is stored has a version of its own.
    if (found?.meta?.versionId === undefined) return found;
    const current = await readCurrent(store.db, 'StructureDefinition', found.id!, scope);
    return current && !current.deleted ? (parseJson(current.body).exact as Resource) : undefined;
  };

async function known(core: Core, url: string, scope: AccessScope): Promise<Resource> {
  const found = await finding(core, scope)(url);
  if (found) return found;
  const text = `No StructureDefinition '${url.slice(0, 200)}' is known here: load its package, or post it as 'definition'`;
  throw new CerebraError('not-found', text, { expression: ['url'] });
}

/** At instance level the parameters are ignored, as the specification has it; `definition` goes before `url`. */
async function definitionOf(core: Core, request: OperationRequest): Promise<Resource> {
  const { id, input, scope } = request;
  if (id !== undefined) return stored(core, request);
  const definition = one<Resource>(input, 'definition');
  if (definition) return definition;
  const url = one<string>(input, 'url');
  if (url !== undefined) return known(core, url, scope);
  const text = "$snapshot needs the parameter 'definition' or 'url', or an id in the URL";
  throw new CerebraError('required', text, { expression: ['definition'] });
}

async function snapshot(core: Core, request: OperationRequest): Promise<OperationAnswer> {
  const given = await definitionOf(core, request);
  if (given.differential === undefined && given.snapshot !== undefined) return { resource: given };
  const { definition, issues } = await generateSnapshot(given, finding(core, request.scope));
  if (definition && !issues.some(({ severity }) => severity === 'error')) return { resource: definition };
  throw new CerebraError('business-rule', 'No snapshot can be made of this StructureDefinition', { issues });
}

export const snapshotOperation = (core: Core): OperationSpec => ({
  name: 'snapshot',
  title: 'Generate a snapshot',
  description:
    'The StructureDefinition with a snapshot made of its differential and what it builds on; nothing is stored',
  url: 'http://hl7.org/fhir/OperationDefinition/StructureDefinition-snapshot',
  type: ['StructureDefinition'],
  system: false,
  typeLevel: true,
  instanceLevel: true,
  affectsState: false,
  parameters: [
    {
      ...{ name: 'definition', use: 'in', min: 0, max: '1', type: 'StructureDefinition' },
      documentation: 'The StructureDefinition, where the URL names none',
    },
    {
      ...{ name: 'url', use: 'in', min: 0, max: '1', type: 'string' },
      documentation: 'Its canonical URL, perhaps with |version, where neither the URL nor definition gives it',
    },
    { name: 'return', use: 'out', min: 1, max: '1', type: 'StructureDefinition' },
  ],
  run: (request) => snapshot(core, request),
});
