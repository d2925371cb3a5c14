// What requests on code systems have in common: which system, which code. https://hl7.org/fhir/R4/codesystem-operations.html
import {
  all,
  type JsonObject,
  type OperationParameter,
  type OperationRequest,
  one,
  parseJson,
  type Resource,
  type ResourceReader,
} from '#fhir-model';
import { CerebraError } from '#platform';
import { asArray, asText, type CodeSystem, type Coding, defined, isHollow } from './code-system.ts';
import { absentContent, systemName, unknownSystem } from './refusals.ts';
import { withSupplements } from './supplements.ts';
import type { Asker, CodeSystems } from './systems.ts';
import { missingSupplement, refuse } from './tx-issues.ts';

/** What the operations work with. */
export interface CodeSystemParts {
  systems: CodeSystems;
  reader: Pick<ResourceReader, 'read'>;
}

export const input = (
  name: string,
  type: string,
  max: '1' | '*' = '1',
  documentation?: string,
): OperationParameter => ({
  ...{ name, use: 'in', min: 0, max, type },
  ...(documentation !== undefined && { documentation }),
});

/** Parameters of the terminology ecosystem that every operation takes. */
export const ecosystemInputs: readonly OperationParameter[] = [
  // One that is wrong matters only to requests that make use of it.
  {
    ...input('tx-resource', 'Resource', '*', 'CodeSystems and ValueSets to be used before those that are known here'),
    unchecked: true,
  },
  input('cache-id', 'id', '1', 'Taken and passed over: nothing is kept between requests'),
];

/** A Coding of the request. */
export function codingOf(value: JsonObject): Coding {
  const { system, version, code, display } = value;
  return defined<Coding>({
    ...{ system: asText(system), version: asText(version) },
    ...{ code: asText(code), display: asText(display) },
  });
}

export const askerOf = ({ input: given, scope }: OperationRequest): Asker => {
  const resources = all<JsonObject>(given, 'tx-resource') as Resource[];
  const date = one<string>(given, 'date');
  return { scope, ...(resources.length > 0 && { resources }), ...(date !== undefined && { date }) };
};

export const dateInput = input(
  'date',
  'dateTime',
  '1',
  'Where no version is named: the latest that is not of a later date, as far as versions tell theirs',
);

/** `http://x|1` → http://x and 1; a version beside it must be the same. */
export function splitSystem(url: string, version: string | undefined): { url: string; version: string | undefined } {
  const bar = url.indexOf('|');
  if (bar === -1) return { url, version };
  const own = url.slice(bar + 1) || undefined;
  if (version !== undefined && own !== undefined && own !== version) {
    throw new CerebraError('invalid-parameter', `Two versions of one system are asked for: '${own}' and '${version}'`, {
      expression: ['version'],
    });
  }
  return { url: url.slice(0, bar), version: version ?? own };
}

/** Throws `not-found` that names the versions that are known. */
export async function findSystem(
  { systems }: CodeSystemParts,
  system: string,
  wanted: string | undefined,
  asker: Asker,
): Promise<CodeSystem> {
  const { url, version } = splitSystem(system, wanted);
  const found = await systems.find(url, version, asker);
  if (found) return found;
  throw unknownSystem(url, version, await systems.versions(url, asker));
}

/** By id and version: what was read at instance level last. */
const instances = new WeakMap<CodeSystems, Map<string, CodeSystem>>();
const INSTANCES_MAX = 8;

function keepInstance(systems: CodeSystems, key: string, system: CodeSystem): void {
  const kept = instances.get(systems) ?? new Map<string, CodeSystem>();
  const [oldest] = kept.keys();
  if (kept.size >= INSTANCES_MAX && oldest !== undefined) kept.delete(oldest);
  instances.set(systems, kept.set(key, system));
}

/** The CodeSystem of the URL, at instance level. */
export async function instanceSystem(
  { systems, reader }: CodeSystemParts,
  { id, scope }: OperationRequest,
): Promise<CodeSystem | undefined> {
  if (id === undefined) return undefined;
  const stored = await reader.read('CodeSystem', id, scope);
  if (stored === undefined) throw new CerebraError('not-found', `CodeSystem/${id} is not known here`);
  if (stored.deleted) throw new CerebraError('deleted', `CodeSystem/${id} was deleted`);
  const key = `${id}/${stored.version}`;
  const known = instances.get(systems)?.get(key);
  if (known) return known;
  const resource = parseJson(stored.body).value as Resource;
  const url = asText(resource.url);
  // What a look-up by URL yields has its index already, if it is this one.
  const found = url === undefined ? undefined : await systems.find(url, asText(resource.version), { scope });
  const isThis = found?.about.resource.id === id && sameVersion(found, resource);
  const system = isThis ? found : await systems.open(resource);
  keepInstance(systems, key, system);
  return system;
}

const sameVersion = ({ about }: CodeSystem, resource: Resource): boolean =>
  JSON.stringify(about.resource.meta) === JSON.stringify(resource.meta);

/** A code in a system can't be asked of what only adds to another one, or says nothing of its codes. */
export function refuseSupplement(system: CodeSystem): void {
  const { about } = system;
  if (isHollow(system)) throw absentContent(about);
  if (about.content !== 'supplement') return;
  throw refuse('invalid-parameter', {
    ...{ code: 'invalid', type: 'invalid-data', messageId: 'CODESYSTEM_CS_NO_SUPPLEMENT' },
    text: `CodeSystem ${systemName(about.url, about.version)} is a supplement, so can't be used as a value in Coding.system`,
    expression: 'system',
  });
}

/** The supplements that the request names, each of which must be there and be one of this system. */
export async function supplemented(
  { systems }: CodeSystemParts,
  system: CodeSystem,
  request: OperationRequest,
): Promise<{ system: CodeSystem; used: string[] }> {
  const wanted = all<string>(request.input, 'useSupplement');
  const supplements: CodeSystem[] = [];
  for (const canonical of wanted) {
    const { url, version } = splitSystem(canonical, undefined);
    const found = await systems.find(url, version, askerOf(request));
    if (found?.about.content !== 'supplement') throw missingSupplement(canonical);
    const { url: of } = splitSystem(found.about.supplements ?? '', undefined);
    if (of === system.about.url) supplements.push(found);
  }
  const used = supplements.map(({ about }) => systemName(about.url, about.version));
  return { system: withSupplements(system, supplements), used };
}

/** code and system, or a Coding; exactly one of both. */
export function askedCoding({ input: given }: OperationRequest): Coding | undefined {
  const coding = one<JsonObject>(given, 'coding');
  const code = one<string>(given, 'code');
  if (coding !== undefined && code !== undefined) {
    throw new CerebraError('invalid-parameter', "'code' and 'coding' are two ways to say the same: give one of them", {
      expression: ['coding'],
    });
  }
  if (coding !== undefined) return codingOf(coding);
  if (code === undefined) return undefined;
  const [system, version] = [one<string>(given, 'system'), one<string>(given, 'version')];
  return defined<Coding>({ system, version, code, display: one<string>(given, 'display') });
}

export const codingsOf = (concept: JsonObject): Coding[] => asArray(concept.coding).map(codingOf);

/** Each is looked up: 20,000 took $translate 50 s. */
const CODINGS_MAX = 100;

/** Those of the parameter `codeableConcept`. */
export function askedCodings(concept: JsonObject): Coding[] {
  const codings = codingsOf(concept);
  if (codings.length <= CODINGS_MAX) return codings;
  throw new CerebraError('invalid-parameter', `The CodeableConcept has more than ${CODINGS_MAX} codings`, {
    expression: ['codeableConcept'],
  });
}
