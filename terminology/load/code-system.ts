// CodeSystem resources, in JSON of any size, in XML, in Bundles and in FHIR packages: https://hl7.org/fhir/R4/codesystem.html
import { createXmlCodec, type JsonObject, loadDefinitions, parseJson, type Resource } from '#fhir-model';
import { CerebraError, readTgz } from '#platform';
import { type About, aboutOf, asArray, asObject, asText } from '../code-system.ts';
import { roleOf } from '../concept-properties.ts';
import { writeConcept } from '../import-system.ts';
import { readConcept, walkConcepts } from '../memory-index.ts';
import type { SystemWriter } from '../write-system.ts';
import { streamConcepts } from './concept-stream.ts';
import { quoted, tellError } from './faults.ts';
import type { Format, LoadContext } from './format.ts';
import { baseName, type Release, type ReleaseFile } from './release.ts';
import { codeFault, leftOutText, twiceText } from './sift.ts';

/**
 * Systems of more concepts go into tables of their own; smaller ones are stored as resources, from which the server has them
 * in memory.
 */
export const STORED_CONCEPTS_MAX = 10_000;

/** Of a file that is read as a whole: XML, Bundles, and JSON whose members stand in an unusual order. */
const WHOLE_BYTES_MAX = 256 * 1024 * 1024;

/** Writes concepts as they come, each before those within it. */
interface Taker {
  take(element: JsonObject, within: number | undefined): void;
  finish(): void;
}

function createTaker(writer: SystemWriter, about: About, file: string, { faults }: LoadContext): Taker {
  const codes: string[] = [];
  /** What is below, told by the concept above: once all are there. */
  const children: { parent: string; child: string }[] = [];
  return {
    take(element, within) {
      const concept = readConcept(about, element, codes.length);
      const { code } = concept;
      const fault = codeFault(code);
      // What is within one that is left out belongs to the one around that.
      codes.push(fault === undefined ? code : within === undefined ? '' : codes[within]!);
      const leave = (what: string): void => faults.tell(file, undefined, leftOutText(codes.length, what));
      if (fault !== undefined) return leave(fault);
      const n = writeConcept(writer, about, concept);
      if (n === undefined) return leave(twiceText(code));
      if (within !== undefined && about.isA && codes[within] !== '') writer.parent(n, codes[within]!);
      for (const { code: property, value } of concept.properties) {
        if (roleOf(about, property) === 'child') children.push({ parent: code, child: value });
      }
    },
    finish() {
      for (const { parent, child } of children) {
        const n = writer.numberOf(child);
        if (n !== undefined) writer.parent(n, parent);
      }
    },
  };
}

function checkAbout(about: About, file: string): void {
  if (about.url === '')
    throw new CerebraError('invalid', `${file}: the CodeSystem has no url: it can't be found by one`);
}

function systemOf(about: About, file: string, context: LoadContext) {
  checkAbout(about, file);
  const { url, caseSensitive, resource } = about;
  const version = context.version ?? about.version ?? '';
  const named = version === '' ? resource : ({ ...resource, version } as Resource);
  return { url, version, caseSensitive, about: named };
}

/** A resource that is in memory as a whole. */
async function writeResource(resource: Resource, file: string, context: LoadContext): Promise<void> {
  const about = aboutOf(resource);
  await context.system(systemOf(about, file, context), async (writer) => {
    const taker = createTaker(writer, about, file, context);
    for (const { element, within } of walkConcepts(resource)) {
      taker.take(element, within);
      await writer.drain();
    }
    taker.finish();
  });
}

function countConcepts(resource: Resource): number {
  let count = 0;
  for (const _ of walkConcepts(resource)) count++;
  return count;
}

const TAKEN = new Set(['CodeSystem', 'ValueSet', 'ConceptMap', 'NamingSystem']);

async function takeResource(resource: Resource, file: string, context: LoadContext): Promise<void> {
  if (resource.resourceType !== 'CodeSystem') return context.store(resource, file);
  if (countConcepts(resource) > STORED_CONCEPTS_MAX) return writeResource(resource, file, context);
  const { version } = context;
  checkAbout(aboutOf(resource), file);
  return context.store(version === undefined ? resource : ({ ...resource, version } as Resource), file);
}

/** CodeSystems, ValueSets and ConceptMaps: the resource itself or those in a Bundle. */
function resourcesOf(value: JsonObject): Resource[] {
  const found =
    value.resourceType === 'Bundle' ? asArray(value.entry).map((entry) => asObject(entry.resource)) : [value];
  return found.filter((each) => TAKEN.has(asText(each?.resourceType) ?? '')) as unknown as Resource[];
}

async function takeValue(value: JsonObject, file: string, context: LoadContext): Promise<void> {
  const resources = resourcesOf(value);
  if (resources.length === 0) {
    const type = quoted(asText(value.resourceType) ?? 'none');
    throw new CerebraError(
      'invalid',
      `${file}: the resource type is ${type}: expected CodeSystem, or a Bundle of them`,
    );
  }
  for (const resource of resources) await takeResource(resource, file, context);
}

