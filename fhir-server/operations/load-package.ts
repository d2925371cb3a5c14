// $load-package: a FHIR package into the store. R4 has no such operation; the package is that of
// https://confluence.hl7.org/display/FHIR/NPM+Package+Specification
import type { JsonObject, OperationAnswer, OperationParameter, OperationRequest, OperationSpec } from '#fhir-model';
import { CerebraError } from '#platform';
import { assertWrites } from '../access/scope.ts';
import type { Core } from '../interactions/core.ts';
import type { InstallSummary } from '../packages/install.ts';
import { loadArchive, loadFrom, type PackageOptions } from '../packages/load.ts';
import { typesToIndex } from '../packages/load-and-index.ts';
import { one, parametersOf } from './answer.ts';
import type { OperationParts } from './parts.ts';
import { indexAnew } from './reindex.ts';

const input = (name: string, type: string, documentation: string): OperationParameter => ({
  ...{ name, use: 'in', min: 0, max: '1', type, documentation },
});
const output = (name: string, type: string, max: string, documentation: string): OperationParameter => ({
  ...{ name, use: 'out', min: 0, max, type, documentation },
});

const parameters: OperationParameter[] = [
  input('package', 'base64Binary', 'The package: a .tgz'),
  input('url', 'uri', 'Where it is, below the registry that this server is configured with (PACKAGE_REGISTRY)'),
  input('examples', 'boolean', 'Whether its examples are stored too; they are not unless asked'),
  input('again', 'boolean', 'Whether a package that is installed is installed anew: what was deleted of it comes back'),
  {
    ...{ name: 'package', use: 'out', min: 1, max: '*', documentation: 'Each package, dependencies first' },
    part: [
      output('name', 'string', '1', 'Such as hl7.fhir.us.core'),
      output('version', 'string', '1', 'Such as 6.1.0'),
      output('outcome', 'code', '1', 'installed, or present: it was installed before and nothing was done'),
      output('created', 'integer', '1', 'Resources that were stored'),
      output('present', 'integer', '1', 'Resources whose canonical and version were here: left as they are'),
      output('missing', 'string', '*', 'name#version of what it depends on and that is not here'),
      output('refused', 'OperationOutcome', '1', 'What could not be stored, and why'),
      output('job', 'id', '1', 'The job of $reindex that indexes what is stored by its search parameters'),
    ],
  },
];

/** Issues of so many files at most. */
const TOLD_MAX = 100;

function refusedOf({ faults }: InstallSummary): JsonObject[] {
  if (faults.length === 0) return [];
  const issue = faults.slice(0, TOLD_MAX).flatMap(({ file, issues }) =>
    issues.map(({ severity, code, diagnostics, expression }) => ({
      ...{ severity, code, diagnostics: `${file}: ${diagnostics}` },
      ...(expression ? { expression } : {}),
    })),
  );
  return [{ name: 'refused', resource: { resourceType: 'OperationOutcome', issue } }];
}

const partOf = (summary: InstallSummary, job: string | undefined): JsonObject => ({
  name: 'package',
  part: [
    { name: 'name', valueString: summary.name },
    { name: 'version', valueString: summary.version },
    { name: 'outcome', valueCode: summary.outcome },
    { name: 'created', valueInteger: summary.created + summary.examples },
    { name: 'present', valueInteger: summary.present },
    ...summary.missing.map(({ name, version }) => ({ name: 'missing', valueString: `${name}#${version}` })),
    ...refusedOf(summary),
    ...(job !== undefined && summary.unindexed.length > 0 ? [{ name: 'job', valueId: job }] : []),
  ],
});

/** `url` stands below the registry: a caller must not make the server call anything else. */
function assertBelow(url: string, registry: string | undefined): string {
  if (registry === undefined) {
    throw new CerebraError(
      'forbidden',
      'This server has no registry of packages (PACKAGE_REGISTRY): send the package',
      {
        expression: ['url'],
      },
    );
  }
  const [wanted, base] = [URL.parse(url), new URL(registry)];
  const below = `${base.pathname.replace(/\/+$/, '')}/`;
  if (wanted?.origin === base.origin && wanted.pathname.startsWith(below) && !wanted.username) return wanted.href;
  throw new CerebraError('forbidden', `Packages come from below ${base.href} only`, { expression: ['url'] });
}

type Loading = (options: PackageOptions) => Promise<InstallSummary[]>;

function loadingOf(core: Core, { packageRegistry }: OperationParts, { input }: OperationRequest): Loading {
  const [text, url] = [one<string>(input, 'package'), one<string>(input, 'url')];
  if ((text === undefined) === (url === undefined)) {
    throw new CerebraError('required', 'Give the package itself, or the url where it is', {
      expression: ['package', 'url'],
    });
  }
  if (url === undefined) return (options) => loadArchive(core, Buffer.from(text!, 'base64'), options);
  const address = assertBelow(url, packageRegistry);
  return (options) => loadFrom(core, address, options);
}

/** One after the other: each holds a part of a package in memory, and two of the same would do everything twice. */
const WAITING_MAX = 4;

function createTurns(): <T>(work: () => Promise<T>) => Promise<T> {
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();
  return async (work) => {
    if (waiting >= WAITING_MAX) {
      throw new CerebraError('too-many-requests', `${WAITING_MAX} packages are being loaded already: try again later`);
    }
    waiting++;
    const turn = last.then(work, work);
    last = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      waiting--;
    }
  };
}

async function load(core: Core, parts: OperationParts, loading: Loading, { input, scope }: OperationRequest) {
  const summaries = await loading({
    scope,
    examples: one<boolean>(input, 'examples') ?? false,
    again: one<boolean>(input, 'again') ?? false,
    alone: false,
    registry: parts.packageRegistry,
    onNote: (note) => parts.log.warn({ note }, 'a package that another depends on could not be had'),
  });
  const types = await typesToIndex(core, summaries);
  const job = types.length > 0 && parts.jobs ? await indexAnew(core, parts.jobs, types) : undefined;
  for (const { name, version, outcome, created } of summaries) {
    parts.log.info({ package: `${name}#${version}`, outcome, created }, 'package loaded');
  }
  return { resource: parametersOf(summaries.map((summary) => partOf(summary, job))) };
}

export function loadPackageOperation(core: Core, parts: OperationParts): OperationSpec {
  const inTurn = createTurns();
  const run = (request: OperationRequest): Promise<OperationAnswer> => {
    assertWrites(request.scope);
    if (request.scope.kind !== 'everything') {
      throw new CerebraError('forbidden', '$load-package needs access to everything');
    }
    const loading = loadingOf(core, parts, request);
    return inTurn(() => load(core, parts, loading, request));
  };
  return {
    name: 'load-package',
    title: 'Load a FHIR package',
    description:
      'Stores the conformance resources of a FHIR package, and of those that it depends on as far as the registry has them',
    url: `${core.baseUrl}/OperationDefinition/load-package`,
    type: true,
    system: true,
    typeLevel: false,
    instanceLevel: false,
    affectsState: true,
    parameters,
    run,
  };
}
