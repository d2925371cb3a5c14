// All of a search's criteria, and the access scope, as one SQL condition.
import type { Criterion, SearchQuery } from '#fhir-model';
import { type ConditionContext, groupCondition, groups, scopeCondition } from './conditions.ts';
import type { PageContext } from './page.ts';
import type { SqlBuilder } from './sql-text.ts';

export function conditionContext(
  page: PageContext,
  sql: SqlBuilder,
  style: ConditionContext['style'],
): ConditionContext {
  return { sql, scope: page.scope, resourceTypes: page.resourceTypes, nowMs: page.nowMs, style };
}

/** The scope and these groups of criteria on `m`. */
export function where(ctx: ConditionContext, criteria: readonly (readonly Criterion[])[]): string {
  return [scopeCondition(ctx, 'm'), ...criteria.map((group) => groupCondition(ctx, group, 'm'))].join(' and ');
}

/** Whether the GIN index of tokens or the index of ids finds the matches of this criterion. */
const isFound = ({ param, modifier, chain }: Criterion): boolean =>
  modifier === undefined && !chain && (param.type === 'token' || param.type === 'uri');

/**
 * For a set: where tokens find the resources the other criteria are looked up for each of them; else index rows are
 * joined, as the planner thinks best.
 */
export function allConditions(page: PageContext, sql: SqlBuilder, query: SearchQuery): string {
  const style = query.criteria.some(isFound) ? 'probe' : 'join';
  return where(conditionContext(page, sql, style), groups(query.criteria));
}
