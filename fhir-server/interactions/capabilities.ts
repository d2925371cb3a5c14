// https://hl7.org/fhir/R4/capabilitystatement.html: derived from the routes, the definitions and the search parameters.
import type { JsonObject } from '#fhir-model';
import type { Core } from './core.ts';

/** What of a route the statement tells. */
interface Offer {
  interaction: string;
  level: 'type' | 'system' | 'none';
}

/** Parameter types whose values are indexed; the others are left out of the statement. */
const SEARCHABLE = new Set(['number', 'date', 'string', 'token', 'reference', 'quantity', 'uri']);

const codes = (offers: readonly Offer[], level: Offer['level']): string[] => [
  ...new Set(offers.filter((offer) => offer.level === level).map((offer) => offer.interaction)),
];

function resource(core: Core, type: string, interactions: string[], offers: readonly Offer[]): JsonObject {
  const params = core.parameters.list(type).filter((param) => SEARCHABLE.has(param.type));
  const references = params.filter((param) => param.type === 'reference').map((param) => `${type}:${param.code}`);
  const offered = (interaction: string) => offers.some((offer) => offer.interaction === interaction);
  return {
    type,
    profile: `http://hl7.org/fhir/StructureDefinition/${type}`,
    interaction: interactions.map((code) => ({ code })),
    versioning: 'versioned-update',
    readHistory: true,
    updateCreate: true,
    conditionalCreate: true,
    conditionalRead: 'full-support',
    conditionalUpdate: offered('conditional-update'),
    conditionalDelete: offered('conditional-delete') ? 'single' : 'not-supported',
    referencePolicy: ['literal', 'local'],
    ...(references.length > 0 ? { searchInclude: references } : {}),
    searchParam: params.map(({ code, url, type: kind, description }) => ({
      name: code,
      definition: url,
      type: kind,
      ...(description ? { documentation: description } : {}),
    })),
  };
}

const texts = new WeakMap<Core, string>();

/** The statement as JSON text; the same for the server's whole life. */
export function capabilityStatement(core: Core, offers: readonly Offer[]): string {
  const known = texts.get(core);
  if (known !== undefined) return known;
  const interactions = codes(offers, 'type');
  const system = codes(offers, 'system').flatMap((code) =>
    code === 'transaction' ? ['transaction', 'batch'] : [code],
  );
  const text = JSON.stringify({
    resourceType: 'CapabilityStatement',
    status: 'active',
    date: new Date(core.store.clock.now()).toISOString(),
    kind: 'instance',
    software: { name: 'Cerebra', version: core.softwareVersion },
    implementation: { description: 'Cerebra FHIR server', url: core.baseUrl },
    fhirVersion: '4.0.1',
    format: ['application/fhir+json', 'json'],
    rest: [
      {
        mode: 'server',
        resource: core.definitions.resourceTypes.map((type) => resource(core, type, interactions, offers)),
        interaction: system.map((code) => ({ code })),
      },
    ],
  });
  texts.set(core, text);
  return text;
}
