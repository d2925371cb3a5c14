// IG_PACKAGES: docs/packages.md. They are loaded once the server takes requests, not before: a registry that is away must not
// keep clinical data out, and from the second start on there is nothing to load. Until a package is there, its profiles are as
// unknown as any other.
import type { FhirServer } from '#fhir-server';
import type { Base } from './parts.ts';

/** One after the other; what fails is logged, and the others are loaded. */
async function loadEach({ config, log }: Base, fhir: FhirServer, names: readonly string[], signal: AbortSignal) {
  for (const name of names) {
    if (signal.aborted) return;
    try {
      await fhir.loadPackages([name], {
        ...{ registry: config.PACKAGE_REGISTRY, examples: false, again: false, alone: false, signal },
        onPackage({ name: found, version, outcome, created, present, faults, missing }) {
          const told = { package: `${found}#${version}`, outcome, created, present, refused: faults.length };
          log.info({ ...told, missing: missing.map((one) => `${one.name}#${one.version}`) }, 'package loaded');
          for (const { file, issues } of faults) {
            log.warn({ package: told.package, file, fault: issues[0]?.diagnostics }, 'not stored');
          }
        },
        onNote: (note) => log.warn({ note }, 'a package that another depends on could not be had'),
      });
    } catch (err) {
      if (!signal.aborted) log.error({ err, package: name }, 'IG_PACKAGES: not loaded; tried again at the next start');
    }
  }
}

/** Returns at once. Stopping the server ends it between two transactions. */
export function startPackages(base: Base, fhir: FhirServer, names: readonly string[]): void {
  if (names.length === 0) return;
  const stopping = new AbortController();
  const loading = loadEach(base, fhir, names, stopping.signal);
  base.lifecycle.onStop('packages', async () => {
    stopping.abort();
    await loading;
  });
}
