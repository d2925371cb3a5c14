// The functions of FHIRPath: https://hl7.org/fhirpath/#functions and https://hl7.org/fhir/R4/fhirpath.html#functions
import type { JsonObject } from '#fhir-model';
import { isObject } from '../../json.ts';
import { isNarrative } from '../../narrative.ts';
import { distinct, isDistinct } from './compare.ts';
import { type Compiled, type Frame, fromItems, fromTruth, fromValue, type Scope, spend } from './compiled.ts';
import { Box, bare, CANNOT, type Item, type Items, NONE, TOO_COSTLY } from './items.ts';
import { setFunctions } from './operators.ts';
import type { Ast } from './parse.ts';
import { resolved } from './resolve.ts';
import { textFunctions } from './text-functions.ts';
import { Unsupported } from './tokens.ts';
import { childrenOf } from './types.ts';

export interface Compiler {
  readonly scope: Scope;
  compile(scope: Scope, ast: Ast): Compiled;
  member(scope: Scope, of: Compiled, name: string): Compiled;
  ofType(scope: Scope, of: Compiled, type: string): Compiled;
  is(scope: Scope, of: Compiled, type: string): Compiled;
}

type Make = (compiler: Compiler, of: Compiled, args: readonly Ast[]) => Compiled;

/** More nodes than descendants() of any real resource has. */
const NODES_MAX = 100_000;

function one(args: readonly Ast[]): Ast {
  const [first] = args;
  if (first === undefined || args.length > 1) throw new Unsupported('one argument is needed');
  return first;
}

/** An argument that is evaluated for each item. */
const inner = ({ scope, compile }: Compiler, of: Compiled, ast: Ast): Compiled =>
  compile({ ...scope, self: of.type }, ast);

/** Each item in turn, with `$index`; stops when `visit` yields false. */
function each(items: Items, frame: Frame, visit: (item: Item) => boolean): boolean {
  spend(frame, items.length);
  const before = frame.index;
  let at = 0;
  let going = true;
  for (; at < items.length && going; at++) {
    frame.index = at;
    going = visit(items[at]);
  }
  frame.index = before;
  return going;
}

const where: Make = (compiler, of, args) => {
  const condition = inner(compiler, of, one(args));
  return fromItems(
    of.type,
    (self, frame) => {
      const items = of.run(self, frame);
      if (items.length === 0) return NONE;
      const found: Item[] = [];
      each(items, frame, (item) => {
        if (condition.truth(item, frame) === true) found.push(item);
        return true;
      });
      return found;
    },
    (self, frame) => !each(of.run(self, frame), frame, (item) => condition.truth(item, frame) !== true),
  );
};

const exists: Make = (compiler, of, args) => {
  const found = args.length === 0 ? of : where(compiler, of, args);
  return fromTruth((self, frame) => found.has(self, frame));
};

const all: Make = (compiler, of, args) => {
  const condition = inner(compiler, of, one(args));
  return fromTruth((self, frame) => each(of.run(self, frame), frame, (item) => condition.truth(item, frame) === true));
};

const select: Make = (compiler, of, args) => {
  const projection = inner(compiler, of, one(args));
  return fromItems(projection.type, (self, frame) => {
    const found: Item[] = [];
    each(of.run(self, frame), frame, (item) => {
      const items = projection.run(item, frame);
      spend(frame, items.length);
      for (const each of items) found.push(each);
      return true;
    });
    return found;
  });
};

const repeat: Make = (compiler, of, args) => {
  const scope = { ...compiler.scope, self: undefined };
  const projection = compiler.compile(scope, one(args));
  return fromItems(undefined, (self, frame) => {
    const found: Item[] = [];
    let round: Items = typed(of.run(self, frame), of.type);
    while (round.length > 0) {
      round = round.flatMap((item) => typed(projection.run(item, frame), projection.type));
      spend(frame, round.length + 1);
      for (const item of round) found.push(item);
      if (found.length > NODES_MAX) throw TOO_COSTLY;
    }
    return distinct(found);
  });
};

