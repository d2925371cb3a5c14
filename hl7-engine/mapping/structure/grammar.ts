// The abstract syntax of messages (HL7 v2.9 chapter 2.12) in one line a structure:
//
//   MSH SFT* PATIENT_RESULT{ PATIENT{ PID PD1? NK1* VISIT{PV1 PV2?}? }? ORDER_OBSERVATION{ ORC? OBR NTE* OBSERVATION{OBX NTE*}* }+ }+
//
// `?` optional, `*` any number, `+` at least one; `NAME{…}` a group, with the name that the standard gives it.

interface SegmentElement {
  kind: 'segment';
  name: string;
  required: boolean;
  repeats: boolean;
}

export interface GroupElement {
  kind: 'group';
  name: string;
  required: boolean;
  repeats: boolean;
  elements: readonly Element[];
  /** Segments that can be its first. */
  first: ReadonlySet<string>;
  /** Every segment in it, at any depth. */
  within: ReadonlySet<string>;
}

export type Element = SegmentElement | GroupElement;

const token = /\s*(?:([A-Z][A-Z0-9_]*)(\{)?|(\}))\s*/y;
const count = /[?*+]?/y;

/** A structure's elements as one group. Throws SyntaxError naming the structure and the place. */
export function parseStructure(name: string, text: string): GroupElement {
  let position = 0;
  const take = (form: RegExp): RegExpExecArray | null => {
    form.lastIndex = position;
    const match = form.exec(text);
    if (match) position = form.lastIndex;
    return match;
  };
  const cardinality = (): { required: boolean; repeats: boolean } => {
    const sign = take(count)![0];
    return { required: sign === '' || sign === '+', repeats: sign === '*' || sign === '+' };
  };
  const elements = (closed: boolean): Element[] => {
    const found: Element[] = [];
    while (position < text.length) {
      const match = take(token);
      if (match === null) break;
      const [, word, open, close] = match;
      if (close !== undefined) {
        if (closed) return found;
        throw new SyntaxError(`${name}: a group ends that did not begin`);
      }
      if (open === undefined) found.push({ kind: 'segment', name: word!, ...cardinality() });
      else {
        const inner = elements(true);
        found.push(groupElement(word!, inner, cardinality()));
      }
    }
    if (closed || position < text.length) throw new SyntaxError(`${name}: "${text.slice(position, position + 20)}"`);
    return found;
  };
  return groupElement(name, elements(false), { required: true, repeats: false });
}

function groupElement(
  name: string,
  elements: Element[],
  cardinality: { required: boolean; repeats: boolean },
): GroupElement {
  if (elements.length === 0) throw new SyntaxError(`${name}: a group of nothing`);
  const first = new Set<string>();
  for (const element of elements) {
    for (const segment of element.kind === 'segment' ? [element.name] : element.first) first.add(segment);
    if (element.required) break;
  }
  const within = new Set(
    elements.flatMap((element) => (element.kind === 'segment' ? [element.name] : [...element.within])),
  );
  return { kind: 'group', name, ...cardinality, elements, first, within };
}
