// Paths to elements of a resource, as the tables of mapping and building write them: `period.start`, `extension[url].valueString`.

export interface ElementStep {
  name: string;
  /** What stands in brackets behind the name; undefined without any. */
  inside: string | undefined;
}

const step = /([A-Za-z_]\w*)(?:\[([^\]]*)\])?(\.|$)/y;

/** No steps for the empty path. Throws SyntaxError. */
export function readElementPath(path: string): ElementStep[] {
  const steps: ElementStep[] = [];
  let end = path === '' ? '' : '.';
  step.lastIndex = 0;
  while (end === '.') {
    const match = step.exec(path);
    if (match === null) throw new SyntaxError(`element "${path}"`);
    steps.push({ name: match[1]!, inside: match[2] });
    end = match[3]!;
  }
  return steps;
}
