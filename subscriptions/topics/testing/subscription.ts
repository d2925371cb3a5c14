// A Subscription to any topic, as clients of the guide write it.
import type { JsonObject, Resource } from '#fhir-model';
import { guide, topicSubscription } from '../../testing/topic.ts';

export { guide };

/** To the topic `criteria`, for ids; `channel` is put over the usual one. */
export function subscriptionTo(
  criteria: string,
  id: string,
  endpoint: string,
  filters: string[] = [],
  channel: JsonObject = {},
): Resource & { id: string } {
  const filter = (valueString: string) => ({ url: `${guide}/backport-filter-criteria`, valueString });
  const usual = topicSubscription(id, endpoint, { content: 'id-only' });
  return {
    ...usual,
    ...{ criteria, meta: { profile: [`${guide}/backport-subscription`] } },
    ...(filters.length > 0 ? { _criteria: { extension: filters.map(filter) } } : {}),
    channel: { ...(usual.channel as JsonObject), ...channel },
  };
}
