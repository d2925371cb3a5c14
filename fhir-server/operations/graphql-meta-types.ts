// The types that a query about the schema itself is answered with: https://spec.graphql.org/October2021/#sec-Schema-Introspection

/** By type its fields, as GraphQL writes their types. */
export const META_TYPES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  __Schema: {
    description: 'String',
    types: '[__Type!]!',
    queryType: '__Type!',
    mutationType: '__Type',
    subscriptionType: '__Type',
    directives: '[__Directive!]!',
  },
  __Type: {
    kind: '__TypeKind!',
    name: 'String',
    description: 'String',
    specifiedByURL: 'String',
    fields: '[__Field!]',
    interfaces: '[__Type!]',
    possibleTypes: '[__Type!]',
    enumValues: '[__EnumValue!]',
    inputFields: '[__InputValue!]',
    ofType: '__Type',
    isOneOf: 'Boolean',
  },
  __Field: {
    name: 'String!',
    description: 'String',
    args: '[__InputValue!]!',
    type: '__Type!',
    isDeprecated: 'Boolean!',
    deprecationReason: 'String',
  },
  __InputValue: {
    name: 'String!',
    description: 'String',
    type: '__Type!',
    defaultValue: 'String',
    isDeprecated: 'Boolean!',
    deprecationReason: 'String',
  },
  __EnumValue: {
    name: 'String!',
    description: 'String',
    isDeprecated: 'Boolean!',
    deprecationReason: 'String',
  },
  __Directive: {
    name: 'String!',
    description: 'String',
    isRepeatable: 'Boolean!',
    locations: '[__DirectiveLocation!]!',
    args: '[__InputValue!]!',
  },
};

/** Those of its fields that leave out what is deprecated, which nothing is here, unless they are told not to. */
export const DEPRECATING = new Set([
  '__Type.fields',
  '__Type.enumValues',
  '__Type.inputFields',
  '__Field.args',
  '__Directive.args',
]);

export const isMetaType = (type: string): boolean => type.startsWith('__');

/** `[__Type!]!` → `__Type`. */
export const namedType = (text: string): string => text.replaceAll(/[[\]!]/g, '');

interface MetaField {
  type: string;
  list: boolean;
  primitive: boolean;
}

function fieldOf(text: string): MetaField {
  const type = namedType(text);
  return { type, list: text.startsWith('['), primitive: !(type in META_TYPES) };
}

/** The fields of one of these types, as the plan of a query takes them. */
export const metaFields = (type: string): ReadonlyMap<string, MetaField> =>
  new Map(Object.entries(META_TYPES[type] ?? {}).map(([name, text]) => [name, fieldOf(text)]));

export const META_ENUMS: Readonly<Record<string, readonly string[]>> = {
  __TypeKind: ['SCALAR', 'OBJECT', 'INTERFACE', 'UNION', 'ENUM', 'INPUT_OBJECT', 'LIST', 'NON_NULL'],
  __DirectiveLocation: [
    ...['QUERY', 'MUTATION', 'SUBSCRIPTION', 'FIELD', 'FRAGMENT_DEFINITION', 'FRAGMENT_SPREAD', 'INLINE_FRAGMENT'],
    ...['VARIABLE_DEFINITION', 'SCHEMA', 'SCALAR', 'OBJECT', 'FIELD_DEFINITION', 'ARGUMENT_DEFINITION', 'INTERFACE'],
    ...['UNION', 'ENUM', 'ENUM_VALUE', 'INPUT_OBJECT', 'INPUT_FIELD_DEFINITION'],
  ],
};
