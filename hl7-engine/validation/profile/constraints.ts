// Predicates and conformance statements of a profile (NIST's ConformanceContext.xsd) and bindings, as rules of their contexts.
import type { Severity } from '../finding.ts';
import { type ContextRule, found, type Sink } from '../model.ts';
import type { Node } from '../node.ts';
import { type Expression, readExpression } from './expression.ts';
import { nameAt, type Path, placeAt, readSteps, resolve } from './path.ts';
import { ProfileFault } from './profile-fault.ts';
import { attribute, childOf, childrenOf, type XmlElement } from './read-xml.ts';
import { readBinding, type ValueSets } from './value-sets.ts';

export type ContextKind = 'Datatype' | 'Segment' | 'Group' | 'Message';
const kinds: readonly ContextKind[] = ['Datatype', 'Segment', 'Group', 'Message'];

/** Rules by the kind of their context and its ID or name. */
export interface RuleBook {
  of(kind: ContextKind, id: string, name: string): ContextRule<Node>[];
  /** Contexts that rules were written for. */
  readonly contexts: ReadonlySet<string>;
  /** Predicates, statements and bindings. */
  readonly count: number;
}

type Read = (element: XmlElement) => ContextRule<Node>[];

/** `contexts`: ConformanceContext elements; `bindings`: ValueSetBindingsContext elements. Throws ProfileFault. */
export function readRules(
  contexts: readonly XmlElement[],
  bindings: readonly XmlElement[],
  valueSets: ValueSets,
): RuleBook {
  const rules = new Map<string, ContextRule<Node>[]>();
  const predicate: Read = (element) => [predicateRule(element, valueSets)];
  const statement: Read = (element) => [statementRule(element, valueSets)];
  const collect = (within: XmlElement | undefined, read: Read): void => {
    for (const kind of kinds) for (const one of childrenOf(within, kind)) collectKind(one, kind, read, rules);
  };
  for (const context of contexts) {
    collect(childOf(context, 'Predicates'), predicate);
    collect(childOf(context, 'Constraints'), statement);
    // The form before these two were kept apart.
    collect(context, (element) => (element.attributes.Tag === 'Predicate' ? [] : statement(element)));
  }
  const binding: Read = (element) => readBinding(element, valueSets);
  for (const context of bindings) {
    collect(childOf(context, 'ValueSetBindings'), binding);
    collect(childOf(context, 'SingleCodeBindings'), binding);
  }
  return {
    of: (kind, id, name) => [...(rules.get(`${kind} ID ${id}`) ?? []), ...(rules.get(`${kind} Name ${name}`) ?? [])],
    contexts: new Set(rules.keys()),
    count: [...rules.values()].reduce((sum, { length }) => sum + length, 0),
  };
}

function collectKind(
  element: XmlElement,
  kind: ContextKind,
  read: Read,
  rules: Map<string, ContextRule<Node>[]>,
): void {
  for (const by of element.children) {
    if (by.name !== 'ByID' && by.name !== 'ByName') {
      throw new ProfileFault(`<${by.name}> in line ${by.line}`, `is not ByID or ByName, in <${kind}>`);
    }
    const key = by.name === 'ByID' ? `${kind} ID ${attribute(by, 'ID')}` : `${kind} Name ${attribute(by, 'Name')}`;
    const own = rules.get(key) ?? [];
    for (const child of by.children) own.push(...read(child));
    rules.set(key, own);
  }
}

const describe = (element: XmlElement): string =>
  (childOf(element, 'Description')?.text ?? '').replaceAll(/\s+/g, ' ').trim();

const severities: Readonly<Record<string, Severity>> = { SHALL: 'error', SHOULD: 'warning', MAY: 'information' };

function statementRule(element: XmlElement, valueSets: ValueSets): ContextRule<Node> {
  const id = attribute(element, 'ID');
  const assertion = onlyChild(element, 'Assertion', valueSets);
  const { Target: target, Strength: strength = 'SHALL' } = element.attributes;
  const severity = Object.hasOwn(severities, strength) ? severities[strength]! : 'error';
  const at = target === undefined ? (assertion.paths[0] ?? []) : readSteps(target);
  const text = describe(element) || `conformance statement ${id} does not hold`;
  return (node, sink) => {
    if (assertion.test(node) !== false) return;
    found(sink, placeAt(node, at), {
      severity,
      rule: 'statement',
      condition: '199',
      text: `${id}: ${text}`,
      statement: id,
    });
  };
}

function onlyChild(element: XmlElement, name: string, valueSets: ValueSets): Expression {
  const holder = childOf(element, name);
  const [expression, ...others] = holder?.children ?? [];
  if (expression === undefined || others.length > 0) {
    throw new ProfileFault(`<${element.name}> in line ${element.line}`, `needs <${name}> with one expression`);
  }
  return readExpression(expression, valueSets);
}

/** C(a/b): usage a of the target where the condition holds, else b. */
function predicateRule(element: XmlElement, valueSets: ValueSets): ContextRule<Node> {
  const target = readSteps(attribute(element, 'Target'));
  const last = target.at(-1);
  if (last === undefined) throw new ProfileFault(`<Predicate> in line ${element.line}`, 'has no target');
  const condition = onlyChild(element, 'Condition', valueSets);
  const [whenTrue, whenFalse] = [attribute(element, 'TrueUsage'), attribute(element, 'FalseUsage')];
  const why = describe(element).replace(/\.$/, '');
  // Of any occurrence: `25[1]` is field 25, whichever of its repetitions.
  const own: Path = [{ ...last, instance: undefined }];
  return (node, sink) => {
    const truth = condition.test(node);
    if (truth === undefined) return;
    const usage = truth ? whenTrue : whenFalse;
    if (usage !== 'R' && usage !== 'X') return;
    const because = `${why === '' ? 'its predicate' : why.charAt(0).toLowerCase() + why.slice(1)} is ${truth}`;
    for (const parent of resolve(node, target.slice(0, -1))) checkTarget(parent, own, usage, because, sink);
  };
}

function checkTarget(parent: Node, own: Path, usage: 'R' | 'X', because: string, sink: Sink): void {
  const isThere = resolve(parent, own).length > 0;
  if (isThere === (usage === 'R')) return;
  const name = nameAt(parent, own);
  const text = isThere ? `${name} must not be sent: ${because}` : `${name} is required: ${because}`;
  found(sink, placeAt(parent, own), { rule: 'usage', condition: isThere ? '102' : '101', text });
}
