// What the rooms beside the FHIR server offer it.
import { hl7Operations } from '#hl7-engine';
import { createEgress, systemClock } from '#platform';
import { activeTopicUrls, subscriptionAdmissions, subscriptionOperations, triageOperation } from '#subscriptions';
import {
  type Beside,
  egressAllowOf,
  everything,
  type FhirParts,
  type Found,
  mailOf,
  scoresOf,
  webSocketUrlOf,
} from './fhir.ts';
import { meaningsOf } from './meanings.ts';

const hl7OperationsOf = ({ config, log, jobs }: FhirParts, { baseUrl, server }: Found) =>
  hl7Operations({
    ...{ baseUrl, clock: systemClock, log, jobs, scope: everything, egressAllow: egressAllowOf(config) },
    reader: () => server().reader,
    writer: () => server().writer,
    config: {
      timeZone: config.HL7_TIME_ZONE,
      sendingApplication: config.HL7_SENDING_APPLICATION,
      sendingFacility: config.HL7_SENDING_FACILITY,
    },
  });

const subscriptionOperationsOf = ({ db, log }: FhirParts, { baseUrl, resourceTypes, server }: Found) =>
  subscriptionOperations({
    ...{ db, log, baseUrl, resourceTypes, clock: systemClock, scope: everything },
    webSocketUrl: webSocketUrlOf(baseUrl),
    reader: () => server().reader,
    feed: () => server().feed,
    parameters: () => server().parameters,
  });

const admissionsOf = ({ config, db }: FhirParts, { baseUrl, resourceTypes, server }: Found) => {
  const egress = createEgress(egressAllowOf(config));
  return subscriptionAdmissions({
    ...{ db, scope: everything, reader: () => server().reader },
    rules: () => ({
      ...{ baseUrl, resourceTypes, egress, parameters: server().parameters },
      email: mailOf(config) !== undefined,
      kafka: config.KAFKA_BROKERS !== undefined,
      fullResource: config.SUBSCRIPTION_FULL_RESOURCE,
    }),
  });
};

/** Of a server. */
export const wholeServer: Beside = (parts, found) => ({
  operations: [
    ...hl7OperationsOf(parts, found),
    ...subscriptionOperationsOf(parts, found),
    triageOperation({
      ...{ baseUrl: found.baseUrl, clock: systemClock, scores: scoresOf(parts.config) },
      reader: () => found.server().reader,
    }),
  ],
  subscriptionTopics: () => activeTopicUrls(parts.db),
  meanings: meaningsOf(parts, found),
  admissions: admissionsOf(parts, found),
});
