// Expressions of predicates and conformance statements (NIST's Expressions.xsd), each a function of its context.
// https://github.com/usnistgov/v2-validation
import { type DataNode, instanceOf, isBlank, isNull, type Node, partOf, textOf, tokensOf } from '../node.ts';
import { type Path, readSteps, resolve } from './path.ts';
import { ProfileFault } from './profile-fault.ts';
import { attribute, type XmlElement } from './read-xml.ts';
import { wholeMatch } from './regex.ts';
import { isListed, type ValueSets } from './value-sets.ts';

/** Undefined: it can't be told. */
export type Truth = boolean | undefined;

export interface Expression {
  test(context: Node): Truth;
  /** What it looks at, in its order. */
  paths: readonly Path[];
}

type Read = (element: XmlElement, valueSets: ValueSets) => Expression;

/** Throws ProfileFault for what is no expression, and for plug-ins, which are Java. */
export function readExpression(element: XmlElement, valueSets: ValueSets): Expression {
  const read = Object.hasOwn(readers, element.name) ? readers[element.name] : undefined;
  if (read === undefined) {
    throw new ProfileFault(`<${element.name}> in line ${element.line}`, 'is no expression that this server knows');
  }
  return read(element, valueSets);
}

const readers: Readonly<Record<string, Read>> = {
  Presence: (element) => {
    const path = pathOf(element, 'Path');
    return { paths: [path], test: (context) => resolve(context, path).length > 0 };
  },
  PlainText: (element) => {
    const text = folded(element, attribute(element, 'Text'));
    return overValues(element, (value) => folded(element, value) === text);
  },
  StringList: (element) => {
    const list = new Set(listOf(element).map((text) => folded(element, text)));
    return overValues(element, (value) => list.has(folded(element, value)));
  },
  NumberList: (element) => {
    const list = new Set(listOf(element).map(Number));
    return overValues(element, (value) => isNumber(value) && list.has(Number(value)));
  },
  Format: (element) => overValues(element, wholeMatch(attribute(element, 'Regex'))),
  StringFormat: (element) => overValues(element, stringFormat(element)),
  SimpleValue: (element) => {
    const compare = comparison(element, element.attributes.Type === 'Number');
    const value = attribute(element, 'Value');
    return overValues(element, (text) => compare(text, value));
  },
  PathValue: pathValue,
  ComplexPathValue: complexPathValue,
  ValueSet: valueSet,
  SetID: setId,
  IZSetID: (element) => {
    const [parent, own] = [pathOf(element, 'Parent'), pathOf(element, 'Element')];
    // Counted anew in each parent, or through all of them.
    const test = (context: Node): boolean => {
      const lists = resolve(context, parent).map((one) => resolve(one, own));
      return lists.every(isCounted) || isCounted(lists.flat());
    };
    return { paths: [parent], test };
  },
  isNULL: (element) => {
    const path = pathOf(element, 'Path');
    const test = (context: Node): boolean => {
      const nodes = resolve(context, path);
      return nodes.length > 0 && nodes.every((node) => node.kind === 'data' && isNull(node));
    };
    return { paths: [path], test };
  },
  SubContext: subContext,
  NOT: (element, valueSets) => {
    const [one] = partsOf(element, valueSets, 1, 1);
    return { paths: one!.paths, test: (context) => negated(one!.test(context)) };
  },
  AND: (element, valueSets) => all(partsOf(element, valueSets, 2)),
  FORALL: (element, valueSets) => all(partsOf(element, valueSets, 1)),
  OR: (element, valueSets) => any(partsOf(element, valueSets, 2)),
  EXIST: (element, valueSets) => any(partsOf(element, valueSets, 1)),
  XOR: (element, valueSets) => {
    const [one, other] = partsOf(element, valueSets, 2, 2);
    const test = (context: Node): Truth => {
      const [left, right] = [one!.test(context), other!.test(context)];
      return left === undefined || right === undefined ? undefined : left !== right;
    };
    return { paths: [...one!.paths, ...other!.paths], test };
  },
  IMPLY: (element, valueSets) => {
    const [condition, conclusion] = partsOf(element, valueSets, 2, 2);
    const test = (context: Node): Truth => (condition!.test(context) === false ? true : implied(context));
    const implied = (context: Node): Truth => {
      const then = conclusion!.test(context);
      return then === true ? true : condition!.test(context) === undefined ? undefined : then;
    };
    return { paths: [...conclusion!.paths, ...condition!.paths], test };
  },
};

