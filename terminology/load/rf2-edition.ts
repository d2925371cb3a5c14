// Which edition and version a release is: https://confluence.ihtsdotools.org/display/DOCURI/2.1+URIs+for+Editions+and+Versions
import { CerebraError } from '#platform';
import type { LoadContext } from './format.ts';
import { baseName, filesLike, type Release } from './release.ts';
import { isId, rf2Files, SNOMED } from './rf2-files.ts';
import { readTable } from './table.ts';

/** The International Edition's core module: the other modules of that edition depend on it, it names the edition all the same. */
const CORE_MODULE = '900000000000207008';

interface Dependency {
  module: string;
  on: string;
  date: string;
}

async function dependencies(release: Release, { faults }: LoadContext): Promise<Dependency[]> {
  const found: Dependency[] = [];
  const columns = ['active', 'moduleId', 'referencedComponentId', 'sourceEffectiveTime'] as const;
  for (const file of filesLike(release, rf2Files.modules)) {
    for await (const records of readTable<(typeof columns)[number]>(file, '\t', columns, [], faults)) {
      for (const { values } of records) {
        if (values.active !== '1') continue;
        found.push({ module: values.moduleId, on: values.referencedComponentId, date: values.sourceEffectiveTime });
      }
    }
  }
  return found;
}

/** The namespace of an extension's identifier stands before its last three digits; the core's have none. */
const namespaceOf = (id: string): string => (id.at(-3) === '1' ? id.slice(-10, -3) : '');

/** `sct2_Concept_Snapshot_US1000124_20240301.txt`: namespace and date. */
function nameParts(name: string): { namespace: string; date: string } | undefined {
  const [, namespace = '', date] = /_[A-Z]{2,3}(\d{7})?_(\d{8})\.txt$/i.exec(name) ?? [];
  return date === undefined ? undefined : { namespace, date };
}

/** Modules of that namespace on which no other of it depends. */
function roots(all: readonly Dependency[], namespace: string): string[] {
  const own = all.filter(({ module }) => namespaceOf(module) === namespace);
  const needed = new Set(own.filter(({ module, on }) => module !== on).map(({ on }) => on));
  return [...new Set(own.map(({ module }) => module))].filter((module) => !needed.has(module));
}

function moduleOf(release: Release, all: readonly Dependency[], namespace: string): string {
  // Without a namespace it is the International Edition.
  if (namespace === '') return CORE_MODULE;
  const found = roots(all, namespace);
  if (found.length === 1) return found[0]!;
  const which = found.length === 0 ? 'none is told' : `these may be: ${found.slice(0, 10).join(', ')}`;
  const text = `${release.name}: which module names the edition can't be told (${which}): say it with --module`;
  throw new CerebraError('config', text);
}

/**
 * `http://snomed.info/sct/900000000000207008/version/20240131`: an extension goes before what it extends, and the date is
 * that of its files. Throws `config` when that can't be told.
 */
export async function editionOf(release: Release, context: LoadContext): Promise<string> {
  const names = filesLike(release, rf2Files.concept).map((file) => nameParts(baseName(file)));
  const known = names.filter((parts) => parts !== undefined);
  // Of the International Edition and an extension in one folder it is the extension's edition.
  const [first] = known.sort(
    (a, b) => Number(b.namespace !== '') - Number(a.namespace !== '') || (a.date < b.date ? 1 : -1),
  );
  if (!first) {
    throw new CerebraError(
      'config',
      `${release.name}: the names of its files tell no date: say the version with --version`,
    );
  }
  const module = context.module ?? moduleOf(release, await dependencies(release, context), first.namespace);
  if (!isId(module)) throw new CerebraError('config', `--module ${module}: a module is named by its concept id`);
  return `${SNOMED}/${module}/version/${first.date}`;
}
