// The parts of a schema as a query about it sees them: https://spec.graphql.org/October2021/#sec-Schema-Introspection

export interface ArgumentModel {
  name: string;
  /** As GraphQL writes it: `[token]`, `ID!`. */
  type: string;
  description?: string;
  defaultValue?: string;
}

export interface InputModel {
  name: string;
  description: string | null;
  readonly type: TypeModel;
  defaultValue: string | null;
  isDeprecated: false;
}

export interface FieldModel extends InputModel {
  readonly args: readonly InputModel[];
}

export interface TypeModel {
  kind: 'SCALAR' | 'OBJECT' | 'INTERFACE' | 'ENUM' | 'INPUT_OBJECT' | 'LIST' | 'NON_NULL';
  name: string | null;
  description: string | null;
  specifiedByURL?: string | null;
  isOneOf?: false;
  readonly fields?: readonly FieldModel[];
  readonly interfaces?: readonly TypeModel[];
  readonly possibleTypes?: readonly TypeModel[];
  readonly enumValues?: readonly object[];
  readonly inputFields?: readonly InputModel[];
  readonly ofType?: TypeModel;
}

/** The object with these properties, each made when it is first read. */
export function lazily<Base extends object, Parts extends object>(
  base: Base,
  parts: { [Name in keyof Parts]: () => Parts[Name] },
): Base & Parts {
  for (const [name, make] of Object.entries<() => unknown>(parts)) {
    Object.defineProperty(base, name, {
      configurable: true,
      get() {
        const value = make();
        Object.defineProperty(base, name, { value });
        return value;
      },
    });
  }
  return base as Base & Parts;
}

type Part = 'fields' | 'interfaces' | 'possibleTypes' | 'inputFields' | 'ofType';

/** A type whose parts are made when they are looked at. */
export const createType = (
  base: Omit<TypeModel, Part>,
  parts: { [Name in Part]?: () => NonNullable<TypeModel[Name]> } = {},
): TypeModel => lazily<Omit<TypeModel, Part>, Pick<TypeModel, Part>>(base, parts as never);

/** The whole. */
export interface SchemaModel {
  description: string;
  readonly types: readonly TypeModel[];
  readonly queryType: TypeModel;
  readonly mutationType: TypeModel | null;
  readonly directives: readonly object[];
}

type Ref = (text: string) => TypeModel;

const known = new WeakMap<readonly ArgumentModel[], readonly InputModel[]>();

/** Of one list of arguments, which many fields have, one model. */
function inputs(args: readonly ArgumentModel[], ref: Ref): readonly InputModel[] {
  const found = known.get(args);
  if (found) return found;
  const models = args.map(({ name, type, description = null, defaultValue = null }) =>
    lazily({ name, description, defaultValue, isDeprecated: false as const }, { type: () => ref(type) }),
  );
  known.set(args, models);
  return models;
}

const none: readonly ArgumentModel[] = [];

/** A field, of an input type where it has no arguments. */
export function createField(
  name: string,
  type: string,
  ref: Ref,
  args = () => none,
  description: string | null = null,
): FieldModel {
  const base = { name, description, defaultValue: null, isDeprecated: false as const };
  return lazily(base, { type: () => ref(type), args: () => inputs(args(), ref) });
}
