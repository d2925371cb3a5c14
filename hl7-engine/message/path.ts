// Where in a message: `PID-3[2].4.1`, `OBX[3]-5`, `OBX[*]-3[*].1`; numbers count from 1

/** `*`: each one. */
export type Position = number | '*';

export interface Hl7Path {
  segment: string;
  /** Which segment of that name; 1 where the path does not say. */
  sequence: Position;
  /** Undefined: the whole segment. */
  field: number | undefined;
  /** Undefined where the path does not say: the whole field, or its first repetition where a component is asked for. */
  repetition: Position | undefined;
  component: number | undefined;
  subcomponent: number | undefined;
}

const number = '([1-9]\\d{0,4})';
const position = '(?:\\[([1-9]\\d{0,4}|\\*)\\])?';
const form = new RegExp(`^([A-Z][A-Z0-9]{2})${position}(?:-${number}${position}(?:\\.${number}(?:\\.${number})?)?)?$`);

/** What paths look like, as a regular expression's source: for schemas. */
export const pathForm: string = form.source;

const known = new Map<string, Hl7Path>();

/** Paths come from routes and tables, so the same few come again and again. */
const knownMax = 2000;

/** Undefined for text of another form. */
export function readPath(path: string): Hl7Path | undefined {
  const found = known.get(path);
  if (found !== undefined) return found;
  const match = form.exec(path);
  if (match === null) return undefined;
  const [, segment = '', sequence, field, repetition, component, subcomponent] = match;
  const result: Hl7Path = {
    segment,
    sequence: positionOf(sequence) ?? 1,
    field: numberOf(field),
    repetition: positionOf(repetition),
    component: numberOf(component),
    subcomponent: numberOf(subcomponent),
  };
  if (known.size < knownMax) known.set(path, result);
  return result;
}

/** Throws RangeError for a path of another form. */
export function pathOf(path: string): Hl7Path {
  const result = readPath(path);
  if (result === undefined) throw new RangeError(`Not an HL7 path: ${path}`);
  return result;
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}

function positionOf(text: string | undefined): Position | undefined {
  return text === '*' ? '*' : numberOf(text);
}
