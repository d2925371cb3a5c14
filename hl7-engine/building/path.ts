// Where a building table's row reads: `name`, `period.start`, `extension[http://…].valueString`, `participant[type=ATND].individual`.
import type { Json } from '#fhir-model';
import { readElementPath } from '../element-path.ts';
import { isObject } from './building.ts';

type Test = (item: Json) => boolean;

interface Step {
  name: string;
  test: Test | undefined;
}

/**
 * Compiles a path to what it yields of a resource: lists are gone through, so the result is flat. In brackets stands a url of an
 * extension, or `element=text`, `element!=text`: an item in which that element is, or holds, that text or code, or one of several
 * (`use=old,maiden`). Throws SyntaxError.
 */
export function compilePath(path: string): (value: Json) => Json[] {
  const steps = readElementPath(path).map(({ name, inside }): Step => ({ name, test: testOf(inside) }));
  return (value) => steps.reduce(follow, [value]);
}

function follow(values: Json[], { name, test }: Step): Json[] {
  const found: Json[] = [];
  for (const value of values) {
    const inner = isObject(value) ? value[name] : undefined;
    if (inner === undefined || inner === null) continue;
    for (const item of Array.isArray(inner) ? inner : [inner]) {
      if (item !== null && (test === undefined || test(item))) found.push(item);
    }
  }
  return found;
}

function testOf(inside: string | undefined): Test | undefined {
  if (inside === undefined) return undefined;
  const match = /^([A-Za-z]\w*)(!?=)([^=]*)$/.exec(inside);
  if (match === null) return (item) => isObject(item) && item.url === inside;
  const [, name = '', sign, text = ''] = match;
  const wanted = text.split(',');
  return (item) => (isObject(item) && wanted.some((one) => holds(item[name], one))) === (sign === '=');
}

/** The text itself, or a code somewhere within. */
function holds(value: Json | undefined, wanted: string): boolean {
  if (typeof value === 'string' || typeof value === 'boolean') return String(value) === wanted;
  if (Array.isArray(value)) return value.some((item) => holds(item, wanted));
  return isObject(value) && (value.code === wanted || holds(value.coding, wanted));
}
