// Concepts of a CodeSystem that can't be loaded, told and left out: https://hl7.org/fhir/R4/codesystem.html
import type { JsonObject, Resource } from '#fhir-model';
import type { ErrorIssue } from '#platform';
import { asArray, asText } from '../code-system.ts';
import { walkConcepts } from '../memory-index.ts';
import { CODE_BYTES_MAX } from '../system-codes.ts';
import { quoted } from './faults.ts';

type Tell = (text: string) => void;

/** No white space around, and within one at a time: https://hl7.org/fhir/R4/datatypes.html#code */
const CODE = /^\S+(?:\s\S+)*$/;

/** What is wrong with a code itself; undefined for one that can be loaded. */
export function codeFault(code: string): string | undefined {
  if (code === '') return 'has no code';
  if (Buffer.byteLength(code) > CODE_BYTES_MAX) return `has a code of more than ${CODE_BYTES_MAX} bytes`;
  return CODE.test(code) ? undefined : `has ${quoted(code)} as its code, which has white space where a code has none`;
}

/** `number` counts from 1 as concepts are written, each before those within it. */
export const leftOutText = (number: number, what: string): string => `concept ${number} ${what}: it is left out`;
export const twiceText = (code: string): string => `has the code ${quoted(code)}, which is there already`;

/** A copy without those that are left out: what is within one of them belongs to what `heirs` says, else to what is around it. */
function without(resource: Resource, isLeft: ReadonlySet<JsonObject>, heirs: ReadonlyMap<JsonObject, JsonObject>) {
  const kept: { element: JsonObject; below: JsonObject[] }[] = [];
  const top: JsonObject[] = [];
  /** By number, the list that those within belong to. */
  const lists: JsonObject[][] = [];
  const copies = new Map<JsonObject, JsonObject[]>();
  for (const { element, within } of walkConcepts(resource)) {
    const list = within === undefined ? top : lists[within]!;
    const heir = heirs.get(element);
    if (isLeft.has(element)) {
      lists.push((heir && copies.get(heir)) ?? list);
      continue;
    }
    const { concept: _concepts, ...own } = element;
    const below: JsonObject[] = [];
    list.push(own);
    kept.push({ element: own, below });
    lists.push(below);
    copies.set(element, below);
  }
  for (const { element, below } of kept) if (below.length > 0) element.concept = below;
  const { concept: _concepts, ...rest } = resource;
  return (top.length > 0 ? { ...rest, concept: top } : rest) as Resource;
}

/** Lists of concepts and nothing else: anything else is for the server to refuse. */
function isSound(resource: Resource): boolean {
  const isList = (list: unknown): boolean =>
    list === undefined || (Array.isArray(list) && list.length === asArray(list).length);
  if (!isList(resource.concept)) return false;
  for (const { element } of walkConcepts(resource)) if (!isList(element.concept)) return false;
  return true;
}

/** Of codes that come twice the first counts; what is within the second belongs to it then. */
export function withoutBadCodes(resource: Resource, tell: Tell): Resource {
  if (resource.resourceType !== 'CodeSystem' || !isSound(resource)) return resource;
  const left = new Set<JsonObject>();
  const heirs = new Map<JsonObject, JsonObject>();
  const firsts = new Map<string, JsonObject>();
  for (const { element, n } of walkConcepts(resource)) {
    const code = asText(element.code) ?? '';
    const first = firsts.get(code);
    const fault = codeFault(code) ?? (first && twiceText(code));
    if (fault === undefined) {
      firsts.set(code, element);
      continue;
    }
    left.add(element);
    if (first) heirs.set(element, first);
    tell(leftOutText(n + 1, fault));
  }
  return left.size === 0 ? resource : without(resource, left, heirs);
}

/** `CodeSystem.concept[1].concept[0].display`, perhaps behind the place of the resource in a Bundle. */
const PLACE = /(?:^CodeSystem|\.resource)((?:\.concept\[\d+\])+)/;

/** Said of what is left of the resource: it is not where the file has the concept, whose code is told instead. */
const PLACES = /CodeSystem(?:\.concept\[\d+\])+\.?/g;

function conceptAt(resource: Resource, expression = ''): JsonObject | undefined {
  const indexes = PLACE.exec(expression)?.[1]?.matchAll(/\d+/g) ?? [];
  let concept: JsonObject | undefined;
  for (const [index] of indexes) concept = asArray((concept ?? resource).concept)[Number(index)];
  return concept;
}

/** Without the concepts that a refusal is about; undefined when it is about something else too. */
export function withoutRefused(resource: Resource, issues: readonly ErrorIssue[], tell: Tell): Resource | undefined {
  if (resource.resourceType !== 'CodeSystem' || !isSound(resource)) return undefined;
  const refused = new Map<JsonObject, string>();
  for (const { severity, expression, diagnostics } of issues) {
    if (severity !== 'error' && severity !== 'fatal') continue;
    const concept = conceptAt(resource, expression?.[0]);
    if (concept === undefined) return undefined;
    refused.set(concept, diagnostics.replace(PLACES, ''));
  }
  if (refused.size === 0) return undefined;
  for (const { element } of walkConcepts(resource)) {
    const what = refused.get(element);
    if (what !== undefined)
      tell(`the concept ${quoted(asText(element.code) ?? '')} is refused: ${what}: it is left out`);
  }
  return without(resource, new Set(refused.keys()), new Map());
}