/** Items that carry their types along. */
const typed = (items: Items, type: string | undefined): Items =>
  type === undefined ? items : items.map((item) => (item instanceof Box ? item : new Box(item, undefined, type)));

const children: Make = ({ scope }, of) =>
  fromItems(undefined, (self, frame) => of.run(self, frame).flatMap((item) => childrenOf(scope.types, item, of.type)));

const descendants: Make = ({ scope }, of) =>
  fromItems(undefined, (self, frame) => {
    const found = of.run(self, frame).flatMap((item) => childrenOf(scope.types, item, of.type));
    for (let at = 0; at < found.length; at++) {
      for (const child of childrenOf(scope.types, found[at])) found.push(child);
      if (found.length > NODES_MAX) throw TOO_COSTLY;
    }
    spend(frame, found.length);
    return found;
  });

/** Of booleans: whether each (`every`) or some is `wanted`. */
const booleans =
  (wanted: boolean, every: boolean): Make =>
  (_compiler, of) =>
    fromTruth((self, frame) => {
      const items = of.run(self, frame);
      const is = (item: Item): boolean => {
        const value = bare(item);
        if (typeof value !== 'boolean') throw CANNOT;
        return value === wanted;
      };
      return every ? items.every(is) : items.some(is);
    });

const iif: Make = (compiler, of, args) => {
  const [test, then, other] = args;
  if (test === undefined || then === undefined) throw new Unsupported('iif');
  // The condition sees the whole input as $this, which is here a single item or none.
  const [condition, yes, no] = [test, then, other].map((ast) =>
    ast === undefined ? undefined : inner(compiler, of, ast),
  );
  if (condition === undefined || yes === undefined) throw new Unsupported('iif');
  if (test.kind === 'call' && test.name === 'empty' && test.of === undefined) return iifEmpty(of, yes, no);
  const type = no === undefined || no.type === yes.type ? yes.type : undefined;
  return fromItems(type, (self, frame) => {
    const items = of.run(self, frame);
    if (items.length > 1) throw CANNOT;
    const [item] = items;
    if (condition.truth(item, frame) === true) return yes.run(item, frame);
    return no?.run(item, frame) ?? NONE;
  });
};

function iifEmpty(of: Compiled, yes: Compiled, no: Compiled | undefined): Compiled {
  return fromItems(undefined, (self, frame) => {
    const items = of.run(self, frame);
    if (items.length > 1) throw CANNOT;
    return items.length === 0 ? yes.run(undefined, frame) : (no?.run(items[0], frame) ?? NONE);
  });
}

function typeArgument(args: readonly Ast[]): string {
  const ast = one(args);
  if (ast.kind !== 'member') throw new Unsupported('a type is needed');
  return ast.of?.kind === 'member' ? `${ast.of.name}.${ast.name}` : ast.name;
}

const slice = (of: Compiled, pick: (items: Items) => Items): Compiled =>
  fromItems(of.type, (self, frame) => pick(of.run(self, frame)));

/** skip(n) and take(n). */
const counted =
  (pick: (items: Items, count: number) => Items): Make =>
  (compiler, of, args) => {
    const count = compiler.compile(compiler.scope, one(args));
    return fromItems(of.type, (self, frame) => {
      const [value] = count.run(self, frame);
      if (typeof value !== 'number') throw CANNOT;
      return pick(of.run(self, frame), Math.max(value, 0));
    });
  };

const hasPrimitive = (item: Item): boolean => {
  const value = bare(item);
  return value !== undefined && value !== null && !isObject(value);
};

const extension: Make = (compiler, of, args) => {
  const url = compiler.compile(compiler.scope, one(args));
  const extensions = compiler.member(compiler.scope, of, 'extension');
  return fromItems('Extension', (self, frame) => {
    const [wanted] = url.run(self, frame);
    return extensions.run(self, frame).filter((item) => (bare(item) as JsonObject).url === wanted);
  });
};

