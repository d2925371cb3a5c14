// What makes a search dear that was stopped, as far as its text tells: whoever asked is to know what to change.
import type { Criterion, SearchQuery } from '#fhir-model';
import { isJoin } from './joins.ts';
import { isColumn, sortSource } from './sort.ts';

export interface Advice {
  text: string;
  expression?: string[];
}

const GENERAL: Advice = { text: 'narrow it by further criteria, or leave out _total, _sort or includes' };

/** Its values are read from the resources that match: see sort.ts. */
function sortAdvice({ sort: [first, second] }: Pick<SearchQuery, 'sort'>): Advice | undefined {
  if (!first || isColumn(first.param.code) || sortSource(first.param)) return undefined;
  const { code, type } = first.param;
  const other =
    second && (isColumn(second.param.code) || sortSource(second.param)) ? second.param.code : '_lastUpdated';
  return {
    text: `to sort by ${code}, a ${type}, all that match are read: narrow it by further criteria, or begin with another rule, as in _sort=${other},${code}`,
    expression: ['_sort'],
  };
}

const readsBodies = ({ param, modifier }: Criterion): boolean =>
  param.special === 'content' || (param.type === 'reference' && modifier === 'text');

function criteriaAdvice({ criteria }: Pick<SearchQuery, 'criteria'>): Advice | undefined {
  const found = criteria.find((criterion) => !isJoin(criterion) && readsBodies(criterion));
  if (!found) return undefined;
  return {
    text: `${found.name} has no index, so the resources that the other criteria leave are read: put more of them beside it`,
    expression: [found.name],
  };
}

/** For the message of a search of this kind that has taken too long. */
export const adviceFor = (query: Pick<SearchQuery, 'sort' | 'criteria'> | undefined): Advice =>
  (query && (criteriaAdvice(query) ?? sortAdvice(query))) ?? GENERAL;
