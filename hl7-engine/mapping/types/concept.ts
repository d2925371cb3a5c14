// CWE, CNE, CE and CF as they are sent: https://hl7.org/fhir/uv/v2mappings/ (CWE[CodeableConcept], CWE[Coding], CNE[CodeableConcept] …)
import { conceptMapOf } from '../codes/concept-maps.ts';
import { codingSystem, localUri } from '../codesystems.ts';
import { codeableConcept } from '../datatypes.ts';
import { decimal } from '../decimal.ts';
import { unitOf } from '../units.ts';
import { firstCoding, mappedConcept } from './coded.ts';
import { composite, type DataType } from './type.ts';

const cwe: DataType = {
  guide: ['CE[CodeableConcept]', 'CF[CodeableConcept]', 'CNE[CodeableConcept]', 'CWE[CodeableConcept]'],
  yields: 'CodeableConcept',
  composite: true,
  /** With a concept map: its coding before what was sent. */
  compile([name, ...more]) {
    if (name === undefined) return (part, { mapping }) => codeableConcept(mapping, part);
    const map = conceptMapOf(name);
    if (more.length > 0) throw new SyntaxError(`one concept map, but "${more.join(' ')}" beside it`);
    return (part, { mapping }) => mappedConcept(mapping, map, part);
  },
};

export const conceptTypes = {
  CWE: cwe,
  'CWE.Coding': composite('Coding', ['CWE[Coding]'], (part, { mapping }) => firstCoding(mapping, part)),
  'CWE.code': composite('code', ['CWE[code]'], (part) => part.component(1).text?.replaceAll(/\s+/g, ' ')),
  'CWE.text': composite(
    'string',
    ['CWE[string]'],
    (part) => part.component(9).text ?? part.component(2).text ?? part.component(5).text ?? part.component(1).text,
  ),
  'CWE.note': composite('Annotation', ['CWE[Annotation]'], (part) => {
    const text = part.component(9).text ?? part.component(2).text ?? part.component(1).text;
    return text === undefined ? undefined : { text };
  }),
  'CWE.uri': composite('uri', ['CWE[uri]'], (part, { mapping }) => {
    const code = part.component(1).text;
    if (code === undefined || /\s/.test(code)) return undefined;
    const system = codingSystem(part.component(3).text, part.component(14).text, mapping.facility);
    if (/^(?:https?|urn):\S+$/i.test(code)) return code;
    return system === undefined ? localUri(mapping.facility, code) : `${system}#${encodeURIComponent(code)}`;
  }),
  'CWE.Identifier': composite('Identifier', ['CWE[Identifier]'], (part, { mapping }) => {
    const value = part.component(1).text;
    if (value === undefined) return undefined;
    const system = codingSystem(part.component(3).text, part.component(14).text, mapping.facility);
    return { system: system ?? localUri(mapping.facility), value };
  }),
  /** A unit alone; the value is another row's. */
  'CWE.Quantity': composite('Quantity', ['CWE[Quantity]'], (part, { mapping }) => {
    const unit = unitOf(part, mapping.facility);
    return Object.keys(unit).length === 0 ? undefined : unit;
  }),
  /** A text as a number of this unit: `2^hour`. */
  'CWE.Duration': composite('Duration', ['CWE[Duration]'], (part, { mapping }) => {
    const value = decimal(part.component(1).text ?? '');
    return value === undefined ? undefined : { value, ...unitOf(part.component(2), mapping.facility) };
  }),
} satisfies Record<string, DataType>;
