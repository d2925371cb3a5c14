// A topic, a rule or a chain of escalation that can't be carried out is refused when it is written, and told why, by element.
import { isTopicBasic, type SearchParameters, type Validator } from '#fhir-model';
import { checkRule } from '../alerts/rule-set.ts';
import { checkChain } from '../escalation/chain.ts';
import type { CriteriaRules } from '../match/criteria.ts';
import { topicIssues } from './compile.ts';
import { readTopic } from './read-topic.ts';

export interface MeaningOptions extends Omit<CriteriaRules, 'parameters'> {
  /** Asked for when something is checked: what offers them needs the checks itself. */
  parameters: () => SearchParameters;
  /** Names of ALERT_ENDPOINTS, which chains of escalation may name. */
  endpoints?: ReadonlySet<string>;
  /** Those of them that have no address of their own: they tell the people of a step. */
  personal?: ReadonlySet<string>;
}

/** What this room checks of resources that are written, by type. */
export function subscriptionMeanings({
  parameters,
  endpoints = new Set(),
  personal = new Set(),
  ...options
}: MeaningOptions): Record<string, Validator> {
  return {
    Basic: {
      validate(resource) {
        if (!isTopicBasic(resource)) return [];
        return topicIssues(readTopic(resource, options.resourceTypes), { ...options, parameters: parameters() });
      },
    },
    PlanDefinition: {
      validate: (resource) => [
        ...checkRule(resource, { ...options, parameters: parameters() }),
        ...checkChain(resource, endpoints, personal),
      ],
    },
  };
}
