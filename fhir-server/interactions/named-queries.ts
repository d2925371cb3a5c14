// What the server tells of its named queries: https://hl7.org/fhir/R4/search.html#query,
// https://hl7.org/fhir/R4/operationdefinition.html (kind `query`)
import { type JsonObject, type NamedQuery, namedQueries, type Resource } from '#fhir-model';
import type { Core } from './core.ts';

const definitionId = ({ resourceType, name }: NamedQuery): string => `${resourceType}-${name}`;

const definitionUrl = (core: Core, query: NamedQuery): string =>
  `${core.baseUrl}/OperationDefinition/${definitionId(query)}`;

/** `CapabilityStatement.rest.resource.operation` of the type's named queries. */
export const namedQueryElements = (core: Core, type: string): JsonObject[] =>
  namedQueries
    .filter(({ resourceType }) => resourceType === type)
    .map((query) => ({
      name: query.name,
      definition: definitionUrl(core, query),
      documentation: `A named query: ${type}?_query=${query.name}. ${query.description}`,
    }));

/** The OperationDefinition of the named query with that id (`Patient-current-inpatients`), if it is one. */
export function namedQueryDefinition(core: Core, id: string): Resource | undefined {
  const query = namedQueries.find((one) => definitionId(one) === id);
  if (query === undefined) return undefined;
  const parameter = query.parameters.map(({ name, type, documentation }) => ({
    ...{ name, use: 'in', min: 0, max: '*', documentation, type: 'string', searchType: type },
  }));
  return {
    ...{ resourceType: 'OperationDefinition', id, url: definitionUrl(core, query) },
    name: id.replace(/(?:^|-)([a-z])/gi, (_, letter: string) => letter.toUpperCase()),
    ...{ title: query.title, status: 'active', kind: 'query', description: query.description },
    ...{ affectsState: false, code: query.name, resource: [query.resourceType] },
    ...{ system: false, type: true, instance: false },
    ...(parameter.length > 0 && { parameter }),
  };
}