const negated = (truth: Truth): Truth => (truth === undefined ? undefined : !truth);

function partsOf(element: XmlElement, valueSets: ValueSets, min: number, max = Number.POSITIVE_INFINITY): Expression[] {
  const { children, name, line } = element;
  if (children.length < min || children.length > max) {
    const wanted = min === max ? `${min}` : `${min} or more`;
    throw new ProfileFault(`<${name}> in line ${line}`, `holds ${children.length} expressions; it needs ${wanted}`);
  }
  return children.map((child) => readExpression(child, valueSets));
}

function all(parts: readonly Expression[]): Expression {
  const test = (context: Node): Truth => {
    let truth: Truth = true;
    for (const part of parts) {
      const own = part.test(context);
      if (own === false) return false;
      if (own === undefined) truth = undefined;
    }
    return truth;
  };
  return { paths: parts.flatMap(({ paths }) => paths), test };
}

function any(parts: readonly Expression[]): Expression {
  const test = (context: Node): Truth => {
    let truth: Truth = false;
    for (const part of parts) {
      const own = part.test(context);
      if (own === true) return true;
      if (own === undefined) truth = undefined;
    }
    return truth;
  };
  return { paths: parts.flatMap(({ paths }) => paths), test };
}

const pathOf = (element: XmlElement, name: string): Path => readSteps(attribute(element, name));

/** Undefined where nothing there has a text: groups and segments. */
function textsAt(context: Node, path: Path): string[] {
  return resolve(context, path).flatMap((node) => (node.kind === 'data' ? [textOf(node)] : []));
}

/** What holds where the path leads to nothing: NotPresentBehavior, PASS without. */
function whenAbsent({ attributes, name, line }: XmlElement): Truth {
  const behaviour = attributes.NotPresentBehavior ?? 'PASS';
  if (behaviour === 'PASS' || behaviour === 'FAIL') return behaviour === 'PASS';
  if (behaviour === 'INCONCLUSIVE') return undefined;
  throw new ProfileFault(`<${name}> in line ${line}`, 'has another NotPresentBehavior than PASS, FAIL, INCONCLUSIVE');
}

/** Of how many it is asked to hold: all, AtLeastOnce, or as many as the two attributes say. */
function rangeOf(element: XmlElement, min: string, max: string): (held: number, all: number) => boolean {
  const { [min]: least = '', [max]: most = '*', AtLeastOnce: atLeastOnce } = element.attributes;
  if (least === '') return isTrue(atLeastOnce) ? (held) => held > 0 : (held, all) => held === all;
  const [from, to] = [least, most === '*' ? 'Infinity' : most].map(Number);
  if (!(from! <= to!)) {
    throw new ProfileFault(`<${element.name}> in line ${element.line}`, `has another ${min} and ${max} than numbers`);
  }
  return (held) => held >= from! && held <= to!;
}

/** Of all values at Path, or of as many as are asked for. */
function overValues(element: XmlElement, holds: (value: string) => Truth): Expression {
  const path = pathOf(element, 'Path');
  const absent = whenAbsent(element);
  const isEnough = rangeOf(element, 'Min', 'Max');
  const test = (context: Node): Truth => {
    const texts = textsAt(context, path);
    if (texts.length === 0) return absent;
    return counted(texts.map(holds), isEnough);
  };
  return { paths: [path], test };
}

/** What can't be told of one can't be told of all. */
function counted(truths: readonly Truth[], isEnough: (held: number, all: number) => boolean): Truth {
  return truths.includes(undefined) ? undefined : isEnough(truths.filter(Boolean).length, truths.length);
}

/** An expression within what stands at Path, each being its context. */
function subContext(element: XmlElement, valueSets: ValueSets): Expression {
  const path = pathOf(element, 'Path');
  const absent = whenAbsent(element);
  const isEnough = rangeOf(element, 'MinOccurrence', 'MaxOccurrence');
  const [within] = partsOf(element, valueSets, 1, 1);
  const test = (context: Node): Truth => {
    const nodes = resolve(context, path);
    if (nodes.length === 0) return absent;
    return counted(
      nodes.map((node) => within!.test(node)),
      isEnough,
    );
  };
  return { paths: [path], test };
}

