// From the grammar's tree to closures: https://hl7.org/fhirpath/#path-selection

import { isObject } from '../../json.ts';
import { type Compiled, fromItems, fromTruth, fromValue, type Scope } from './compiled.ts';
import { compileFunction } from './functions.ts';
import { Box, bare, CANNOT, ELSEWHERE, type Item, type Items, NONE, singleton, typeOf } from './items.ts';
import { compileOperator, negated } from './operators.ts';
import type { Ast, Literal } from './parse.ts';
import { Unsupported } from './tokens.ts';
import { absent, type Member, memberOfItem, membersOf } from './types.ts';

/** https://hl7.org/fhir/R4/fhirpath.html#vars, those that are the same for all. */
const CONSTANTS: Record<string, string> = {
  ucum: 'http://unitsofmeasure.org',
  sct: 'http://snomed.info/sct',
  loinc: 'http://loinc.org',
};

function compileLiteral(literal: Literal): Compiled {
  const items: Items = [literal.value];
  const compiled = fromItems(
    literal.type,
    () => items,
    () => true,
  );
  return literal.type === 'string' ? { ...compiled, literal: literal.value } : compiled;
}

const nothing: Compiled = fromItems(
  undefined,
  () => NONE,
  () => false,
);

const hasMember = (member: Member, item: Item, primitive: boolean): boolean => {
  const owner = primitive ? (item instanceof Box ? item.companion : undefined) : bare(item);
  if (owner === ELSEWHERE) throw CANNOT;
  return isObject(owner) && member.has(owner);
};

function throughMember(scope: Scope, of: Compiled, member: Member, primitive: boolean): Compiled {
  const run: Compiled['run'] = (self, frame) => {
    const owners = of.run(self, frame);
    if (owners.length === 0) return NONE;
    if (owners.length === 1) return membersOf(member, owners[0], primitive);
    const found: Item[] = [];
    for (const owner of owners) for (const item of membersOf(member, owner, primitive)) found.push(item);
    return found;
  };
  const has: Compiled['has'] = (self, frame) => {
    for (const owner of of.run(self, frame)) if (hasMember(member, owner, primitive)) return true;
    return false;
  };
  const compiled = fromItems(member.type, run, has);
  if (member.choices === undefined) return compiled;
  const narrow = (type: string): Compiled | undefined => {
    const one = scope.types.narrow(member, type);
    return one && throughMember(scope, of, one, primitive);
  };
  return { ...compiled, narrow };
}

/** The member of items that tell their types at the run. */
function throughAny(scope: Scope, of: Compiled, name: string): Compiled {
  return fromItems(undefined, (self, frame) => {
    const owners = of.run(self, frame);
    if (owners.length === 0) return NONE;
    if (owners.length === 1) return memberOfItem(scope.types, owners[0], name);
    return owners.flatMap((owner) => memberOfItem(scope.types, owner, name));
  });
}

function compileMember(scope: Scope, of: Compiled, name: string): Compiled {
  const { types } = scope;
  if (of.type === undefined) return throughAny(scope, of, name);
  const member = types.member(of.type, name) ?? absent;
  return throughMember(scope, of, member, types.isPrimitive(of.type));
}

const compileThis = (scope: Scope): Compiled =>
  fromItems(
    scope.self,
    (self) => [self],
    () => true,
  );

/** `Patient.name` on a Patient: a path may begin with the type. */
function compileRootName(scope: Scope, name: string): Compiled {
  const { types, self } = scope;
  const here = compileThis(scope);
  const isRoot = /^[A-Z]/.test(name) && types.isType(name);
  if (!isRoot) return compileMember(scope, here, name);
  if (self !== undefined) return types.isSubtype(self, name) ? here : nothing;
  return fromItems(undefined, (item) => (types.isSubtype(typeOf(item) ?? '', name) ? [item] : NONE));
}

function compileExternal(scope: Scope, name: string): Compiled {
  if (name === 'resource') return fromItems(undefined, (_self, frame) => [frame.resource]);
  if (name === 'rootResource') return fromItems(undefined, (_self, frame) => [frame.rootResource]);
  if (name === 'context') return fromItems(scope.context, (_self, frame) => [frame.context]);
  const constant = Object.hasOwn(CONSTANTS, name) ? CONSTANTS[name] : undefined;
  if (constant !== undefined) return compileLiteral({ type: 'string', value: constant });
  if (name.startsWith('vs-'))
    return compileLiteral({ type: 'string', value: `http://hl7.org/fhir/ValueSet/${name.slice(3)}` });
  if (!name.startsWith('ext-')) throw new Unsupported(`%${name}`);
  return compileLiteral({ type: 'string', value: `http://hl7.org/fhir/StructureDefinition/${name.slice(4)}` });
}

/** The type's own name: `FHIR.Quantity` is Quantity. System types, which no element has, are the library's. */
function plainType(name: string): string {
  if (name.startsWith('System.')) throw new Unsupported(name);
  return name.startsWith('FHIR.') ? name.slice(5) : name;
}

/** `x.ofType(T)` and `x as T`. */
function compileOfType(scope: Scope, of: Compiled, typeName: string): Compiled {
  const type = plainType(typeName);
  const narrow = of.narrow?.(type);
  if (narrow !== undefined) return narrow;
  if (of.type !== undefined) return scope.types.isOfType(of.type, type) ? of : nothing;
  return fromItems(undefined, (self, frame) =>
    of.run(self, frame).filter((item) => scope.types.isOfType(typeOf(item) ?? '', type)),
  );
}

function compileIs(scope: Scope, of: Compiled, typeName: string): Compiled {
  const type = plainType(typeName);
  return fromTruth((self, frame) => {
    const item = singleton(of.run(self, frame));
    return item === undefined ? undefined : scope.types.isSubtype(of.type ?? typeOf(item) ?? '', type);
  });
}

function compileAt(scope: Scope, ast: Ast & { kind: 'at' }): Compiled {
  const of = compile(scope, ast.of);
  const index = compile(scope, ast.index);
  return fromValue(of.type, (self, frame) => {
    const at = bare(singleton(index.run(self, frame)));
    return typeof at === 'number' ? of.run(self, frame)[at] : undefined;
  });
}

function compileSpecial(scope: Scope, name: 'this' | 'index' | 'total'): Compiled {
  if (name === 'this') return compileThis(scope);
  if (name === 'index') return fromValue('integer', (_self, frame) => frame.index);
  throw new Unsupported('$total');
}

/** Throws Unsupported for what the library must do. */
export function compile(scope: Scope, ast: Ast): Compiled {
  switch (ast.kind) {
    case 'literal':
      return compileLiteral(ast.literal);
    case 'empty':
      return nothing;
    case 'special':
      return compileSpecial(scope, ast.name);
    case 'external':
      return compileExternal(scope, ast.name);
    case 'member':
      return ast.of === undefined
        ? compileRootName(scope, ast.name)
        : compileMember(scope, compile(scope, ast.of), ast.name);
    case 'call':
      return compileFunction({ scope, compile, member: compileMember, ofType: compileOfType, is: compileIs }, ast);
    case 'type':
      return (ast.op === 'is' ? compileIs : compileOfType)(scope, compile(scope, ast.of), ast.type);
    case 'at':
      return compileAt(scope, ast);
    case 'negate':
      return negated(compile(scope, ast.of));
    case 'binary':
      return compileOperator(ast.op, compile(scope, ast.left), compile(scope, ast.right));
  }
}
