// Whether a row of a site's own names an element of R4: the store would refuse every message that the row is for.
import { type Definitions, type ElementDefinition, loadDefinitions, type TypeDefinition } from '#fhir-model';
import { parsePath } from '../mapping/table/target.ts';
import type { RouteProblem } from './read-route.ts';
import type { Route } from './schema.ts';

/** Of a route that compiles. */
export async function elementProblems({ mapping: { extensions = [] } }: Route): Promise<RouteProblem[]> {
  if (extensions.length === 0) return [];
  const definitions = await loadDefinitions();
  return extensions.flatMap(({ resource, rows }, index) =>
    rows.flatMap((row, number) => {
      const target = row.split('|')[1]?.trim() ?? '';
      if (/^[-@]/.test(target)) return [];
      const [path = ''] = target.split(/\s+&\s+/);
      const problem = faultOf(definitions, resource, path.trim());
      return problem === undefined ? [] : [{ path: `mapping.extensions[${index}].rows[${number}]`, problem }];
    }),
  );
}

/** The element, and the type of its value: of a choice by its name with the type. */
function childOf(type: TypeDefinition, name: string): { element: ElementDefinition; typeName: string } | undefined {
  for (const element of type.elements) {
    if (element.name === name) return { element, typeName: element.types[0] ?? '' };
    const chosen = element.types.find((one) => `${element.name}${one[0]!.toUpperCase()}${one.slice(1)}` === name);
    if (chosen !== undefined) return { element, typeName: chosen };
  }
  return undefined;
}

function faultOf(definitions: Definitions, resource: string, path: string): string | undefined {
  let type: TypeDefinition | undefined = definitions.type(resource);
  for (const { name, place } of parsePath(path)) {
    if (type === undefined) return `${path}: what stands before ${name} has no parts`;
    const isSibling = name.startsWith('_');
    const child = childOf(type, isSibling ? name.slice(1) : name);
    if (child === undefined) return `${type.name} has no element ${name}`;
    const { array } = child.element;
    if (!isSibling && array && place.kind === 'one')
      return `${name} is a list in ${type.name}: write ${name}[] or ${name}[0]`;
    if (!isSibling && !array && place.kind !== 'one') return `${name} is no list in ${type.name}: write ${name}`;
    type = definitions.type(isSibling ? 'Element' : child.typeName);
  }
  return undefined;
}
