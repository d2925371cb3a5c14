// Names and types of segments, fields and data types, and message structures, for 2.1 to 2.8: HL7 v2 appendix A, from hl7v2-dictionary
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { CerebraError, ownValue } from '#platform';

/** A field of a segment, or a component of a data type. */
export interface FieldDefinition {
  /** `Patient Identifier List` */
  name: string;
  /** `CX`; `VARIES` where another field tells it (OBX-2, MFI-1). */
  type: string;
  /** R required, O optional, C conditional, B for backward compatibility, S … as the standard's tables have it. */
  usage: string;
  min: 0 | 1;
  /** Infinity where it repeats without limit. */
  max: number;
  /** Characters; undefined where the version sets no limit. */
  length: number | undefined;
  /** HL7 table, as `0001`. */
  table: string | undefined;
}

/** A segment or a group within a message structure. */
export interface StructureNode {
  /** `PID`; of a choice all names with commas (`OBR,RXO`); of a group its name (`PATIENT_RESULT`). */
  name: string;
  min: number;
  max: number;
  /** Of a group. */
  children: readonly StructureNode[] | undefined;
}

export interface Dictionary {
  /** From the oldest. */
  readonly versions: readonly string[];
  /** The version that MSH-12 says; the next lower one where it has no tables (2.8.2, 2.9), 2.5.1 where it says none. */
  nearest(version: string | undefined): string;
  fieldOf(version: string, segment: string, number: number): FieldDefinition | undefined;
  /** In order, from field 1; undefined for a segment that the version has not. */
  fieldsOf(version: string, segment: string): readonly (FieldDefinition | undefined)[] | undefined;
  /** In order, from component 1; none for a type without components, undefined for one that the version has not. */
  componentsOf(version: string, type: string): readonly (FieldDefinition | undefined)[] | undefined;
  /**
   * By the name of the structure (`ORU_R01`) or of the event (`ADT_A04`), as the version has it. Where a segment stands twice in
   * one group (ROL in ADT_A01) only one of the two is there: enough to find groups, not to validate.
   */
  structureOf(version: string, structure: string): readonly StructureNode[] | undefined;
}

interface FieldTable {
  type: string;
  desc?: string;
  opt?: string;
  rep?: number | 'infinite';
  len?: number;
  table?: number;
}

interface NodeTable {
  idx: number;
  min?: number;
  max?: number;
  segments?: Record<string, NodeTable>;
}

interface VersionTables {
  segments: Record<string, { fields: Record<string, FieldTable> }>;
  types: Record<string, { fields?: Record<string, FieldTable> }>;
  messages: Record<string, { segments?: Record<string, NodeTable> }>;
}

const program = path.join(import.meta.dirname, 'dictionary-tables.ts');
const outputBytesMax = 32 * 1024 * 1024;
const timeoutMs = 120_000;

let loaded: Promise<Dictionary> | undefined;

/**
 * The dictionary; loaded once, when first asked for. hl7v2-dictionary brings a validation library that takes 270 MB and
 * keeps them: so a process of its own reads the tables, in about 2 s, and this one gets them as text (5 MB), taken apart
 * version by version. Throws CerebraError `unavailable` where that process fails; the next call tries again.
 */
export function loadDictionary(): Promise<Dictionary> {
  loaded ??= readTables().catch((error: unknown) => {
    loaded = undefined;
    throw new CerebraError('unavailable', 'The HL7 dictionary could not be loaded', { cause: error });
  });
  return loaded;
}

async function readTables(): Promise<Dictionary> {
  const options = { maxBuffer: outputBytesMax, timeout: timeoutMs };
  const { stdout } = await promisify(execFile)(process.execPath, [program], options);
  const lines = stdout.split('\n').filter((line) => line !== '');
  return dictionaryOf(new Map(lines.map((line) => [/^\{"version":"([\d.]+)"/.exec(line)![1]!, line])));
}

function dictionaryOf(lines: ReadonlyMap<string, string>): Dictionary {
  const versions = [...lines.keys()].toSorted(byVersion);
  const texts = new Map(lines);
  const tables = new Map<string, VersionTables>();
  const tablesOf = (version: string): VersionTables | undefined => {
    const text = texts.get(version);
    if (text !== undefined) tables.set(version, JSON.parse(text) as VersionTables);
    texts.delete(version);
    return tables.get(version);
  };
  const definitions = new Map<string, readonly (FieldDefinition | undefined)[] | undefined>();
  const definitionsOf = (key: string, fields: () => Record<string, FieldTable> | undefined) => {
    if (!definitions.has(key)) definitions.set(key, inOrder(fields()));
    return definitions.get(key);
  };
  const fieldsOf: Dictionary['fieldsOf'] = (version, segment) => {
    const known = ownValue(tablesOf(version)?.segments, segment);
    return known && definitionsOf(`${version} ${segment}`, () => known.fields);
  };
  return {
    versions,
    nearest: (version) => nearestOf(versions, version),
    fieldsOf,
    fieldOf: (version, segment, number) => fieldsOf(version, segment)?.[number - 1],
    componentsOf(version, type) {
      const known = ownValue(tablesOf(version)?.types, type);
      return known && definitionsOf(`${version} type ${type}`, () => known.fields ?? {});
    },
    structureOf(version, structure) {
      const known = ownValue(tablesOf(version)?.messages, structure);
      return known && nodesOf(known.segments);
    },
  };
}

function inOrder(fields: Record<string, FieldTable> | undefined): (FieldDefinition | undefined)[] | undefined {
  if (fields === undefined) return undefined;
  const result: (FieldDefinition | undefined)[] = [];
  for (const [number, field] of Object.entries(fields)) result[Number(number) - 1] = definitionOf(field);
  return Array.from(result);
}

function definitionOf({ type, desc = '', opt = 'O', rep = 1, len, table }: FieldTable): FieldDefinition {
  return {
    name: desc,
    type,
    usage: opt,
    min: opt === 'R' ? 1 : 0,
    max: rep === 'infinite' ? Number.POSITIVE_INFINITY : rep,
    length: len,
    table: table === undefined ? undefined : String(table).padStart(4, '0'),
  };
}

function nodesOf(nodes: Record<string, NodeTable> = {}): StructureNode[] {
  return Object.entries(nodes)
    .toSorted(([, one], [, other]) => one.idx - other.idx)
    .map(([name, { min = 0, max = Number.POSITIVE_INFINITY, segments }]) => ({
      name,
      min,
      max,
      children: segments && nodesOf(segments),
    }));
}

const numbersOf = (version: string): number[] => version.split('.').map(Number);

function byVersion(one: string, other: string): number {
  const [ones, others] = [numbersOf(one), numbersOf(other)];
  for (let at = 0; at < Math.max(ones.length, others.length); at++) {
    const difference = (ones[at] ?? 0) - (others[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

const defaultVersion = '2.5.1';

function nearestOf(versions: readonly string[], version: string | undefined): string {
  if (version === undefined || !/^\d+(\.\d+)*$/.test(version)) return defaultVersion;
  return versions.findLast((known) => byVersion(known, version) <= 0) ?? versions[0]!;
}
