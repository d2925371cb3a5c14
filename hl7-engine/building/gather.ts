// What a resource refers to, read from the store: https://hl7.org/fhir/R4/references.html
import { type AccessScope, type Json, parseJson, type Resource, type ResourceReader } from '#fhir-model';
import { CerebraError } from '#platform';
import { createGraph, type Graph } from './graph.ts';

export interface GatherOptions {
  reader: Pick<ResourceReader, 'read'>;
  scope: AccessScope;
  /** Types that the message says something of; references to others are not followed. */
  types: readonly string[];
  /** Our own FHIR base: absolute references below it are local. */
  baseUrl?: string | undefined;
}

/** A message is about one patient: what leads to more than this is no message. */
const resourcesMax = 2_000;
/** Report, result, its specimen, who took it, where she works, and where that is. */
const depthMax = 6;
const readsAtOnce = 8;

/** As gatherAll, of one resource. */
export async function gather(resource: Resource, options: GatherOptions): Promise<{ focus: Resource; graph: Graph }> {
  const { resources, graph } = await gatherAll([resource], options);
  return { focus: resources[0]!, graph };
}

/**
 * The resources with what they refer to, at some remove. What is deleted, unknown or elsewhere is left out. Throws CerebraError
 * `too-costly` above 2,000 others.
 */
export async function gatherAll(
  foci: readonly Resource[],
  options: GatherOptions,
): Promise<{ resources: Resource[]; graph: Graph }> {
  const graph = createGraph(oursBelow(options.baseUrl));
  const resources = foci.map((focus) => graph.add(focus));
  const seen = new Set(foci.map(({ resourceType, id }) => `${resourceType}/${id}`));
  let found = resources;
  for (let depth = 0; depth < depthMax && found.length > 0; depth++) {
    const wanted = [...new Set(found.flatMap((resource) => localReferences(resource, options)))];
    const unseen = wanted.filter((name) => !seen.has(name));
    for (const name of unseen) seen.add(name);
    if (seen.size > foci.length + resourcesMax) {
      throw new CerebraError(
        'too-costly',
        `The resource leads to more than ${resourcesMax} others: no message holds them`,
      );
    }
    found = [];
    for (let at = 0; at < unseen.length; at += readsAtOnce) {
      const some = await Promise.all(unseen.slice(at, at + readsAtOnce).map((name) => readOne(name, options)));
      for (const resource of some) if (resource !== undefined) found.push(graph.add(resource));
    }
  }
  return { resources, graph };
}

/** Ids of other servers are not ours: `https://other.example/Patient/1` and Patient/1 here are two people. Without a base all are. */
const oursBelow = (baseUrl: string | undefined) => (reference: string) =>
  !/^[a-z][a-z0-9+.-]*:/i.test(reference) || (baseUrl !== undefined && reference.startsWith(`${baseUrl}/`));

async function readOne(name: string, { reader, scope }: GatherOptions): Promise<Resource | undefined> {
  const [type = '', id = ''] = name.split('/');
  const stored = await reader.read(type, id, scope);
  return stored === undefined || stored.deleted ? undefined : (parseJson(stored.body).exact as Resource);
}

/** `Type/id` of the references in it, and of the Binary that an attachment names. */
function localReferences(value: Json | undefined, options: GatherOptions): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => localReferences(item, options));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => {
    if ((name === 'reference' || name === 'url') && typeof inner === 'string') return local(inner, options);
    return localReferences(inner, options);
  });
}

const localForm = /^([A-Z][A-Za-z]+)\/[A-Za-z0-9\-.]{1,64}(?=\/_history\/|$)/;

function local(reference: string, { types, baseUrl }: GatherOptions): string[] {
  const own = baseUrl !== undefined && reference.startsWith(`${baseUrl}/`);
  const match = localForm.exec(own ? reference.slice(baseUrl!.length + 1) : reference);
  return match !== null && types.includes(match[1]!) ? [match[0]] : [];
}