const neverKnown: Make = () =>
  fromTruth(() => {
    throw CANNOT;
  });

const functions: Record<string, Make> = {
  where,
  exists,
  all,
  select,
  repeat,
  children,
  descendants,
  iif,
  extension,
  empty: (_compiler, of) => fromTruth((self, frame) => !of.has(self, frame)),
  not: (_compiler, of) =>
    fromTruth((self, frame) => {
      const truth = of.truth(self, frame);
      return truth === undefined ? undefined : !truth;
    }),
  hasValue: (_compiler, of) =>
    fromTruth((self, frame) => {
      const items = of.run(self, frame);
      return items.length === 1 && hasPrimitive(items[0]);
    }),
  getValue: (_compiler, of) => slice(of, (items) => (items.length === 1 && hasPrimitive(items[0]) ? items : NONE)),
  count: (_compiler, of) => fromValue('integer', (self, frame) => of.run(self, frame).length),
  allTrue: booleans(true, true),
  allFalse: booleans(false, true),
  anyTrue: booleans(true, false),
  anyFalse: booleans(false, false),
  first: (_compiler, of) => slice(of, (items) => items.slice(0, 1)),
  last: (_compiler, of) => slice(of, (items) => items.slice(-1)),
  tail: (_compiler, of) => slice(of, (items) => items.slice(1)),
  skip: counted((items, count) => items.slice(count)),
  take: counted((items, count) => items.slice(0, count)),
  single: (_compiler, of) =>
    slice(of, (items) => {
      if (items.length > 1) throw CANNOT;
      return items;
    }),
  distinct: (_compiler, of) => slice(of, distinct),
  isDistinct: (_compiler, of) => fromTruth((self, frame) => isDistinct(of.run(self, frame))),
  trace: (_compiler, of) => of,
  ofType: (compiler, of, args) => compiler.ofType(compiler.scope, of, typeArgument(args)),
  as: (compiler, of, args) => compiler.ofType(compiler.scope, of, typeArgument(args)),
  is: (compiler, of, args) => compiler.is(compiler.scope, of, typeArgument(args)),
  htmlChecks: (_compiler, of) =>
    fromTruth((self, frame) => of.run(self, frame).every((item) => isNarrative(bare(item)))),
  resolve: ({ scope }, of) =>
    fromItems(undefined, (self, frame) => of.run(self, frame).map((item) => resolved(scope.types, item, frame))),
  memberOf: neverKnown,
  conformsTo: neverKnown,
};

function compileSet(
  compiler: Compiler,
  of: Compiled,
  combine: (a: Items, b: Items) => Items,
  args: readonly Ast[],
): Compiled {
  const other = compiler.compile(compiler.scope, one(args));
  const type = of.type === other.type ? of.type : undefined;
  return fromItems(type, (self, frame) => combine(of.run(self, frame), other.run(self, frame)));
}

/** Throws Unsupported for a function that is not here. */
export function compileFunction(compiler: Compiler, { of, name, args }: Ast & { kind: 'call' }): Compiled {
  const { scope, compile } = compiler;
  const input = of === undefined ? compile(scope, { kind: 'special', name: 'this' }) : compile(scope, of);
  const make = Object.hasOwn(functions, name) ? functions[name] : undefined;
  if (make !== undefined) return make(compiler, input, args);
  const combine = Object.hasOwn(setFunctions, name) ? setFunctions[name] : undefined;
  if (combine !== undefined) return compileSet(compiler, input, combine, args);
  const text = Object.hasOwn(textFunctions, name) ? textFunctions[name] : undefined;
  if (text === undefined) throw new Unsupported(`${name}()`);
  const given = args.map((ast) => compile(scope, ast));
  return text(input, given);
}
