// The routes that are in force, and which of them a message takes.
import type { Hl7Message } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';
import type { RoutePlan, Source } from '../seams.ts';
import { type CompileContext, type CompiledRoute, compileRoute } from './compile.ts';
import { asking, createPathSlots } from './condition.ts';
import { type Route, routeSchema } from './schema.ts';

/** Takes what no other route takes, into the FHIR store; a route of the same id stands in its place. */
export const builtInRoute: Route = routeSchema.parse({
  id: 'default',
  name: 'Everything into the FHIR store',
  priority: -1000,
});

export interface Deployment {
  /** In the order in which they are asked; disabled ones are not among them. */
  routes(): readonly CompiledRoute[];
  find(id: string): CompiledRoute | undefined;
  /** Compiles it and puts it in the place of its former version. Throws CompileFault, and leaves that one, when it cannot be compiled. */
  put(route: Route, version: number): void;
  remove(id: string): void;
  /** The version that is in force, whether enabled or not. */
  version(id: string): number | undefined;
  /** Throws Refusal AR where no route takes the message. */
  plan(message: Hl7Message, source: Source): RoutePlan;
}

export function createDeployment(context: Omit<CompileContext, 'slots'>): Deployment {
  const slots = createPathSlots();
  const byId = new Map<string, CompiledRoute>();
  // Replaced as a whole: a message that is being looked at keeps the list that it began with.
  let inOrder: readonly CompiledRoute[] = [];
  const builtIn = compileRoute(builtInRoute, 0, { ...context, slots });
  const arrange = (): void => {
    const all = byId.has(builtInRoute.id) ? [...byId.values()] : [...byId.values(), builtIn];
    inOrder = all.filter(({ route }) => route.enabled).toSorted(compare);
  };
  arrange();
  return {
    routes: () => inOrder,
    find: (id) => byId.get(id) ?? (id === builtInRoute.id ? builtIn : undefined),
    put(route, version) {
      byId.set(route.id, compileRoute(route, version, { ...context, slots }));
      arrange();
    },
    remove(id) {
      byId.delete(id);
      arrange();
    },
    version: (id) => byId.get(id)?.version,
    plan(message, source) {
      const asked = asking(message);
      for (const route of inOrder) {
        if (route.takes(source) && (route.match?.test(asked) ?? true)) return route.plan(asked);
      }
      throw noRoute();
    },
  };
}

export const noRoute = (): Refusal =>
  new Refusal('AR', '200', 'No route takes this message: none that is enabled matches its source and content');

function compare(one: CompiledRoute, other: CompiledRoute): number {
  return other.route.priority - one.route.priority || (one.route.id < other.route.id ? -1 : 1);
}
