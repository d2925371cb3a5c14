// StructureDefinition with a snapshot → plan. https://hl7.org/fhir/R4/profiling.html, https://hl7.org/fhir/R4/elementdefinition.html
import type { ConstraintDefinition, JsonObject, Resource } from '#fhir-model';
import { isObject, objectsOf, stringsOf, textOf } from '../json.ts';
import { type Baseline, childBaseline, rootBaseline, shortType, sliceBaseline, typeConstraints } from './baseline.ts';
import { compileMatcher, type Trees } from './discriminator.ts';
import type {
  ElementPlan,
  ExtensionContext,
  PlanBinding,
  PlanInvariant,
  PlanSource,
  ProfilePlan,
  SlicePlan,
  SlicingPlan,
} from './plan.ts';
import { givenOf, labelOf, maxOf, minOf, type Node, sliceNameOf, type TypeRef, treeOf, typesOf } from './tree.ts';

interface Compiling extends PlanSource {
  readonly source: string;
  readonly trees: Trees;
  /** What contentReferences name, by path: `#Questionnaire.item`. */
  readonly contents: Map<string, { plan: ElementPlan | undefined }>;
  /** What is compiled already, by path: `Observation.component.referenceRange` names the `Observation.referenceRange` before it. */
  readonly compiled: Map<string, ElementPlan>;
}

/** Evaluated on every element by the structure check, whatever a snapshot's wording of them is. */
const structural = new Set(['ele-1', 'ext-1', 'dom-2', 'dom-3', 'dom-4', 'dom-5', 'dom-6', 'dom-1']);

/** The engine has to know what a bare value of a choice is: `effectiveDateTime` is text as a string is. */
function invariantOf(
  compiling: PlanSource,
  constraint: JsonObject,
  type: string | undefined,
  mixed: boolean,
): PlanInvariant[] {
  const [key, expression] = [textOf(constraint.key), textOf(constraint.expression)];
  if (key === undefined || expression === undefined) return [];
  const severity = constraint.severity === 'warning' ? 'warning' : 'error';
  const advice = objectsOf(constraint.extension).some(
    ({ url, valueBoolean }) =>
      textOf(url)?.endsWith('elementdefinition-bestpractice') === true && valueBoolean === true,
  );
  const human = textOf(constraint.human) ?? expression;
  const testOf = mixed ? (chosen: string | undefined) => compiling.invariant(expression, chosen) : undefined;
  return [{ key, severity, human, test: compiling.invariant(expression, type), testOf, advice }];
}

/** Those of the type's profile, which a snapshot repeats; that profile is checked itself, with its own %resource. */
function profileConstraints({ trees }: Compiling, node: Node): JsonObject[] {
  const types = typesOf(node).filter(({ code }) => code !== 'Extension');
  const profiles = types.flatMap((type) => type.profiles).filter((profile) => shortType(profile) === profile);
  return profiles.flatMap((profile) => objectsOf(trees.tree(profile)?.root.element.constraint));
}

function invariantsOf(compiling: Compiling, node: Node, baseline: Baseline): PlanInvariant[] {
  const { definitions } = compiling;
  const known: ConstraintDefinition[] = [
    ...(baseline.element?.constraints ?? []),
    ...baseline.names.flatMap(({ type }) => typeConstraints(definitions, type)),
    ...typesOf(node).flatMap(({ code }) => typeConstraints(definitions, shortType(code))),
    ...(baseline.names.length === 0 && baseline.type !== undefined ? typeConstraints(definitions, baseline.type) : []),
  ];
  const repeated = profileConstraints(compiling, node);
  const isKnown = ({ key, expression }: JsonObject) =>
    structural.has(String(key)) ||
    known.some((other) => other.key === key && other.expression === expression) ||
    repeated.some((other) => other.key === key && other.expression === expression);
  const added = objectsOf(node.element.constraint).filter((constraint) => !isKnown(constraint));
  const mixed = node.choice && typesOf(node).length > 1;
  // A resource tells its own type.
  const type = mixed || baseline.type === 'Resource' ? undefined : baseline.type;
  return added.flatMap((constraint) => invariantOf(compiling, constraint, type, mixed));
}

const maxValueSet = 'http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet';

