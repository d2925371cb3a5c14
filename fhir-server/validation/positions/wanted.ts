// The places that are looked for in a text, as a tree of steps. Expressions are the simple FHIRPath of issues:
// https://hl7.org/fhir/R4/operationoutcome-definitions.html#OperationOutcome.issue.expression

/** A place on the way to one that is wanted, or such a one itself. */
export interface Wanted {
  /** Element name, without type and index → where it leads. */
  readonly children: Map<string, Wanted>;
  /** Item of the list that this name has. */
  readonly items: Map<number, Wanted>;
  /** Offset in the text, in UTF-16 units, once it is found. */
  offset: number | undefined;
  readonly parent: Wanted | undefined;
}

const newWanted = (parent?: Wanted): Wanted => ({ children: new Map(), items: new Map(), offset: undefined, parent });

/** Parts between dots; those in parentheses, quotes and comments are none. */
const parts = /(?:\/\*.*?\*\/|\((?:'(?:[^'\\]|\\.)*'|[^)'])*\)|[^./(]|\/(?!\*))+/g;

interface Step {
  name: string;
  index: number | undefined;
}

/** No element, but the same one seen in another way. */
const views = new Set(['ofType', 'as', 'first', 'single']);

function stepOf(part: string): Step | undefined {
  const [, name = '', call, index] = /^\s*([\w$-]+)(\(.*\))?(?:\[(?:(\d+)|x)\])?/s.exec(part) ?? [];
  if (name === '' || (call !== undefined && name !== 'extension')) return undefined;
  return { name, index: index === undefined ? undefined : Number(index) };
}

/** Steps below the root; what no element's path can follow ends them. */
export function stepsOf(expression: string): Step[] {
  const steps: Step[] = [];
  const [, ...below] = expression.replace(/\/\*.*?\*\//gs, '').match(parts) ?? [];
  for (const part of below) {
    const called = /^\s*(\w+)\(/.exec(part)?.[1];
    if (called !== undefined && views.has(called)) continue;
    const step = stepOf(part);
    if (step === undefined) break;
    steps.push(step);
  }
  return steps;
}

function childOf(map: Map<string, Wanted> | Map<number, Wanted>, key: string | number, parent: Wanted): Wanted {
  const children = map as Map<string | number, Wanted>;
  const known = children.get(key);
  if (known !== undefined) return known;
  const made = newWanted(parent);
  children.set(key, made);
  return made;
}

export interface WantedTree {
  root: Wanted;
  /** In the order of the expressions. */
  leaves: Wanted[];
}

/** `below`: the path from the text's root to the resource that the expressions are about: `parameter[0].resource`. */
export function wantedTree(expressions: readonly string[], below = ''): WantedTree {
  const root = newWanted();
  const start = stepsOf(`$this${below === '' ? '' : `.${below}`}`);
  const leaves = expressions.map((expression) => {
    let at = root;
    for (const { name, index } of [...start, ...stepsOf(expression)]) {
      at = childOf(at.children, name, at);
      if (index !== undefined) at = childOf(at.items, index, at);
    }
    return at;
  });
  return { root, leaves };
}

/** What the element of this name in the text leads to: `valueQuantity` is `value`, `_birthDate` is `birthDate`. */
export function wantedChild({ children }: Wanted, name: string): Wanted | undefined {
  const plain = name.startsWith('_') ? name.slice(1) : name;
  const exact = children.get(plain);
  if (exact !== undefined) return exact;
  for (const [child, wanted] of children) {
    if (plain.startsWith(child) && /^[A-Z]/.test(plain.slice(child.length))) return wanted;
  }
  return undefined;
}

/** The nearest place around it that is in the text: what is missing stands nowhere. */
export function foundOffset(wanted: Wanted | undefined): number {
  let at = wanted;
  while (at !== undefined && at.offset === undefined) at = at.parent;
  return at?.offset ?? 0;
}
