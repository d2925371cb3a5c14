// What is checked, beyond their structure, of resources that mean something to subscriptions and alerts.
import { alertEndpointNames, subscriptionMeanings } from '#subscriptions';
import type { Beside, FhirParts, Found } from './fhir.ts';

export const meaningsOf = ({ config }: Pick<FhirParts, 'config'>, { baseUrl, resourceTypes, server }: Found) =>
  subscriptionMeanings({
    ...{ baseUrl, resourceTypes, parameters: () => server().parameters },
    endpoints: alertEndpointNames(config.ALERT_ENDPOINTS),
    personal: alertEndpointNames(config.ALERT_ENDPOINTS, 'personal'),
  });

/** Of a command that only stores. */
export const storing: Beside = (parts, found) => ({ meanings: meaningsOf(parts, found) });
