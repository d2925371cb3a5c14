// What R4 itself asks of a type beyond its structure, prepared on first use: invariants, bindings, where references may lead.
// https://hl7.org/fhir/R4/validation.html
import type { ConstraintDefinition, Definitions, ElementDefinition, TypeDefinition } from '#fhir-model';
import { choiceName } from '../json.ts';
import { type DatatypeRule, datatypeRules } from '../rules/datatypes.ts';
import type { CompileInvariant, Invariant } from '../rules/invariants.ts';
import { typeConstraints } from './baseline.ts';
import type { PlanBinding, PlanInvariant } from './plan.ts';

export type Kind =
  | 'object'
  | 'coding'
  | 'reference'
  | 'extension'
  | 'modifierExtension'
  | 'resource'
  | 'canonical'
  | 'value';

export interface BaseElement {
  readonly kind: Kind;
  /** The type of the value. */
  readonly type: string;
  /** Filled on first use. */
  plan: BasePlan | undefined;
  readonly invariants: readonly PlanInvariant[];
  readonly binding: PlanBinding | undefined;
  readonly targets: readonly string[] | undefined;
  /** Of the `_name` of a code: the value set of its required binding. */
  readonly codeOf: string | undefined;
}

export interface BasePlan {
  readonly name: string;
  readonly invariants: readonly PlanInvariant[];
  /** What R4's invariants leave out. */
  readonly rule: DatatypeRule | undefined;
  /** By JSON name; only those with something to check, there or below. */
  readonly elements: ReadonlyMap<string, BaseElement>;
}

export interface BasePlans {
  plan(type: string): BasePlan | undefined;
}

/** The structure check has these, htmlChecks() is the narrative's rule, and ref-1 is seen to where references are followed. */
const structural = new Set(['ele-1', 'ext-1', 'dom-2', 'txt-1', 'txt-2', 'ref-1']);
/** These say something only of a resource that contains others. */
const ofContained = new Set(['dom-3', 'dom-4', 'dom-5']);

function whenContained(test: Invariant): Invariant {
  return (node, resource, root, companion) =>
    resource.contained === undefined ? true : test(node, resource, root, companion);
}

function testOf(invariant: CompileInvariant, { key, expression }: ConstraintDefinition, type: string): Invariant {
  const test = invariant(expression, type);
  return ofContained.has(key) ? whenContained(test) : test;
}

function kindOf(name: string, type: string, definition: TypeDefinition | undefined): Kind {
  if (type === 'Extension') return name === 'modifierExtension' ? 'modifierExtension' : 'extension';
  if (type === 'Reference') return 'reference';
  if (type === 'Coding') return 'coding';
  if (type === 'Resource') return 'resource';
  if (type === 'canonical') return 'canonical';
  return definition?.kind === 'primitive' ? 'value' : 'object';
}

/** A required binding that the structure check has done already: of a code or CodeableConcept, where it can be listed. */
function isStructural(element: ElementDefinition, type: string, listed: boolean): boolean {
  const { binding } = element;
  return binding?.strength === 'required' && listed && (type === 'CodeableConcept' || type === 'code');
}

const bindable = new Set(['code', 'Coding', 'CodeableConcept', 'Quantity', 'string', 'uri']);

export function createBasePlans(definitions: Definitions, invariant: CompileInvariant): BasePlans {
  const compileAll = (constraints: readonly ConstraintDefinition[], type: string): PlanInvariant[] =>
    constraints
      .filter(({ key }) => !structural.has(key))
      .map((constraint) => {
        const { key, severity, human, advice } = constraint;
        const test = testOf(invariant, constraint, type);
        return { key, severity, human, advice: advice === true, test, testOf: undefined };
      });

  const bindingOf = (element: ElementDefinition, type: string): PlanBinding | undefined => {
    const { binding } = element;
    if (binding === undefined || !bindable.has(type)) return undefined;
    const listed = definitions.valueSet(binding.valueSet);
    if (isStructural(element, type, listed !== undefined)) return undefined;
    const codes = listed && new Map(listed.map(({ system, codes: own }) => [system, new Set(own)]));
    return { ...binding, codes };
  };

  const elementOf = (element: ElementDefinition, type: string): BaseElement => {
    const definition = definitions.type(type);
    const kind = kindOf(element.name, type, definition);
    const invariants = compileAll(element.constraints ?? [], type);
    const binding = bindingOf(element, type);
    return { kind, type, plan: undefined, invariants, binding, targets: element.targets, codeOf: undefined };
  };

  const companion: BaseElement = {
    kind: 'object',
    type: 'Element',
    plan: undefined,
    invariants: [],
    binding: undefined,
    targets: undefined,
    codeOf: undefined,
  };

  const companionOf = ({ binding }: ElementDefinition, type: string): BaseElement =>
    type === 'code' && binding?.strength === 'required' && binding.max !== true
      ? { ...companion, codeOf: binding.valueSet }
      : companion;

  const isIdle = ({ kind, invariants, binding }: BaseElement) =>
    kind === 'value' && invariants.length === 0 && binding === undefined;

  const compile = (type: TypeDefinition): BasePlan => {
    const elements = new Map<string, BaseElement>();
    for (const element of type.elements) {
      for (const code of element.types) {
        const name = element.choice ? choiceName(element.name, code) : element.name;
        const compiled = elementOf(element, code);
        if (!isIdle(compiled)) elements.set(name, compiled);
        if (definitions.type(code)?.kind === 'primitive') elements.set(`_${name}`, companionOf(element, code));
      }
    }
    const invariants = compileAll(typeConstraints(definitions, type.name), type.name);
    return { name: type.name, invariants, rule: datatypeRules[type.name], elements };
  };

  const plans = new Map<string, BasePlan>();
  return {
    plan(name) {
      const known = plans.get(name);
      if (known !== undefined) return known;
      const type = definitions.type(name);
      if (type === undefined || type.kind === 'primitive') return undefined;
      const compiled = compile(type);
      plans.set(name, compiled);
      return compiled;
    },
  };
}
