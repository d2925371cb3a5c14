// LOINC's release: https://loinc.org/kb/loinc-file-structure, with FHIR's view of it, https://hl7.org/fhir/R4/loinc.html
import type { SystemWriter } from '../write-system.ts';
import { quoted } from './faults.ts';
import { type Format, type LoadContext, newSystem } from './format.ts';
import { moreFiles, writeAnswerLists, writeLanguages } from './loinc-more.ts';
import { axes, LOINC, properties, termColumns } from './loinc-properties.ts';
import { filesLike, findFile, needFile, type Release, type ReleaseFile } from './release.ts';
import { readTable } from './table.ts';

const files = {
  terms: /^loinc\.csv$/i,
  parts: /^part\.csv$/i,
  partLinks: /^loincpartlink_primary\.csv$/i,
  /** Parts of parts: analyte, challenge, categories and the like. */
  moreLinks: /^loincpartlink_supplementary\.csv$/i,
  hierarchy: /^(componenthierarchybysystem|multiaxialhierarchy)\.csv$/i,
  mapTo: /^mapto\.csv$/i,
};

/** Further names, with the column they stand in as their use. */
const names = ['SHORTNAME', 'DisplayName', 'CONSUMER_NAME', 'RELATEDNAMES2', 'SURVEY_QUEST_TEXT'] as const;
const identity = ['LOINC_NUM', 'LONG_COMMON_NAME', 'COMPONENT', 'STATUS'] as const;
const optional = [...axes, ...names, 'DefinitionDescription', 'EXTERNAL_COPYRIGHT_NOTICE', ...termColumns];
type Term = { [column: string]: string };

function writeTerm(writer: SystemWriter, term: Term, hasParts: boolean): boolean {
  const display = term.LONG_COMMON_NAME || term.SHORTNAME || term.COMPONENT;
  const n = writer.add({
    code: term.LOINC_NUM!,
    display,
    definition: term.DefinitionDescription || undefined,
    inactive: term.STATUS === 'DEPRECATED',
    status: term.STATUS || undefined,
  });
  if (n === undefined) return false;
  for (const name of names) {
    const value = term[name]!;
    if (value !== '' && value !== display) {
      writer.designation(n, { language: 'en-US', useSystem: LOINC, useCode: name, value });
    }
  }
  const columns = hasParts ? termColumns : [...axes, ...termColumns];
  for (const code of ['STATUS', ...columns]) {
    if (term[code] !== '') writer.property(n, { code, type: 'string', value: term[code]! });
  }
  // https://hl7.org/fhir/R4/loinc.html: the filter `copyright`
  const copyright = term.EXTERNAL_COPYRIGHT_NOTICE === '' ? 'LOINC' : '3rdParty';
  writer.property(n, { code: 'copyright', type: 'string', value: copyright });
  return true;
}

async function writeTerms(writer: SystemWriter, file: ReleaseFile, hasParts: boolean, { faults }: LoadContext) {
  for await (const records of readTable<string>(file, ',', identity, optional, faults)) {
    for (const { line, values } of records) {
      if (!/^\d{1,7}-\d$/.test(values.LOINC_NUM!)) {
        faults.tell(file.name, line, `${quoted(values.LOINC_NUM!)} is no LOINC code`);
      } else if (!writeTerm(writer, values, hasParts)) {
        faults.tell(file.name, line, `the code ${values.LOINC_NUM} is there already`);
      }
    }
    await writer.drain();
  }
}

async function writeParts(writer: SystemWriter, file: ReleaseFile, { faults }: LoadContext): Promise<void> {
  const needed = ['PartNumber', 'PartTypeName', 'PartName'] as const;
  const more = ['PartDisplayName', 'Status'] as const;
  for await (const records of readTable<(typeof needed | typeof more)[number]>(file, ',', needed, more, faults)) {
    for (const { line, values } of records) {
      const { PartNumber: code, PartName: name, Status: status } = values;
      const isPart = /^LP\d{1,9}-\d$/.test(code);
      const display = values.PartDisplayName || name;
      const n = isPart
        ? writer.add({ code, display, inactive: status === 'DEPRECATED', status: status || undefined })
        : undefined;
      if (n === undefined) {
        faults.tell(file.name, line, isPart ? `the code ${code} is there already` : `${quoted(code)} is no LOINC part`);
        continue;
      }
      writer.property(n, { code: 'PartTypeName', type: 'string', value: values.PartTypeName });
      if (status !== '') writer.property(n, { code: 'STATUS', type: 'string', value: status });
      if (name !== display)
        writer.designation(n, { language: 'en-US', useSystem: LOINC, useCode: 'PartName', value: name });
    }
    await writer.drain();
  }
}

/** `http://loinc.org/property/COMPONENT` → `COMPONENT` */
const propertyName = (uri: string): string => uri.slice(uri.lastIndexOf('/') + 1);

