// What filters that look at other resources say of a deletion. No search finds what was deleted, but what it referred to is still
// there: each chain is asked from its second step on.
import { compileExtractor, type Resource, type SearchParam } from '#fhir-model';
import { isCerebraError } from '#platform';
import { type CriteriaRules, parseCriteria } from '../match/criteria.ts';
import type { Elsewhere, StoredCriteria } from '../match/stored.ts';

/** `patient.family`, `subject:Patient.family`: https://hl7.org/fhir/R4/search.html#chaining */
const chainForm = /^([\w-]+)(?::([A-Za-z]+))?\.(.+)$/;

/** One of each list must be found; nothing can be for what is no chain (`_has`, value sets …). */
export function elsewhereOf({ type, search }: StoredCriteria, deleted: Resource, rules: CriteriaRules): Elsewhere[][] {
  return [...new URLSearchParams(search)].map(([name, value]) => {
    const [, code = '', only, rest = ''] = chainForm.exec(name) ?? [];
    const param = rules.parameters.get(type, code);
    if (param?.type !== 'reference') return [];
    const asked = new URLSearchParams([[rest, value]]).toString();
    return [...referredBy(param, deleted, rules)].flatMap(([target, ids]) => {
      if ((only ?? target) !== target || !isAskable(`${target}?${asked}`, rules)) return [];
      return [{ type: target, search: asked, ids: [...ids] }];
    });
  });
}

const extractors = new WeakMap<SearchParam, ReturnType<typeof compileExtractor>>();

/** Ids by type. */
function referredBy(param: SearchParam, resource: Resource, { baseUrl }: CriteriaRules): Map<string, Set<string>> {
  const extract = extractors.get(param) ?? compileExtractor([param], { baseUrl });
  extractors.set(param, extract);
  const found = new Map<string, Set<string>>();
  for (const value of extract(resource)) {
    if (value.kind !== 'reference' || value.type === undefined || value.id === undefined) continue;
    found.set(value.type, (found.get(value.type) ?? new Set()).add(value.id));
  }
  return found;
}

/** Of the types that a reference may lead to, those count that have the next parameter. */
function isAskable(criteria: string, rules: CriteriaRules): boolean {
  try {
    parseCriteria(criteria, rules);
    return true;
  } catch (error) {
    if (isCerebraError(error)) return false;
    throw error;
  }
}