/** The binding itself, and the value set beyond which no extensible or preferred one may go. */
function bindingsOf({ trees }: Compiling, node: Node, baseline: Baseline): PlanBinding[] {
  const { binding } = node.element;
  if (!isObject(binding)) return [];
  const most = objectsOf(binding.extension).find(({ url }) => url === maxValueSet);
  const asked = [
    { strength: binding.strength, valueSet: textOf(binding.valueSet), max: false },
    {
      strength: 'required',
      valueSet: textOf(most?.valueCanonical ?? most?.valueUri),
      max: binding.strength === 'preferred',
    },
  ];
  const base = baseline.element?.binding;
  return asked.flatMap(({ strength, valueSet, max }) => {
    if (valueSet === undefined || (strength !== 'required' && strength !== 'extensible')) return [];
    const same = base?.strength === strength && base.valueSet === valueSet.split('|')[0];
    if (same && (base.max !== true || max)) return [];
    return [{ strength, valueSet, max, codes: trees.codes(valueSet) }];
  });
}

function narrowedTypes(types: TypeRef[], baseline: Baseline): ReadonlySet<string> | undefined {
  const codes = new Set(types.map(({ code }) => shortType(code)));
  if (codes.size === 0 || codes.has('Resource') || baseline.element === undefined) return undefined;
  const { element } = baseline;
  if (element.types[0] === 'Resource') return codes.has('DomainResource') ? undefined : codes;
  return element.choice && element.types.some((type) => !codes.has(type)) ? codes : undefined;
}

/**
 * A type's own definition is no profile of it: `Patient` on Bundle.entry.resource says no more than the code. Extensions are
 * held to the definition that their url names anyway; a profile of that one is asked here.
 */
function profilesOf({ trees }: Compiling, types: TypeRef[]): ReadonlyMap<string, readonly string[]> | undefined {
  const profiled = types.filter(({ code, profiles }) => profiles.some((profile) => shortType(profile) !== code));
  const isDefinition = (profile: string) => trees.extensionUrl(profile) === profile.split('|')[0];
  const own = profiled.filter(({ code, profiles }) => code !== 'Extension' || !profiles.every(isDefinition));
  return own.length === 0 ? undefined : new Map(own.map(({ code, profiles }) => [shortType(code), profiles]));
}

/** Targets narrower than R4's: any resource is as good as none being named. */
function targetsOf(types: TypeRef[], baseline: Baseline): readonly string[] | undefined {
  const targets = types
    .filter(({ code }) => code === 'Reference' || code === 'canonical')
    .flatMap((type) => type.targets);
  const short = targets.map(shortType);
  if (short.length === 0 || short.includes('Resource')) return undefined;
  const base = baseline.element?.targets;
  return base !== undefined && base.length === short.length && short.every((type) => base.includes(type))
    ? undefined
    : targets;
}

function slicingOf(compiling: Compiling, node: Node, baseline: Baseline): SlicingPlan | undefined {
  const { slicing } = node.element;
  if (node.slices.length === 0 && !(isObject(slicing) && slicing.rules === 'closed')) return undefined;
  const described = isObject(slicing) ? slicing : {};
  const discriminators = objectsOf(described.discriminator);
  const slices = node.slices.map((slice): SlicePlan => {
    const matches = compileMatcher(compiling, discriminators, node, slice, baseline);
    const plan = elementPlan(compiling, slice, sliceBaseline(node, baseline, slice));
    const whole = slice.children.length > 0 || node.children.length === 0;
    return { ...plan, sliceName: sliceNameOf(slice), matches, whole };
  });
  const named = slices.filter(({ sliceName }) => sliceName !== '@default');
  const rules = described.rules === 'closed' || described.rules === 'openAtEnd' ? described.rules : 'open';
  if (rules === 'open' && described.ordered !== true && !slices.some(asks)) return undefined;
  const rest = slices.find(({ sliceName }) => sliceName === '@default');
  return { rules, ordered: described.ordered === true, slices: named, rest };
}

/**
 * The element of this profile whose content an element borrows: https://hl7.org/fhir/R4/elementdefinition.html#contentReference
 * Snapshots of today name with its URL the structure that is meant, mostly R4's own: what a profile asks of
 * `Questionnaire.item` it then asks of the outermost items alone.
 */
function contentOf({ contents, compiled, source }: Compiling, { element }: Node): ElementPlan['content'] {
  const [url, name] = textOf(element.contentReference)?.split('#') ?? [];
  if (name === undefined || (url !== '' && url !== source.split('|')[0])) return undefined;
  const content = contents.get(name) ?? { plan: compiled.get(name) };
  contents.set(name, content);
  return content;
}

