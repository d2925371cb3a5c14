// The package.json of a FHIR package: https://confluence.hl7.org/display/FHIR/NPM+Package+Specification
import { isObject } from '#fhir-model';
import { CerebraError } from '#platform';

export interface Manifest {
  name: string;
  version: string;
  /** Of the guide. */
  canonical: string | undefined;
  title: string | undefined;
  /** What it needs, by name: `6.1.0`, `6.1.x`, `current`. */
  dependencies: ReadonlyMap<string, string>;
}

const NAME = /^(?:@[a-z0-9][a-z0-9._-]*\/)?[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/;
const VERSION = /^[A-Za-z0-9*][A-Za-z0-9.+*_-]{0,99}$/;
const DEPENDENCIES_MAX = 200;
const TITLE_CHARACTERS_MAX = 500;

export const isPackageName = (text: string): boolean => NAME.test(text) && !text.includes('..');
export const isPackageVersion = (text: string): boolean => VERSION.test(text) && !text.includes('..');

/** What this server has without any package: R4 itself, and the code lists that came with it. */
const BUILT_IN = new Set(['hl7.fhir.r4.core', 'hl7.fhir.r4.expansions', 'hl7.fhir.core']);

export const isBuiltIn = (name: string): boolean => BUILT_IN.has(name);

const invalid = (where: string, what: string): CerebraError =>
  new CerebraError('invalid', `${where}: package.json ${what}`);

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value.slice(0, TITLE_CHARACTERS_MAX) : undefined;

function dependenciesOf(value: unknown, where: string): Map<string, string> {
  if (value === undefined || value === null) return new Map();
  if (!isObject(value)) throw invalid(where, 'has dependencies that are no object');
  const all = Object.entries(value);
  if (all.length > DEPENDENCIES_MAX) throw invalid(where, `has more than ${DEPENDENCIES_MAX} dependencies`);
  const wrong = all.find(([name, version]) => !isPackageName(name) || !isPackageVersion(String(version)));
  if (wrong) throw invalid(where, `has a dependency that is none: '${wrong[0].slice(0, 100)}'`);
  return new Map(all.map(([name, version]) => [name, String(version)]));
}

/** R4 is 4.0.0 and 4.0.1; a package that names no version is taken at its word, resource by resource. */
function assertR4(manifest: Record<string, unknown>, where: string): void {
  const given = manifest.fhirVersions ?? manifest['fhir-version-list'];
  const versions = (Array.isArray(given) ? given : []).map(String);
  if (versions.length === 0 || versions.some((version) => /^(?:4\.0(?:\.|$)|R4$)/.test(version))) return;
  throw new CerebraError(
    'unsupported',
    `${where}: the package is for FHIR ${versions.join(', ').slice(0, 100)}; this server has 4.0.1 (R4)`,
  );
}

/** Throws `invalid` for what is no manifest, `unsupported` for a package of another FHIR version. */
export function parseManifest(content: Buffer, where: string): Manifest {
  let json: unknown;
  try {
    json = JSON.parse(content.toString('utf8').replace(/^\uFEFF/, ''));
  } catch {
    throw invalid(where, 'is no JSON');
  }
  if (!isObject(json)) throw invalid(where, 'is no object');
  const { name, version } = json;
  if (typeof name !== 'string' || !isPackageName(name)) throw invalid(where, 'has no name that is one');
  if (typeof version !== 'string' || !isPackageVersion(version)) throw invalid(where, 'has no version that is one');
  assertR4(json, where);
  const [canonical, title] = [textOf(json.canonical), textOf(json.title)];
  return { name, version, canonical, title, dependencies: dependenciesOf(json.dependencies, where) };
}
