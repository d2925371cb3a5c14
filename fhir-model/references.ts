// References and links: https://hl7.org/fhir/R4/references.html, https://hl7.org/fhir/R4/http.html#trules
import { choiceName } from './choice-names.ts';
import type { Definitions, ElementDefinition } from './definitions.ts';
import { isObject } from './json.ts';
import type { Json, JsonObject, Resource } from './types.ts';

/**
 * `local`: relative, or absolute below our own base. `absolute`: another server's; type and id when the URL has that form.
 * `urn`: urn:uuid, urn:oid and the like. `fragment`: `#id`, a contained resource (`#` alone, id '': the container).
 * `canonical`: `url|version`. `conditional`: `Patient?identifier=…`, of transactions. `other`: none of these.
 */
export type ParsedReference =
  | { kind: 'local'; type: string; id: string; version?: string }
  | { kind: 'absolute'; url: string; type?: string; id?: string; version?: string }
  | { kind: 'urn'; url: string }
  | { kind: 'fragment'; id: string }
  | { kind: 'canonical'; url: string; version: string }
  | { kind: 'conditional'; type: string; query: string }
  | { kind: 'other'; text: string };

const idPattern = /^[A-Za-z0-9\-.]{1,64}$/;
const relativePattern = /^([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/([A-Za-z0-9\-.]{1,64}))?$/;
const tailPattern = /\/([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/([A-Za-z0-9\-.]{1,64}))?$/;
/** With a slash before it and without criteria as well: kept as a link it would lead nowhere, so a transaction is told. */
const conditionalPattern = /^\/?([A-Z][A-Za-z]+)\?(.*)$/s;

/** https://hl7.org/fhir/R4/datatypes.html#id */
export function isId(text: string): boolean {
  return idPattern.test(text);
}

function parts(match: RegExpMatchArray): { type: string; id: string; version?: string } {
  const [, type = '', id = '', version] = match;
  return version === undefined ? { type, id } : { type, id, version };
}

function parseAbsolute(text: string, baseUrl: string | undefined): ParsedReference {
  const base = baseUrl?.replace(/\/+$/, '');
  if (base !== undefined && text.startsWith(`${base}/`)) {
    const below = text.slice(base.length + 1);
    const match = relativePattern.exec(below);
    if (match !== null) return { kind: 'local', ...parts(match) };
    const conditional = conditionalPattern.exec(below);
    if (conditional !== null) return { kind: 'conditional', type: conditional[1] ?? '', query: conditional[2] ?? '' };
  }
  const bar = text.indexOf('|');
  if (bar !== -1) return { kind: 'canonical', url: text.slice(0, bar), version: text.slice(bar + 1) };
  const tail = tailPattern.exec(text);
  return { kind: 'absolute', url: text, ...(tail === null ? {} : parts(tail)) };
}

/**
 * What the text of Reference.reference, a uri or a canonical points to.
 * @param baseUrl our own FHIR base; references below it are local.
 */
export function parseReference(text: string, baseUrl?: string): ParsedReference {
  const relative = relativePattern.exec(text);
  if (relative !== null) return { kind: 'local', ...parts(relative) };
  if (text.startsWith('#')) return { kind: 'fragment', id: text.slice(1) };
  if (text.startsWith('urn:')) return { kind: 'urn', url: text };
  if (/^[a-z][a-z0-9+.-]*:/i.test(text)) return parseAbsolute(text, baseUrl);
  const conditional = conditionalPattern.exec(text);
  if (conditional !== null) return { kind: 'conditional', type: conditional[1] ?? '', query: conditional[2] ?? '' };
  return { kind: 'other', text };
}

/** How a version of a resource here is told, however the reference to it is written. */
export const versionUrl = (type: string, id: string, version: string): string => `${type}/${id}/_history/${version}`;

/** Reference.reference is a string by type, the others are the types that http.html#trules lists; canonical is not among them. */
type LinkKind = 'reference' | 'uri' | 'xhtml';

interface Step {
  /** What the text of this element is, if it holds a link. */
  link?: LinkKind;
  /** The type of the objects below, `Resource` for any resource. */
  type?: string;
}

const uriTypes = new Set(['uri', 'url', 'oid', 'uuid']);
const links = new Map<string, LinkKind>([...[...uriTypes].map((type) => [type, 'uri'] as const), ['xhtml', 'xhtml']]);

/**
 * Elements of type uri that name something wherever it is stored, beside `system`, `implicitRules` and a resource's own
 * `url`. A Bundle may bring a CodeSystem whose fullUrl is its url: the codes that stand in that system are still of it.
 */
const nameElements = new Set([
  'Extension.url',
  'Reference.type',
  ...['type', 'mapping.uri'].map((name) => `StructureDefinition.${name}`),
  ...['type.code', 'contentReference', 'fixed', 'pattern', 'defaultValue', 'example.value'].map(
    (name) => `ElementDefinition.${name}`,
  ),
  ...['source', 'target', 'group.source', 'group.target', 'group.element.target.dependsOn.property'].map(
    (name) => `ConceptMap.${name}`,
  ),
  'CodeSystem.property.uri',
  'ValueSet.expansion.identifier',
  'Questionnaire.item.definition',
  'QuestionnaireResponse.item.definition',
  ...['Device.udiCarrier', 'DeviceDefinition.udiDeviceIdentifier'].flatMap((of) => [
    `${of}.issuer`,
    `${of}.jurisdiction`,
  ]),
  'MessageHeader.event',
  'MessageDefinition.event',
]);

function isName(definitions: Definitions, owner: string, name: string): boolean {
  if (name === 'system' || name === 'implicitRules') return true;
  return nameElements.has(`${owner}.${name}`) || (name === 'url' && definitions.isResourceType(owner));
}

function stepOf(definitions: Definitions, owner: string, element: ElementDefinition, type: string): Step | undefined {
  if (owner === 'Reference' && element.name === 'reference') return { link: 'reference' };
  if (type === 'uri' && isName(definitions, owner, element.name)) return undefined;
  const link = links.get(type);
  if (link !== undefined) return { link };
  return definitions.type(type)?.kind === 'primitive' ? undefined : { type };
}

type Steps = ReadonlyMap<string, Step>;

function stepsOf(definitions: Definitions, name: string): Steps {
  const steps = new Map<string, Step>();
  for (const element of definitions.type(name)?.elements ?? []) {
    for (const type of element.types) {
      const step = stepOf(definitions, name, element, type);
      const jsonName = element.choice ? choiceName(element.name, type) : element.name;
      if (step !== undefined) steps.set(jsonName, step);
      if (definitions.type(type)?.kind === 'primitive') steps.set(`_${jsonName}`, { type: 'Element' });
    }
  }
  return steps;
}

/** A link where it stands; assigning `owner[key]` replaces it. */
export interface LinkSite {
  kind: LinkKind;
  text: string;
  owner: JsonObject | Json[];
  key: string | number;
  /** FHIRPath from the resource: `Observation.performer[0].reference`. */
  path(): string;
}

export interface Links {
  /** Calls `visit` with each Reference.reference, those of contained and nested resources too, in document order. */
  forEachReference(resource: Resource, visit: (reference: string, site: LinkSite) => void): void;
  /**
   * Replaces, in place, every link for which `map` yields a text: Reference.reference, uri, url, oid, uuid, and a/@href and
   * img/@src of narratives; canonicals and names such as Coding.system are left alone. Where the whole text is unknown to `map`, the part before a `#` is
   * tried and the rest kept. Identifier.value and other strings are never touched. `site` is where the link stands; of a
   * narrative it is the whole div.
   */
  rewriteReferences(resource: Resource, map: (text: string, site: LinkSite) => string | undefined): void;
}

function pathOf(trail: readonly (string | number)[]): string {
  return trail
    .map((step, index) => (typeof step === 'number' ? `[${step}]` : index === 0 ? step : `.${step}`))
    .join('');
}

function mapped(text: string, map: (text: string) => string | undefined): string | undefined {
  const whole = map(text);
  const hash = text.indexOf('#');
  if (whole !== undefined || hash <= 0) return whole;
  const before = map(text.slice(0, hash));
  return before === undefined ? undefined : before + text.slice(hash);
}

// Attribute by attribute: a repeated group for a whole tag would overflow the regular-expression stack on a hostile narrative.
const linkTag = /<(?:a|img)(?=\s)/gi;
const attribute = /\s*([^\s=/"'<>]+)\s*=\s*("[^"<]*"|'[^'<]*')/y;

const entities: Record<string, string> = {
  '&amp;': '&',
  '&quot;': '"',
  '&apos;': "'",
  '&#39;': "'",
  '&lt;': '<',
  '&gt;': '>',
};

function unescapeAttribute(text: string): string {
  return text.replace(/&(?:amp|quot|apos|#39|lt|gt);/g, (entity) => entities[entity] ?? entity);
}

function escapeAttribute(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/"/g, '&quot;').replace(/</g, '&lt;');
}

/** The narrative with its links replaced; https://hl7.org/fhir/R4/narrative.html */
function rewriteNarrative(div: string, map: (text: string) => string | undefined): string {
  let rewritten = '';
  let done = 0;
  for (const tag of div.matchAll(linkTag)) {
    attribute.lastIndex = tag.index + tag[0].length;
    for (let match = attribute.exec(div); match !== null; match = attribute.exec(div)) {
      const [, name = '', quoted = ''] = match;
      const link = /^(?:href|src)$/i.test(name) ? mapped(unescapeAttribute(quoted.slice(1, -1)), map) : undefined;
      if (link === undefined) continue;
      const start = attribute.lastIndex - quoted.length;
      rewritten += `${div.slice(done, start)}"${escapeAttribute(link)}"`;
      done = attribute.lastIndex;
    }
  }
  return rewritten + div.slice(done);
}

type Trail = (string | number)[];

/** Told of each link; the trail is the walk's own, as it is at this moment. */
type Visit = (kind: LinkKind, text: string, owner: JsonObject | Json[], key: string | number, trail: Trail) => void;

/** Half of a resource's links are the systems of codes, which most who ask do not want: no object is made for a link by itself. */
function siteOf(
  kind: LinkKind,
  text: string,
  owner: JsonObject | Json[],
  key: string | number,
  trail: Trail,
): LinkSite {
  return { kind, text, owner, key, path: () => pathOf(trail) };
}

/** Walks by type, so that a link is known from a string that merely looks like one. */
function createWalk(definitions: Definitions): (resource: Resource, visit: Visit) => void {
  const compiled = new Map<string, Steps>();
  const steps = (type: string): Steps => {
    const known = compiled.get(type) ?? stepsOf(definitions, type);
    compiled.set(type, known);
    return known;
  };

  function walkObject(object: JsonObject, type: string, trail: Trail, visit: Visit): void {
    const actual = type === 'Resource' && typeof object.resourceType === 'string' ? object.resourceType : type;
    const known = steps(actual);
    for (const key in object) {
      const step = known.get(key);
      if (step === undefined) continue;
      trail.push(key);
      walkValue(object[key], step, object, key, trail, visit);
      trail.pop();
    }
  }

  function walkValue(
    value: Json | undefined,
    step: Step,
    owner: JsonObject | Json[],
    key: string | number,
    trail: Trail,
    visit: Visit,
  ): void {
    if (typeof value === 'string') {
      if (step.link !== undefined) visit(step.link, value, owner, key, trail);
    } else if (Array.isArray(value)) {
      for (let index = 0; index < value.length; index++) {
        trail.push(index);
        walkValue(value[index], step, value, index, trail, visit);
        trail.pop();
      }
    } else if (step.type !== undefined && isObject(value)) walkObject(value, step.type, trail, visit);
  }

  return (resource, visit) => walkObject(resource, 'Resource', [resource.resourceType], visit);
}

/** Types are compiled on first use; keep the result for the life of the process. */
export function createLinks(definitions: Definitions): Links {
  const walk = createWalk(definitions);
  return {
    forEachReference(resource, visit) {
      walk(resource, (kind, text, owner, key, trail) => {
        if (kind === 'reference') visit(text, siteOf(kind, text, owner, key, trail));
      });
    },
    rewriteReferences(resource, map) {
      walk(resource, (kind, text, owner, key, trail) => {
        const site = siteOf(kind, text, owner, key, trail);
        const here = (link: string) => map(link, site);
        const rewritten = kind === 'xhtml' ? rewriteNarrative(text, here) : mapped(text, here);
        if (rewritten !== undefined && rewritten !== text) (owner as Record<string | number, Json>)[key] = rewritten;
      });
    },
  };
}
