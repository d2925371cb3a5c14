// A preparing thread: takes jobs from the process that loads, one after the other. https://nodejs.org/api/worker_threads.html
import { parentPort, workerData } from 'node:worker_threads';
import { baseSearchParameters, createLinks, type Definitions, loadDefinitions, parseSearch } from '#fhir-model';
import { CerebraError, uuidv7 } from '#platform';
import { urlHere, urlsIn } from '../interactions/named-criteria.ts';
import type { Snapshot } from '../parameters/published.ts';
import { createParameters, type LocalParameters } from '../parameters/registry.ts';
import { createPolicy } from '../validation/policy.ts';
import { createValidator } from '../validation/validator.ts';
import type { UrlsNamed } from './conditions.ts';
import { type Preparing, prepareJob } from './prepare.ts';
import { createProfileChecks } from './profiles.ts';
import { createTermBook } from './term-book.ts';
import type { Asks, Settings, Source } from './types.ts';

type FromProcess =
  | { kind: 'job'; job: number; sources: Source[] }
  | { kind: 'committed'; job: number }
  | { kind: 'parameters'; snapshot: Snapshot }
  | { kind: 'answer'; ask: number; value: unknown };

const port = parentPort!;
const settings = workerData as Settings;
const terms = createTermBook(settings.terms);
/** Job → the terms that it brought. */
const unconfirmed = new Map<number, string[]>();
const open = new Map<number, (value: unknown) => void>();
let asked = 0;

function ask<T>(what: string, argument: unknown): Promise<T> {
  const number = asked++;
  return new Promise((resolve) => {
    open.set(number, resolve as (value: unknown) => void);
    port.postMessage({ kind: 'ask', ask: number, what, argument });
  });
}

/** As transactions read them: what is no search is told where it is looked up. */
function namedBy({ parameters }: LocalParameters, { resourceTypes }: Definitions): UrlsNamed {
  const { baseUrl } = settings;
  const options = { parameters, resourceTypes, strict: true, baseUrl, countDefault: 1, countMax: 1 };
  return (type, name, value) => {
    try {
      const urls = urlsIn(parseSearch(type, [[name, value]], options), (one) => urlHere(one, baseUrl));
      const relative = urls.filter((url) => url.startsWith(`${baseUrl}/`));
      return new Map([
        ...urls.map((url) => [url, url] as const),
        ...relative.map((url) => [url.slice(baseUrl.length + 1), url] as const),
      ]);
    } catch (error) {
      if (error instanceof CerebraError) return new Map();
      throw error;
    }
  };
}

async function start(): Promise<Preparing & { indexing: LocalParameters }> {
  const definitions = await loadDefinitions();
  const base = baseSearchParameters(definitions);
  const indexing = createParameters({ definitions, base, baseUrl: settings.baseUrl });
  indexing.take(settings.parameters);
  const policy = createPolicy(definitions, settings.policy);
  const asks: Asks = {
    numbers: (count) => ask('numbers', count),
    matches: (criteria) => ask('matches', criteria),
    definition: (wanted) => ask('definition', wanted),
    codes: (wanted) => ask('codes', wanted),
  };
  return {
    ...settings,
    checks: {
      definitions,
      validator: settings.validate ? createValidator(definitions, indexing.beside, policy.off) : undefined,
      onWrite: settings.validate ? createProfileChecks(definitions, policy, asks) : undefined,
    },
    links: createLinks(definitions),
    asks,
    urlsNamed: namedBy(indexing, definitions),
    indexing,
    terms,
    newId: () => uuidv7(Date.now()),
    now: () => Date.now(),
  };
}

const started = start();

async function run(job: number, sources: Source[]): Promise<void> {
  try {
    const prepared = await prepareJob(await started, sources);
    unconfirmed.set(job, terms.take());
    const buffers = prepared.parts.flatMap(({ tables }) =>
      tables.flatMap(({ bytes, ends }) => [bytes.buffer, ends.buffer]),
    );
    port.postMessage({ kind: 'done', job, prepared }, buffers);
  } catch (error) {
    port.postMessage({ kind: 'failed', job, error });
  }
}

let last: Promise<void> = Promise.resolve();

port.on('message', (message: FromProcess) => {
  if (message.kind === 'answer') {
    open.get(message.ask)?.(message.value);
    open.delete(message.ask);
  } else if (message.kind === 'committed') {
    terms.committed(unconfirmed.get(message.job) ?? []);
    unconfirmed.delete(message.job);
  } else if (message.kind === 'parameters') void started.then(({ indexing }) => indexing.take(message.snapshot));
  else last = last.then(() => run(message.job, message.sources));
});