async function writePartLinks(writer: SystemWriter, file: ReleaseFile, { faults }: LoadContext): Promise<void> {
  const columns = ['LoincNumber', 'PartNumber', 'PartName', 'Property'] as const;
  for await (const records of readTable<(typeof columns)[number]>(file, ',', columns, [], faults)) {
    for (const { line, values } of records) {
      const n = writer.numberOf(values.LoincNumber);
      const code = propertyName(values.Property);
      if (n === undefined) faults.tell(file.name, line, `there is no code ${quoted(values.LoincNumber)}`);
      else if (code === '') faults.tell(file.name, line, 'the row names no property');
      else {
        const part = { value: values.PartNumber, system: LOINC, display: values.PartName };
        writer.property(n, { code, type: 'Coding', ...part });
      }
    }
    await writer.drain();
  }
}

/** A code stands in several places: below several parents. What Part.csv does not have is there for the hierarchy only. */
async function writeHierarchy(writer: SystemWriter, file: ReleaseFile, { faults }: LoadContext): Promise<void> {
  const columns = ['IMMEDIATE_PARENT', 'CODE', 'CODE_TEXT'] as const;
  for await (const records of readTable<(typeof columns)[number]>(file, ',', columns, [], faults)) {
    for (const { line, values } of records) {
      const { CODE: code, IMMEDIATE_PARENT: parent, CODE_TEXT: display } = values;
      const known = writer.numberOf(code);
      if (known === undefined && !code.startsWith('LP')) {
        faults.tell(file.name, line, `there is no code ${quoted(code)}`);
        continue;
      }
      const n = known ?? writer.add({ code, display })!;
      if (parent !== '') writer.parent(n, parent);
    }
    await writer.drain();
  }
}

async function writeMapTo(writer: SystemWriter, file: ReleaseFile, { faults }: LoadContext): Promise<void> {
  for await (const records of readTable(file, ',', ['LOINC', 'MAP_TO'], [], faults)) {
    for (const { line, values } of records) {
      const n = writer.numberOf(values.LOINC);
      if (n === undefined) faults.tell(file.name, line, `there is no code ${quoted(values.LOINC)}`);
      else writer.property(n, { code: 'MAP_TO', type: 'code', value: values.MAP_TO });
    }
    await writer.drain();
  }
}

/** `Loinc_2.77.zip`; else the latest of VersionLastChanged, in which some term always has changed. */
async function versionOf(release: Release, terms: ReleaseFile, { faults }: LoadContext): Promise<string> {
  const named = /loinc[ _-]?v?(\d+\.\d+)/i.exec(`${release.name} ${terms.name}`)?.[1];
  if (named) return named;
  const weight = (version: string): number => {
    const [major = 0, minor = 0] = version.split('.').map(Number);
    return major * 10_000 + minor;
  };
  let latest = '';
  const silent = { ...faults, tell: () => undefined, note: () => undefined };
  for await (const records of readTable(terms, ',', [], ['VersionLastChanged'], silent)) {
    for (const { values } of records) {
      const { VersionLastChanged: version } = values;
      if (/^\d+\.\d+/.test(version) && weight(version) > weight(latest)) latest = version;
    }
  }
  return latest;
}

async function writeRelease(writer: SystemWriter, release: Release, terms: ReleaseFile, context: LoadContext) {
  const part = (pattern: RegExp, called: string): ReleaseFile | undefined => {
    const file = findFile(release, pattern);
    if (!file) context.faults.note(release.name, undefined, `there is no ${called}: what it tells is missing`);
    return file;
  };
  const links = part(files.partLinks, 'LoincPartLink_Primary.csv');
  await writeTerms(writer, terms, links !== undefined, context);
  const parts = part(files.parts, 'Part.csv');
  if (parts) await writeParts(writer, parts, context);
  if (links) await writePartLinks(writer, links, context);
  const moreLinks = findFile(release, files.moreLinks);
  if (moreLinks) await writePartLinks(writer, moreLinks, context);
  const hierarchy = part(files.hierarchy, 'ComponentHierarchyBySystem.csv or MultiAxialHierarchy.csv');
  if (hierarchy) await writeHierarchy(writer, hierarchy, context);
  await writeAnswerLists(writer, release, context);
  const mapTo = findFile(release, files.mapTo);
  if (mapTo) await writeMapTo(writer, mapTo, context);
  await writeLanguages(writer, release, context);
}

async function read(release: Release, context: LoadContext): Promise<void> {
  const terms = needFile(release, files.terms, 'Loinc.csv');
  const version = context.version ?? (await versionOf(release, terms, context));
  const about = { url: LOINC, version, name: 'LOINC', title: 'LOINC', valueSet: 'http://loinc.org/vs' };
  const system = newSystem({
    ...about,
    caseSensitive: false,
    hierarchyMeaning: 'is-a',
    compositional: false,
    properties,
  });
  await context.system(system, (writer) => writeRelease(writer, release, terms, context));
}

const told = [...Object.values(files), ...moreFiles];

export const loinc: Format = {
  name: 'loinc',
  title: 'LOINC: the release as ZIP archive or unpacked',
  fits: (release) => findFile(release, files.terms) !== undefined,
  reads: (release) => told.flatMap((each) => filesLike(release, each)),
  read,
};