async function readWhole(file: ReleaseFile): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of file.read()) {
    bytes += part.length;
    if (bytes > WHOLE_BYTES_MAX) {
      const text = `${file.name}: more than ${WHOLE_BYTES_MAX} bytes, which only a CodeSystem in JSON may have`;
      throw new CerebraError('too-large', `${text}, its concepts' own members before those within them`);
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** What one pass over a file in JSON tells. */
interface Survey {
  head: JsonObject;
  concepts: number;
  /** It can't be streamed. */
  late: boolean;
}

async function surveyOf(file: ReleaseFile): Promise<Survey> {
  const members: string[] = [];
  let late = false;
  const events = {
    member: (json: string) => void members.push(json),
    late: () => {
      late = true;
    },
  };
  const concepts = await streamConcepts(file, events, async () => undefined);
  return { concepts, late, head: parseJson(`{${members.join(',')}}`).exact as JsonObject };
}

/** A large CodeSystem: a second pass, now that all that it says of itself is known. */
async function streamSystem(file: ReleaseFile, head: JsonObject, context: LoadContext): Promise<void> {
  const about = aboutOf(head as unknown as Resource);
  await context.system(systemOf(about, file.name, context), async (writer) => {
    const taker = createTaker(writer, about, file.name, context);
    const events = { member: () => undefined, late: () => undefined, concept: taker.take };
    await streamConcepts(file, events, () => writer.drain());
    taker.finish();
  });
}

async function readJson(file: ReleaseFile, context: LoadContext): Promise<void> {
  const { head, concepts, late } = await surveyOf(file);
  const isLarge = head.resourceType === 'CodeSystem' && concepts > STORED_CONCEPTS_MAX && !late;
  if (isLarge) return streamSystem(file, head, context);
  return takeValue(parseJson(await readWhole(file)).exact as JsonObject, file.name, context);
}

async function readXmlFile(file: ReleaseFile, context: LoadContext): Promise<void> {
  const codec = createXmlCodec(await loadDefinitions());
  return takeValue((await codec.read(await readWhole(file))) as unknown as JsonObject, file.name, context);
}

const limits = { entriesMax: 200_000, fileBytesMax: WHOLE_BYTES_MAX, totalBytesMax: 8 * 2 ** 30 };
const isPackaged = (name: string): boolean =>
  /^package\/[^/]+\.json$/.test(name) && !/\/(package|\.index)\.json$/.test(name);

/** A FHIR package: https://confluence.hl7.org/display/FHIR/NPM+Package+Specification. What is in it but no terminology is left. */
async function readPackage(file: ReleaseFile, context: LoadContext): Promise<void> {
  let found = 0;
  for await (const { name, content } of readTgz(file.read(), file.name, limits, isPackaged)) {
    const shown = `${file.name}/${name}`;
    try {
      const resources = resourcesOf(parseJson(content.toString('utf8')).exact as JsonObject);
      found += resources.length;
      for (const resource of resources) await takeResource(resource, shown, context);
    } catch (error) {
      if (!(error instanceof CerebraError) || error.status >= 500) throw error;
      tellError(context.faults, shown, error);
    }
  }
  if (found === 0) throw new CerebraError('invalid', `${file.name}: the package has no terminology`);
}

const RESOURCE = /\.(json|xml)$/i;
const PACKAGE = /\.tgz$/i;
const isUsable = (file: ReleaseFile): boolean =>
  (RESOURCE.test(file.name) && !/^(package|\.index)\.json$/.test(baseName(file))) || PACKAGE.test(file.name);

async function readFile(file: ReleaseFile, context: LoadContext): Promise<void> {
  if (PACKAGE.test(file.name)) return readPackage(file, context);
  return /\.xml$/i.test(file.name) ? readXmlFile(file, context) : readJson(file, context);
}

async function read(release: Release, context: LoadContext): Promise<void> {
  const files = release.files.filter(isUsable);
  if (files.length === 0) throw new CerebraError('invalid', `${release.name}: there is no .json, .xml or .tgz in it`);
  for (const file of files) {
    try {
      await readFile(file, context);
    } catch (error) {
      // Of several files the others are loaded.
      if (files.length === 1 || !(error instanceof CerebraError) || error.status >= 500) throw error;
      tellError(context.faults, file.name, error);
    }
  }
}

export const codeSystem: Format = {
  name: 'codesystem',
  title: 'CodeSystem resources (.json, .xml, also in Bundles) and FHIR packages of them (.tgz)',
  fits: (release) => release.files.some(isUsable),
  // Files in JSON are read twice.
  reads: (release) =>
    release.files.filter(isUsable).flatMap((file) => (/\.json$/i.test(file.name) ? [file, file] : [file])),
  read,
};
