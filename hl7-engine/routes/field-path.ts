// Places in a message as routes name them: `MSH-9.1`, `PID-3[2].4.1`, `OBX[3]-5`, `PID-3[*].5`, `OBX[*]-3`, `ZPD`.
import { emptyPart, type Hl7Message, type Part, type Segment } from '../message/message.ts';
import { type Hl7Path, readPath } from '../message/path.ts';

export const pathHint = 'a path is like MSH-9.1, PID-3[2].4.1, OBX[*]-3 or, for a whole segment, ZPD';

/** Throws RangeError for a path of another form. */
export function pathOrFault(path: string): Hl7Path {
  const read = readPath(path);
  if (read === undefined) throw new RangeError(`not a path: ${pathHint}`);
  return read;
}

/**
 * What stands at a path: one part, or as many as `[*]` finds; none where there is no such segment. Throws RangeError for a
 * path of another form. Without `[n]` the first segment, and a field's first leaf, is meant.
 */
export function compileFieldPath(path: string): (message: Hl7Message) => readonly Part[] {
  const read = pathOrFault(path);
  return (message) => {
    const found: Part[] = [];
    for (const segment of segmentsAt(message, read)) {
      for (const part of fieldsAt(segment, read)) found.push(partBelow(part, read));
    }
    return found;
  };
}

function segmentsAt(message: Hl7Message, { segment: name, sequence }: Hl7Path): readonly Segment[] {
  if (sequence === '*') return message.segments.filter((segment) => segment.name === name);
  const segment = name === 'MSH' && sequence === 1 ? message.segments[0] : message.segment(name, sequence);
  return segment === undefined ? [] : [segment];
}

function fieldsAt(segment: Segment, { field, repetition }: Hl7Path): readonly Part[] {
  if (field === undefined) return [whole(segment)];
  if (repetition === '*') return segment.field(field).repetitions();
  return [repetition === undefined ? segment.field(field) : segment.field(field).repetition(repetition)];
}

/** A segment that is there has a value, whatever its fields say. */
const whole = (segment: Segment): Part => ({ ...emptyPart, raw: segment.raw, text: segment.name, isEmpty: false });

function partBelow(part: Part, { component, subcomponent }: Hl7Path): Part {
  if (component === undefined) return part;
  return subcomponent === undefined ? part.component(component) : part.component(component).subcomponent(subcomponent);
}
