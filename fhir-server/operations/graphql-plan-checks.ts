// What a query has where it can't have it: https://hl7.org/fhir/R4/graphql.html#errors
import type { FieldNode, NamedTypeNode, TypeNode, VariableDefinitionNode } from 'graphql';
import type { Definitions } from '#fhir-model';
import { fault } from './graphql-faults.ts';
import type { Argued, Directives } from './graphql-selections.ts';
import { isInput } from './graphql-types.ts';

/** What is no data of resources is not rearranged. */
export function assertPlain({ flatten, first, singleton, slice }: Directives, node: FieldNode): void {
  if (!flatten && !first && !singleton && slice === undefined) return;
  throw fault('invalid', '@flatten, @first, @singleton and @slice are for elements and resources', node);
}

export function assertMetaArguments(args: readonly Argued[]): void {
  for (const { node, given } of args) {
    const name = node.name.value;
    if (name === 'includeDeprecated' && typeof given === 'boolean') continue;
    throw fault('invalid', 'Lists of the schema have the argument includeDeprecated, a boolean', node, name);
  }
}

const namedTypeOf = (type: TypeNode): NamedTypeNode => (type.kind === 'NamedType' ? type : namedTypeOf(type.type));

/** "SHALL return an error when … types … are not recognized": https://hl7.org/fhir/R4/graphql.html#errors */
export function assertVariables(definitions: Definitions, variables: readonly VariableDefinitionNode[]): void {
  for (const { type, variable } of variables) {
    const named = namedTypeOf(type);
    if (isInput(definitions, named.name.value)) continue;
    const text = `There is no type '${named.name.value.slice(0, 80)}' of variables`;
    throw fault('invalid', text, named, variable.name.value);
  }
}
