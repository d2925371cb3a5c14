// What the resources of a page link to: https://hl7.org/fhir/R4/references.html, attachments' URLs included.
import { type OperationRequest, parseReference, type Resource, type StoredVersion } from '#fhir-model';
import { CerebraError, type Queryable } from '#platform';
import type { Core } from '../interactions/core.ts';
import { readMany } from '../store/read.ts';

/** Supporting resources of one page; more is refused rather than cut off. */
export const SUPPORT_MAX = 10_000;

export const tooMany = (): CerebraError =>
  new CerebraError(
    'too-costly',
    `The resources that this page refers to are more than ${SUPPORT_MAX}, or too large: lower _count`,
    { expression: ['_count'] },
  );

/** `Observation` of `Observation/1`. */
export const typeOf = (name: string): string => name.slice(0, name.indexOf('/'));

/** `Type/id` of all links to resources here, attachments' too. */
export function linksOf(core: Core, { body }: StoredVersion): Set<string> {
  const found = new Set<string>();
  core.links.rewriteReferences(JSON.parse(body) as Resource, (text) => {
    const parsed = parseReference(text, core.baseUrl);
    if (parsed.kind === 'local' && core.definitions.isResourceType(parsed.type))
      found.add(`${parsed.type}/${parsed.id}`);
    return undefined;
  });
  return found;
}

/** Those of them that are there. Throws `too-costly` when they are too large. */
export async function readNamed(
  db: Queryable,
  names: Iterable<string>,
  { scope }: OperationRequest,
): Promise<StoredVersion[]> {
  const groups = Map.groupBy(names, typeOf);
  const found: StoredVersion[] = [];
  for (const [type, group] of groups) {
    const ids = group.map((name) => name.slice(type.length + 1));
    const some = await readMany(db, type, ids, scope);
    if (!some) throw tooMany();
    found.push(...some);
  }
  return found;
}

/** Those of its links that no reference parameter has: attachments, and elements that R4 has no parameter for. */
export function unindexedLinks(core: Core, one: StoredVersion): Set<string> {
  const links = linksOf(core, one);
  if (links.size === 0) return links;
  for (const value of core.store.extract(JSON.parse(one.body) as Resource)) {
    if (value.kind === 'reference' && value.type && value.id) links.delete(`${value.type}/${value.id}`);
  }
  return links;
}
