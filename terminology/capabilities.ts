// What the service can do, for the TerminologyCapabilities: https://hl7.org/fhir/R4/terminologycapabilities.html
import type { JsonObject, OperationSpec } from '#fhir-model';
import { grammarOf, grammarUrls } from './grammars.ts';
import type { CodeSystems } from './systems.ts';
import type { TableSystem } from './tables.ts';

const inputsOf = (operations: readonly OperationSpec[], name: string): JsonObject[] => {
  const { parameters = [] } = operations.find((one) => one.name === name) ?? {};
  return parameters.flatMap(({ use, name: code, documentation }) =>
    use === 'in' ? [{ name: code, ...(documentation !== undefined && { documentation }) }] : [],
  );
};

function versionsOf(systems: readonly TableSystem[]): JsonObject[] {
  return systems.map(({ version }, i) => ({
    ...(version !== '' && { code: version }),
    // Latest first: that is what is meant where no version is named.
    isDefault: i === 0,
    compositional: false,
  }));
}

function grammars(): JsonObject[] {
  return grammarUrls.map((uri) => {
    const version = grammarOf(uri)?.about.version;
    return { uri, ...(version !== undefined && { version: [{ code: version, isDefault: true }] }), subsumption: false };
  });
}

/** Systems that are no resources, and what operations take; systems by URL, sorted. */
export async function describeService(
  systems: CodeSystems,
  operations: readonly OperationSpec[],
): Promise<JsonObject & { codeSystem: JsonObject[] }> {
  await systems.refresh();
  const loaded = Map.groupBy(systems.releases(), ({ url }) => url);
  const tables = [...loaded].map(([uri, some]) => ({ uri, version: versionsOf(some), subsumption: true }));
  const expansion = inputsOf(operations, 'expand');
  return {
    codeSystem: [...grammars(), ...tables].sort((a, b) => (a.uri! < b.uri! ? -1 : 1)),
    expansion: {
      ...{ hierarchical: true, paging: true, incomplete: false },
      ...(expansion.length > 0 && { parameter: expansion }),
      textFilter:
        'Words that begin so, in any order, of codes, displays and designations; case and accents make no difference',
    },
    codeSearch: 'all',
    validateCode: { translations: true },
    translation: { needsMap: true },
    closure: { translation: false },
  };
}
