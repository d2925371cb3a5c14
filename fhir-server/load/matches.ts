// What criteria match in the store, for conditional references and creates: https://hl7.org/fhir/R4/http.html#trules
import type { AccessScope } from '#fhir-model';
import { isCerebraError, type Queryable } from '#platform';
import type { Core } from '../interactions/core.ts';
import { matchCriteria, parseCriteria } from '../interactions/search.ts';
import type { Match } from './types.ts';

/** A hundred thousand practitioners and places are some 20 MB. */
const KNOWN_MAX = 100_000;
/** Look-ups under way at once. */
const LOOKUPS_MAX = 4;

export interface Matches {
  of(criteria: string[]): Promise<Match[]>;
  /** As this transaction sees it. */
  within(db: Queryable, criteria: string): Promise<Match>;
}

const several: Match = {
  kind: 'fault',
  diagnostics: 'The criteria match more than one resource: make them more exact',
};

export function createMatches(core: Core, scope: AccessScope): Matches {
  const known = new Map<string, Match>();
  const lookUp = async (db: Queryable, criteria: string): Promise<Match> => {
    const question = criteria.indexOf('?');
    try {
      const query = parseCriteria(core, criteria.slice(0, question), criteria.slice(question + 1), 'criteria');
      const [match, ...more] = await matchCriteria(core, query, { scope, db });
      if (more.length > 0) return several;
      return match ? { kind: 'found', reference: `${match.type}/${match.id}` } : { kind: 'none' };
    } catch (error) {
      if (isCerebraError(error) && error.status < 500) return { kind: 'fault', diagnostics: error.message };
      throw error;
    }
  };
  const find = async (criteria: string): Promise<Match> => {
    const before = known.get(criteria);
    if (before) return before;
    const match = await lookUp(core.store.db, criteria);
    if (known.size >= KNOWN_MAX) known.clear();
    // What is not there now may be soon.
    if (match.kind === 'found') known.set(criteria, match);
    return match;
  };
  return {
    async of(criteria) {
      const found: Match[] = [];
      for (let i = 0; i < criteria.length; i += LOOKUPS_MAX) {
        found.push(...(await Promise.all(criteria.slice(i, i + LOOKUPS_MAX).map(find))));
      }
      return found;
    },
    within: lookUp,
  };
}