/** The value is the number of its context among those beside it; of `[*]` the values are 1, 2, 3 … */
function setId(element: XmlElement): Expression {
  const path = pathOf(element, 'Path');
  const isList = path.some(({ instance }) => instance === undefined);
  const test = (context: Node): Truth => {
    const nodes = resolve(context, path);
    if (isList) return isCounted(nodes);
    const [node, ...others] = nodes;
    if (node?.kind !== 'data' || others.length > 0) return undefined;
    return textOf(node) === String(instanceOf(context));
  };
  return { paths: [path], test };
}

const isTrue = (text: string | undefined): boolean => text === 'true' || text === '1';

const folded = ({ attributes }: XmlElement, text: string): string =>
  isTrue(attributes.IgnoreCase) ? text.toLowerCase() : text;

const listOf = (element: XmlElement): string[] =>
  attribute(element, 'CSV')
    .split(',')
    .map((text) => text.trim());

const isNumber = (text: string): boolean => /^\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)\s*$/.test(text);

const operators: Readonly<Record<string, (order: number) => boolean>> = {
  EQ: (order) => order === 0,
  NE: (order) => order !== 0,
  GT: (order) => order > 0,
  LT: (order) => order < 0,
  GE: (order) => order >= 0,
  LE: (order) => order <= 0,
};

/** Numbers where both are, texts else; `isNumeric`: undefined for what is no number. */
function comparison(element: XmlElement, isNumeric: boolean): (one: string, other: string) => Truth {
  const name = attribute(element, 'Operator');
  const holds = Object.hasOwn(operators, name) ? operators[name] : undefined;
  if (holds === undefined) {
    throw new ProfileFault(`<${element.name}> in line ${element.line}`, 'has another Operator than EQ NE GT LT GE LE');
  }
  return (one, other) => {
    if (isNumber(one) && isNumber(other)) return holds(Number(one) - Number(other));
    if (isNumeric) return undefined;
    return holds(one < other ? -1 : one > other ? 1 : 0);
  };
}

/** How many of a path's values it is to hold for: All, AtLeastOne, or a number. */
function modeOf(element: XmlElement, name: string): (truths: readonly boolean[]) => boolean {
  const mode = element.attributes[name] || 'All';
  if (mode === 'All') return (truths) => truths.every(Boolean);
  if (mode === 'AtLeastOne') return (truths) => truths.some(Boolean);
  if (!/^\d{1,9}$/.test(mode)) {
    throw new ProfileFault(
      `<${element.name}> in line ${element.line}`,
      `has another ${name} than All, AtLeastOne, a number`,
    );
  }
  return (truths) => truths.filter(Boolean).length === Number(mode);
}

/** Each value of Path1 with each of Path2. One that stands alone is as none of the operators has it. */
function pathValue(element: XmlElement): Expression {
  const [first, second] = [pathOf(element, 'Path1'), pathOf(element, 'Path2')];
  const compare = comparison(element, false);
  const absent = whenAbsent(element);
  const [ofFirst, ofSecond] = [modeOf(element, 'Path1Mode'), modeOf(element, 'Path2Mode')];
  const test = (context: Node): Truth => {
    const [ones, others] = [textsAt(context, first), textsAt(context, second)];
    if (ones.length === 0 && others.length === 0) return absent;
    if (ones.length + others.length === 1) return false;
    return ofFirst(ones.map((one) => ofSecond(others.map((other) => compare(one, other) === true))));
  };
  return { paths: [first, second], test };
}

/**
 * The parts of what stands at Path1, each with the one at the same place of Path2, occurrence by occurrence. What stands on one side
 * alone fails where it is strict, which it is unless it says otherwise.
 */
