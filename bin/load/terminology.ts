// `cerebra load-terminology`: docs/terminology.md, "Loading".
import { escapeValue, type Resource } from '#fhir-model';
import type { FhirServer } from '#fhir-server';
import { CerebraError, type Config, createMetrics, type Db, type Log } from '#platform';
import { type LoadedSystem, type LoadFault, loadTerminology, type Stored, type TerminologySummary } from '#terminology';
import { withDatabase } from '../database.ts';
import { baseUrlOf, createFhir, everything } from '../fhir.ts';
import { storing } from '../meanings.ts';
import { createProgressView, type Output } from './progress.ts';
import { createFaultTeller } from './report.ts';
import type { TerminologyArguments } from './terminology-options.ts';
import { count, duration } from './text.ts';

/** Rows on their way, the tables that are indexed at the same time, the hold on the system. */
const POOL_MAX = 8;
const canonicalOf = ({ url, version }: { url: string; version: string }): string =>
  version === '' ? url : `${url}|${version}`;

const terminologyFaultText = ({ file, line, text }: LoadFault): string =>
  `${file}${line === undefined ? '' : `:${line}`}: ${text}`;

/** As files have it: nobody has looked yet whether it is what R4 wants. */
type Canonical = Resource & { url?: unknown; version?: unknown; uniqueId?: { value?: unknown }[] };

/** A criterion without a value would count for nothing: any resource would pass for this one, and `again` overwrite it. */
function criterion(name: string, value: unknown, element: string): Record<string, string> {
  if (typeof value === 'string' && value !== '') return { [name]: escapeValue(value) };
  throw new CerebraError('invalid', `it has no ${element} that is text, by which to tell it from others`);
}

/** What tells it from others. R4's NamingSystem has no URL, but the identifiers that it is about. */
function nameOf({ resourceType, url, version, uniqueId }: Canonical): Record<string, string> {
  if (resourceType === 'NamingSystem') return criterion('value:exact', uniqueId?.[0]?.value, 'uniqueId.value');
  // One that has a version is another, and may be the first of those of that URL.
  const ofVersion: Record<string, string> =
    version === undefined ? { 'version:missing': 'true' } : criterion('version', version, 'version');
  return { ...criterion('url', url, 'url'), ...ofVersion };
}

/** Creates it, or updates the one of the same URL and version; with `again` also when it is there. */
async function store({ reader, writer }: FhirServer, resource: Resource, again: boolean): Promise<Stored> {
  const { resourceType } = resource;
  const query = new URLSearchParams({ ...nameOf(resource as Canonical), _count: '1' });
  const [there] = (await reader.search(resourceType, query.toString(), everything)).resources;
  if (there && !again) return 'present';
  const { id: _id, meta: _meta, ...rest } = resource;
  const entry = there
    ? { method: 'PUT' as const, url: `${resourceType}/${there.id}`, resource: { ...rest, id: there.id } as Resource }
    : { method: 'POST' as const, url: resourceType, resource: rest as Resource };
  const [result] = await writer.transaction([entry], { scope: everything });
  return result!.op === 'create' ? 'created' : 'updated';
}

const loadedText = (system: LoadedSystem, seconds: number): string =>
  `${canonicalOf(system)}: ${count(system.concepts)} concepts, ${count(system.closure)} pairs of ancestor and descendant, in ` +
  `${duration(seconds)}: ${count(system.concepts / Math.max(seconds, 0.001))} concepts/s`;

/** What was stored, what was left out. */
function terminologySummaryText({ stored, faults, interrupted }: TerminologySummary): string {
  const { created, updated, present } = stored;
  const lines: string[] = [];
  if (created + updated + present > 0) {
    lines.push(
      `Stored as resources: ${count(created)} created, ${count(updated)} updated, ${count(present)} there already`,
    );
  }
  if (faults > 0) lines.push(`${count(faults)} fault${faults === 1 ? '' : 's'}: what is named above was left out`);
  if (interrupted)
    lines.push('It was broken off: what was complete is there, and the same command goes on with the rest');
  return lines.join('\n');
}

const exitCodeOf = ({ faults, interrupted }: TerminologySummary): number => (interrupted ? 130 : faults > 0 ? 2 : 0);

interface Loading {
  db: Db;
  fhir: FhirServer;
  asked: TerminologyArguments;
  output: Output;
  signal: AbortSignal;
}

async function loadOne(name: string, { db, fhir, asked, output, signal }: Loading): Promise<number> {
  const { names: _names, ...options } = asked;
  const view = createProgressView(output, () => performance.now(), 'concepts');
  const teller = createFaultTeller(view.say, terminologyFaultText);
  let startedMs = performance.now();
  try {
    const summary = await loadTerminology({
      ...{ ...options, db, name, signal },
      store: (resource) => store(fhir, resource, asked.again),
      onFormat: (format) => view.say(`${name}: read as ${format.name}`),
      onFault: teller.tell,
      onNote: (note) => view.say(`${terminologyFaultText(note)} (nothing is left out)`),
      onProgress: ({ bytesTotal, bytesDone, concepts, faults }) =>
        view.show({
          ...{ bytesTotal, bytesDone, filesDone: 0 },
          counts: { created: concepts, updated: 0, present: 0, refused: faults },
        }),
      onIndexing: (system) => view.say(`${canonicalOf(system)}: all is read; hierarchy and indexes are made …`),
      onGoingOn: (system) => view.say(`${canonicalOf(system)}: goes on after ${count(system.concepts)} concepts`),
      onKnown: (system) =>
        view.say(`${canonicalOf(system)}: loaded already (${count(system.concepts)} concepts); --again loads it`),
      onLoaded(system) {
        view.say(loadedText(system, (performance.now() - startedMs) / 1000));
        startedMs = performance.now();
      },
    });
    view.end();
    if (teller.untold() > 0) view.say(`… and ${count(teller.untold())} more faults`);
    const text = terminologySummaryText(summary);
    if (text !== '') view.say(text);
    return exitCodeOf(summary);
  } finally {
    view.end();
  }
}

async function loadAll(loading: Loading): Promise<number> {
  let worst = 0;
  for (const name of loading.asked.names) {
    worst = Math.max(worst, await loadOne(name, loading));
    if (loading.signal.aborted) break;
  }
  return worst;
}

/** Yields the exit code; throws when it can't go on. */
export function runLoadTerminology(
  config: Config,
  log: Log,
  asked: TerminologyArguments,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  return withDatabase(config, log, POOL_MAX, async (db) => {
    const fhir = await createFhir(
      { config, db, log, metrics: createMetrics() },
      baseUrlOf(config, config.PORT),
      storing,
    );
    return loadAll({ db, fhir, asked, output, signal });
  });
}