/** Whether there is anything to check. */
function asks(plan: ElementPlan): boolean {
  const { types, profiles, targets, fixed, pattern, minValue, maxValue, maxLength, slicing, aggregation } = plan;
  const { content } = plan;
  const given = [
    types,
    profiles,
    targets,
    fixed,
    pattern,
    minValue,
    maxValue,
    maxLength,
    aggregation,
    slicing,
    content,
  ];
  return (
    plan.min > 0 ||
    plan.max !== Number.POSITIVE_INFINITY ||
    plan.bindings.length > 0 ||
    plan.invariants.length > 0 ||
    plan.children.length > 0 ||
    plan.mustSupport ||
    given.some((rule) => rule !== undefined)
  );
}

/** What R4 asks anyway is left out: 0 and Infinity ask nothing. A slice's own minimum and maximum always count. */
function cardinality(node: Node, { element }: Baseline): { min: number; max: number } {
  const [min, max] = [minOf(node), maxOf(node)];
  if (sliceNameOf(node) !== '' || element === undefined) return { min, max };
  const same = max === (element.array ? Number.POSITIVE_INFINITY : 1);
  return { min: min <= element.min ? 0 : min, max: same ? Number.POSITIVE_INFINITY : max };
}

function childrenOf(compiling: Compiling, node: Node, baseline: Baseline): ElementPlan[] {
  return node.children
    .map((child) => elementPlan(compiling, child, childBaseline(compiling.definitions, node, baseline, child)))
    .filter(asks);
}

function elementPlan(compiling: Compiling, node: Node, baseline: Baseline): ElementPlan {
  const types = typesOf(node);
  const { maxLength } = node.element;
  const { contents, compiled } = compiling;
  const aggregation = types.flatMap((type) => type.aggregation);
  const reference = types.some(({ code }) => code === 'Reference' || code === 'canonical');
  const plan: ElementPlan = {
    label: labelOf(node),
    name: node.name,
    names: baseline.names,
    source: compiling.source,
    ...cardinality(node, baseline),
    types: narrowedTypes(types, baseline),
    profiles: profilesOf(compiling, types),
    targets: reference ? targetsOf(types, baseline) : undefined,
    aggregation: aggregation.length > 0 ? new Set(aggregation) : undefined,
    fixed: givenOf(node, 'fixed'),
    pattern: givenOf(node, 'pattern'),
    minValue: givenOf(node, 'minValue'),
    maxValue: givenOf(node, 'maxValue'),
    maxLength: typeof maxLength === 'number' ? maxLength : undefined,
    bindings: bindingsOf(compiling, node, baseline),
    invariants: invariantsOf(compiling, node, baseline),
    mustSupport: compiling.mustSupport && node.element.mustSupport === true,
    children: childrenOf(compiling, node, baseline),
    slicing: slicingOf(compiling, node, baseline),
    content: contentOf(compiling, node),
  };
  // A slice, and what stands within it, asks something of that slice alone.
  if (sliceNameOf(node) !== '' || textOf(node.element.id)?.includes(':')) return plan;
  if (!compiled.has(node.path)) compiled.set(node.path, plan);
  const borrowed = contents.get(node.path);
  if (borrowed !== undefined) borrowed.plan = plan;
  return plan;
}

function contextsOf(definition: Resource): ExtensionContext[] {
  return objectsOf(definition.context).flatMap(({ type, expression }) =>
    typeof expression === 'string' && (type === 'element' || type === 'fhirpath' || type === 'extension')
      ? [{ type, expression }]
      : [],
  );
}

/** Undefined for a definition without a snapshot that can be read. */
export function compileProfile(source: PlanSource, definition: Resource, trees: Trees): ProfilePlan | undefined {
  const tree = treeOf(definition);
  const [url, type] = [textOf(definition.url), textOf(definition.type)];
  if (tree === undefined || url === undefined || type === undefined) return undefined;
  const version = textOf(definition.version);
  const canonical = version === undefined ? url : `${url}|${version}`;
  const name = shortType(type);
  const compiling: Compiling = { ...source, source: canonical, trees, contents: new Map(), compiled: new Map() };
  const root = elementPlan(compiling, tree, rootBaseline(name));
  return {
    url,
    canonical,
    type: name,
    // A type's own cardinality is that of where it stands: `Extension 0..1` limits its use in a profile, not here.
    root: { ...root, min: 0, max: Number.POSITIVE_INFINITY },
    max: maxOf(tree),
    abstract: definition.abstract === true,
    contexts: contextsOf(definition),
    contextInvariants: stringsOf(definition.contextInvariant).map((expression) => ({
      expression,
      testOf: (owner) => source.invariant(expression, owner),
    })),
    modifier: tree.element.isModifier === true,
  };
}