function complexPathValue(element: XmlElement): Expression {
  const [first, second] = [pathOf(element, 'Path1'), pathOf(element, 'Path2')];
  const compare = comparison(element, false);
  const absent = whenAbsent(element);
  const isStrict = !['false', '0'].includes(element.attributes.Strict ?? '');
  const pair = (one: Node | undefined, other: Node | undefined): Truth[] => {
    if (one === undefined || other === undefined) return [!isStrict];
    if (one.kind !== 'data' || other.kind !== 'data') return [undefined];
    if (one.level === 3) return [compare(textOf(one), textOf(other))];
    return paired(partsByPlace(one), partsByPlace(other)).flatMap(([part, counterpart]) => pair(part, counterpart));
  };
  const test = (context: Node): Truth => {
    const [ones, others] = [byInstance(resolve(context, first)), byInstance(resolve(context, second))];
    if (ones.size === 0 && others.size === 0) return absent;
    const truths = paired(ones, others).flatMap(([one, other]) => pair(one, other));
    if (truths.includes(false)) return false;
    return truths.includes(undefined) ? undefined : true;
  };
  return { paths: [first, second], test };
}

/** Of several with one number the first. */
const byInstance = (nodes: readonly Node[]): Map<number, Node> =>
  new Map(nodes.map((node) => [instanceOf(node), node] as const).reverse());

function partsByPlace(node: DataNode): Map<number, Node> {
  const parts = tokensOf(node).map((token, index) => [index + 1, partOf(node, index + 1, token)] as const);
  return new Map(parts.filter(([, { raw, reading }]) => !isBlank(raw, reading)));
}

const paired = (ones: Map<number, Node>, others: Map<number, Node>): [Node | undefined, Node | undefined][] =>
  [...new Set([...ones.keys(), ...others.keys()])].map((place) => [ones.get(place), others.get(place)]);

function valueSet(element: XmlElement, valueSets: ValueSets): Expression {
  const path = pathOf(element, 'Path');
  const set = valueSets.find(attribute(element, 'ValueSetID'));
  const absent = whenAbsent(element);
  const places = (element.attributes.BindingLocation ?? '')
    .split(':')
    .flatMap((text) => Number.parseInt(text, 10) || []);
  const test = (context: Node): Truth => {
    if (set === undefined) return undefined;
    const nodes = resolve(context, path);
    if (nodes.length === 0) return absent;
    return nodes.every((node) => {
      const texts =
        places.length === 0
          ? textsAt(node, [])
          : places.flatMap((place) => textsAt(node, [{ position: place, instance: 1 }]));
      return texts.length === 0 || texts.some((text) => isListed(set, text, undefined));
    });
  };
  return { paths: [path], test };
}

/** Whether the values are 1, 2, 3 … */
function isCounted(nodes: readonly Node[]): boolean {
  return nodes.every((node, index) => node.kind === 'data' && textOf(node) === String(index + 1));
}

/** LOINC and SNOMED CT codes by form and check digit. */
function stringFormat(element: XmlElement): (text: string) => boolean {
  const format = attribute(element, 'Format').toUpperCase();
  if (format === 'LOINC') return isLoinc;
  if (format === 'SNOMEDCT' || format === 'SNOMED') return isSnomed;
  throw new ProfileFault(`<StringFormat> in line ${element.line}`, 'has another Format than LOINC and SNOMEDCT');
}

/** Modulus 10: LOINC Users' Guide, appendix C. */
function isLoinc(text: string): boolean {
  const [, digits = '', check] = /^(\d{1,8})-(\d)$/.exec(text) ?? [];
  let sum = 0;
  for (const [index, digit] of [...digits].reverse().entries()) {
    const doubled = Number(digit) * (index % 2 === 0 ? 2 : 1);
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return check !== undefined && (10 - (sum % 10)) % 10 === Number(check);
}

// Verhoeff's dihedral check (SNOMED CT Release File Specifications, 5.5): the group's table is written by its rule.
const times = (one: number, other: number): number =>
  one < 5
    ? other < 5
      ? (one + other) % 5
      : 5 + ((one + other) % 5)
    : other < 5
      ? 5 + ((one - other) % 5)
      : (one - other + 5) % 5;
const permuted = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];

function isSnomed(text: string): boolean {
  if (!/^[1-9]\d{5,17}$/.test(text)) return false;
  let check = 0;
  for (const [index, digit] of [...text].reverse().entries()) {
    let place = Number(digit);
    for (let times_ = 0; times_ < index % 8; times_++) place = permuted[place]!;
    check = times(check, place);
  }
  return check === 0;
}
