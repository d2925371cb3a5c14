// Routes are data in PostgreSQL and in a folder, compiled when they change; every server of a database follows within a second.
import { type Db, isCerebraError, type Log } from '#platform';
import { following } from '../following.ts';
import { type WayIn, wayText } from '../own-ways.ts';
import type { Routes } from '../seams.ts';
import { type CompileContext, type CompiledRoute, compileRoute, sourceTest } from './compile.ts';
import { CompileFault } from './compile-fault.ts';
import { createPathSlots } from './condition.ts';
import { createDeployment, type Deployment } from './deployment.ts';
import { elementProblems } from './element-fault.ts';
import { createRouteFolder } from './folder.ts';
import { problemsText, type RouteProblem, readRoute } from './read-route.ts';
import type { Route } from './schema.ts';
import { createRouteStore, type RouteStore, type StoredVersion } from './store.ts';

export interface RoutesOptions extends Omit<CompileContext, 'slots'> {
  db: Db;
  log: Log;
  /** Names that queues may have; left out: any. */
  destinations?: () => readonly string[];
  /** The way in of this server that a destination leads to, where it leads to one. */
  ownWay?: (destination: string) => WayIn | undefined;
  /** Names that profiles may have; left out: any. */
  profiles?: () => readonly string[];
  /** Of route files; none where it is left out. */
  folder?: string | undefined;
  /** How soon a change by another server, or of a file, is in force; default 1 s. */
  pollIntervalMs?: number;
}

export interface RouteRegistry extends Routes {
  readonly store: RouteStore;
  readonly deployment: Deployment;
  /** What the schema cannot see of a route that somebody wants; nothing is put in force. */
  check(route: Route): Promise<RouteProblem[]>;
  /** Compiles a draft for a dry run. Throws CompileFault. */
  compile(route: Route): CompiledRoute;
  /** Loads what a route's validation needs. Throws CerebraError `unavailable`. */
  prepare(route: Route): Promise<void>;
  /** Destinations that the route sends to and this server does not have: its messages are refused. */
  missing(route: Route): RouteProblem[];
  /** By id, why the latest version of a route is not in force in this server, or refuses its messages. */
  readonly problems: ReadonlyMap<string, string>;
  /** Deploys what is stored, and follows. Until then the built-in route takes everything. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Sees now what would be seen at the next poll. */
  refresh(): Promise<void>;
}

const pollIntervalDefaultMs = 1_000;

function unknownDestinations(route: Route, known: readonly string[] | undefined): RouteProblem[] {
  if (known === undefined) return [];
  return route.destinations.flatMap((one, index) => {
    if (one.kind === 'fhir' || known.includes(one.name)) return [];
    const problem = `no such destination; HL7_DESTINATIONS has ${known.join(', ') || 'none'}: add it there first`;
    return [{ path: `destinations[${index}].name`, problem }];
  });
}

function unknownProfile({ validation: { profile } }: Route, known: readonly string[] | undefined): RouteProblem[] {
  if (profile === undefined || known === undefined || known.includes(profile)) return [];
  const problem = `no such profile; there are ${known.join(', ') || 'none'}: add it to HL7_PROFILES_DIR or /admin/hl7/profiles`;
  return [{ path: 'validation.profile', problem }];
}

/**
 * Destinations that lead to where the route takes its messages from. `endless`: only those where no condition keeps what
 * comes back from being sent once more.
 */
function returning(route: Route, ownWay: RoutesOptions['ownWay'], which: 'all' | 'endless'): RouteProblem[] {
  const takes = sourceTest(route.source);
  const isConditional = route.match !== undefined || route.filter.length > 0;
  return route.destinations.flatMap((one, index) => {
    const way = one.kind === 'fhir' ? undefined : ownWay?.(one.name);
    if (one.kind === 'fhir' || way === undefined || !takes(way)) return [];
    if (which === 'endless' && (isConditional || one.filter !== undefined)) return [];
    const problem =
      `it leads to ${wayText(way)} of this server, from which the route takes its messages: they would go round and round. ` +
      'Send elsewhere, or give the route a source or a match that leaves them out';
    return [{ path: `destinations[${index}].name`, problem }];
  });
}

export function createRoutes(options: RoutesOptions): RouteRegistry {
  const { db, log, pollIntervalMs = pollIntervalDefaultMs } = options;
  const store = createRouteStore(db);
  const deployment = createDeployment(options);
  const folder = options.folder === undefined ? undefined : createRouteFolder(options.folder, store, log);
  const problems = new Map<string, string>();
  let seen: bigint | undefined;

  async function follow(): Promise<void> {
    await folder?.scan();
    const revision = await store.revision();
    if (revision === seen) return;
    for (const head of await store.heads()) await apply(head);
    seen = revision;
  }

  async function apply(head: StoredVersion): Promise<void> {
    const { id, version, body } = head;
    if (body === null) {
      if (deployment.version(id) !== undefined) deployment.remove(id);
      problems.delete(id);
      return;
    }
    if (deployment.version(id) === version) return;
    try {
      const read = readRoute(JSON.parse(body));
      if ('problems' in read) throw new RangeError(problemsText(read.problems));
      await prepare(read.route);
      deployment.put(read.route, version);
      problems.delete(id);
      log.info({ route: id, version }, 'HL7 route in force');
      warnOfMissing(read.route, version);
      warnOfReturning(read.route, version);
    } catch (error) {
      // Not the route's fault: it is looked at again at the next poll.
      if (isCerebraError(error)) throw error;
      const problem = (error as Error).message;
      problems.set(id, problem);
      log.error({ route: id, version, problem }, 'HL7 route not in force; its former version stays');
    }
  }

  const missing = (route: Route): RouteProblem[] => unknownDestinations(route, options.destinations?.());
  /** It was there when the route was made: whoever took it out of the configuration forgot the route. */
  function warnOfMissing(route: Route, version: number): void {
    const lacking = route.enabled ? missing(route) : [];
    if (lacking.length === 0) return;
    const problem = `its messages are refused: ${problemsText(lacking)}`;
    problems.set(route.id, problem);
    log.warn({ route: route.id, version, problem }, 'HL7 route in force lacks a destination');
  }

  function warnOfReturning(route: Route, version: number): void {
    const back = route.enabled ? returning(route, options.ownWay, 'all') : [];
    if (back.length === 0) return;
    const endless = returning(route, options.ownWay, 'endless');
    if (endless.length > 0) problems.set(route.id, problemsText(endless));
    log.warn({ route: route.id, version, problem: problemsText(back) }, 'HL7 route in force gets what it sends');
  }

  const prepare = async (route: Route): Promise<void> => options.prepare?.(route);
  const compile = (route: Route): CompiledRoute => compileRoute(route, 0, { ...options, slots: createPathSlots() });

  async function check(route: Route): Promise<RouteProblem[]> {
    try {
      compile(route);
      const unknown = unknownProfile(route, options.profiles?.());
      const elements = await elementProblems(route);
      const back = returning(route, options.ownWay, 'endless');
      return [...elements, ...unknown, ...missing(route), ...back];
    } catch (error) {
      if (error instanceof CompileFault) return [error.problem];
      throw error;
    }
  }

  const { refresh, start, stop } = following(follow, pollIntervalMs, (err) =>
    log.warn({ err }, 'HL7 routes could not be read; those in force stay'),
  );
  return {
    store,
    deployment,
    problems,
    missing,
    check,
    compile,
    prepare,
    plan: deployment.plan,
    refresh,
    start,
    stop,
  };
}
