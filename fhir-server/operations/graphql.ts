// $graphql: https://hl7.org/fhir/R4/graphql.html, https://hl7.org/fhir/R4/resource-operation-graphql.html
import type { OperationParameter, OperationSpec } from '#fhir-model';
import type { Core } from '../interactions/core.ts';
import { BODY_TYPES } from './graphql-request.ts';
import type { OperationParts } from './parts.ts';

const text = (name: string, documentation: string): OperationParameter => ({
  ...{ name, use: 'in', min: 0, max: '1', type: 'string', documentation },
});

export const graphqlOperation = (core: Core, parts: OperationParts): OperationSpec => ({
  name: 'graphql',
  title: 'Execute a graphql statement',
  description:
    'Answers a GraphQL query on a resource, on resources of a type, or on all, and carries out mutations but on one resource: application/json, or application/graphql, may be posted as well; a mutation comes in the body',
  url: 'http://hl7.org/fhir/OperationDefinition/Resource-graphql',
  type: true,
  system: true,
  typeLevel: true,
  instanceLevel: true,
  affectsState: false,
  bodyTypes: BODY_TYPES,
  parameters: [
    text('query', 'The query; needed unless the body has it'),
    text('variables', 'Values of its variables, a JSON object'),
    text('operationName', 'Which of its operations is meant, where there are several'),
    {
      ...{ name: 'result', use: 'out', min: 1, max: '1', type: 'Binary' },
      documentation: 'application/json with data, or with errors, each with an OperationOutcome in extensions.resource',
    },
  ],
  // The parser and what carries a query out are 5 MB that many a server never needs.
  run: async (request) => (await import('./graphql-answer.ts')).answer(core, parts, request),
});
