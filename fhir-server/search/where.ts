// All of a search's criteria, and the access scope, as one SQL condition.
import type { Criterion, SearchQuery } from '#fhir-model';
import { groups, isTested, scopeCondition } from './conditions.ts';
import type { ConditionContext } from './index-tests.ts';
import { anyGroup, isJoin } from './joins.ts';
import type { PageContext } from './page.ts';
import type { SqlBuilder } from './sql-text.ts';

export function conditionContext(
  page: PageContext,
  sql: SqlBuilder,
  style: ConditionContext['style'],
): ConditionContext {
  return {
    sql,
    scope: page.scope,
    resourceTypes: page.resourceTypes,
    nowMs: page.nowMs,
    style,
    joins: page.joins,
    found: page.found,
    within: page.within,
    canonicals: page.canonicals,
  };
}

/** The scope and these groups of criteria on `m`. */
export function where(ctx: ConditionContext, criteria: readonly (readonly Criterion[])[]): string {
  return [scopeCondition(ctx, 'm'), ...criteria.map((group) => anyGroup(ctx, group, 'm'))].join(' and ');
}

/** Whether the GIN index of tokens or the index of ids finds the matches of this criterion. */
export const isFound = (criterion: Criterion): boolean => {
  const { param, modifier } = criterion;
  const isHashed = param.type === 'token' || param.type === 'uri';
  return isHashed && modifier === undefined && !isJoin(criterion) && !isTested(criterion);
};

/**
 * For a set: where tokens find the resources the other criteria are looked up for each of them; else index rows are
 * joined, as the planner thinks best.
 */
export function allConditions(page: PageContext, sql: SqlBuilder, query: Pick<SearchQuery, 'criteria'>): string {
  const style = query.criteria.some(isFound) ? 'probe' : 'join';
  return where(conditionContext(page, sql, style), groups(query.criteria));
}
