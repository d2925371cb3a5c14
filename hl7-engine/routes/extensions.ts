// Rows of a site's own that add to the resources of a message: checked one by one when the route is put in force.
import { compileTable, type SegmentTable } from '../mapping/table/table.ts';
import { CompileFault } from './compile-fault.ts';
import type { Route } from './schema.ts';

type Extensions = NonNullable<Route['mapping']['extensions']>;

/** The message's own map decides what the resource is and how it is found. */
const ownTargets = /^(?:resourceType|id|meta|implicitRules|identifier|contained|text)\b/;

/** Throws CompileFault that names the row: `mapping.extensions[0].rows[2]`. */
export function compileExtensions(extensions: Extensions): SegmentTable[] {
  return extensions.map(({ segment, resource, rows }, index) => {
    for (const [number, row] of rows.entries()) {
      const fault = rowFault(segment, resource, row);
      if (fault !== undefined) throw new CompileFault(`mapping.extensions[${index}].rows[${number}]`, fault);
    }
    return compileTable(segment, resource, rows.join('\n'));
  });
}

function rowFault(segment: string, resource: string, row: string): string | undefined {
  const [, target = '', map = '', condition = ''] = row.split('|').map((column) => column.trim());
  if (ownTargets.test(target)) return `${target} is for the message's own map: add another element`;
  if (/^custom\b/.test(map)) return 'custom maps are code: name a data type';
  // Its expressions are run by an engine that can take for ever.
  if (/\bmatches\b/.test(condition))
    return 'matches is not possible in a row: use a condition of the route, or = and in';
  try {
    compileTable(segment, resource, row);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
