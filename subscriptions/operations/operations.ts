// The operations of Subscriptions: http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/components.html
import type { OperationSpec } from '#fhir-model';
import { createNotifications, type Notifications } from '../channels/notification/notifications.ts';
import { storedShape } from '../topics/topics.ts';
import { eventsOperation } from './events.ts';
import type { OperationParts, SubscriptionOperationParts } from './parts.ts';
import { resendOperation } from './resend.ts';
import { statusOperation } from './status.ts';
import { webSocketTokenOperation } from './ws-token.ts';

export function subscriptionOperations(given: SubscriptionOperationParts): OperationSpec[] {
  const { db, reader, feed, scope, resourceTypes, baseUrl } = given;
  // The store comes to be after its operations.
  let made: Notifications | undefined;
  const notifications = () => {
    const rules = () => ({ parameters: given.parameters(), resourceTypes, baseUrl });
    made ??= createNotifications({
      ...{ ...given, reader: reader(), feed: feed(), ownerScope: () => scope },
      shapeOf: (topic, type) => storedShape({ db, rules: rules() }, topic, type),
    });
    return made;
  };
  const parts: OperationParts = { ...given, notifications };
  return [statusOperation(parts), eventsOperation(parts), webSocketTokenOperation(parts), resendOperation(parts)];
}
