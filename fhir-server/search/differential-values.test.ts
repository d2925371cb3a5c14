// SQL against memory on modifiers, composites, units and special parameters: https://hl7.org/fhir/R4/search.html#modifiers
import { rawJson } from '#fhir-model';
import { random, testDatabase } from '#platform/testing';
import { clean, differential, drawing } from './differential-testing.ts';

const draw = drawing(random(20_260_202));
const { next, one, some, maybe } = draw;

const UCUM = 'http://unitsofmeasure.org';
const systems = ['http://a', 'http://b', UCUM];
const codes = ['x', 'X', 'y', 'mm', 'Mm', 'b|x', 'c$d', 'Abc'];
const displays = ['Heart rate', 'heart RATE', 'Body weight', 'Größe', 'rate, resting', 'x', '100%', 'a_b'];
const words = ['bone', 'Liver', 'Müller', 'skin', 'the', 'a-b', '5.4', "O'Neil", 'İz', 'ﬁne'];
const units = ['mg', 'g', 'kg', 'mL', '[degF]', 'Cel', 'K', '[pH]', 'nonsense', 'ug'];
const numbers = ['0', '1', '5', '5000', '0.005', '37', '98.6', '-40', '1.50', '1e3'];
const spots = [
  [52.52, 13.405],
  [52.5, 13.4],
  [48.85, 2.35],
  [-33.9, 151.2],
  [10, 179.9],
  [10, -179.9],
  [90, 0],
] as const;

const coding = () => ({ system: maybe(() => one(systems)), code: one(codes), display: maybe(() => one(displays)) });
const concept = () => clean({ coding: some(() => clean(coding()), 2), text: maybe(() => one(displays)) });
const filled = (make: () => object): object => {
  const made = make();
  return Object.keys(made).length > 0 ? made : filled(make);
};
const quantity = () => ({
  value: rawJson(one(numbers)),
  code: one(units),
  ...one([{ system: UCUM }, { system: UCUM }, { system: 'http://u' }, {}]),
  ...(next(6) === 0 ? { comparator: one(['<', '<=', '>', '>=']) } : {}),
});
const range = () => {
  const [low, high] = [one(numbers), one(numbers)].sort((a, b) => Number(a) - Number(b));
  return one([
    { low: { value: rawJson(low!) } },
    { high: { value: rawJson(high!) } },
    { low: { value: rawJson(low!) }, high: { value: rawJson(high!) } },
  ]);
};
const sentence = () => Array.from({ length: 1 + next(4) }, () => one(words)).join(' ');
const narrative = () => ({
  status: 'generated',
  div: `<div xmlns="http://www.w3.org/1999/xhtml"><p>${sentence()}</p> ${sentence()}</div>`,
});
const identifier = () =>
  clean({
    system: maybe(() => one(systems)),
    value: one(codes),
    type: maybe(() => filled(concept)),
  });
const reference = () =>
  filled(() =>
    clean({
      reference: maybe(() => one(['Patient/p1', 'Patient/p2', 'Group/p1', '#c'])),
      type: maybe(() => 'Patient'),
      identifier: maybe(identifier),
      display: maybe(() => sentence()),
    }),
  );
const value = () =>
  one([{ valueQuantity: quantity() }, { valueCodeableConcept: filled(concept) }, { valueString: one(displays) }, {}]);

const makers: Record<string, () => object> = {
  Observation: () => ({
    status: 'final',
    text: maybe(narrative),
    contained: [{ resourceType: 'Patient', id: 'c' }],
    code: filled(concept),
    category: some(() => filled(concept), 2),
    method: maybe(() => filled(concept)),
    subject: maybe(reference),
    identifier: some(identifier, 2),
    ...value(),
    component: some(() => ({ code: filled(concept), ...value() }), 3),
    note: some(() => ({ text: sentence() }), 1),
  }),
  Location: () => {
    const spot = maybe(() => one(spots));
    return {
      name: one(displays),
      ...(spot ? { position: { latitude: spot[0], longitude: spot[1] + next(3) / 100 } } : {}),
    };
  },
  ValueSet: () => ({
    status: 'draft',
    text: maybe(narrative),
    useContext: some(
      () => ({
        code: clean(coding()),
        ...one([{ valueCodeableConcept: filled(concept) }, { valueQuantity: quantity() }, { valueRange: range() }]),
      }),
      3,
    ),
  }),
  MolecularSequence: () => ({
    coordinateSystem: 0,
    referenceSeq: maybe(() => ({ chromosome: filled(concept), windowStart: next(4), windowEnd: next(4) })),
    variant: some(() => clean({ start: maybe(() => next(4)), end: maybe(() => next(4)) }), 3).filter(
      (each) => Object.keys(each).length > 0,
    ),
  }),
  DocumentReference: () => ({
    status: 'current',
    content: [{ attachment: { url: 'http://x' } }],
    relatesTo: some(
      () => ({
        code: one(['replaces', 'appends']),
        target: { reference: one(['DocumentReference/1', 'DocumentReference/2', 'http://e/DocumentReference/1']) },
      }),
      3,
    ),
  }),
  RiskAssessment: () => ({
    status: 'final',
    subject: reference(),
    prediction: some(() => one([{ probabilityDecimal: rawJson(one(numbers)) }, { probabilityRange: range() }]), 2),
  }),
};

const escaped = (text: string): string => text.replace(/[\\,|$]/g, '\\$&');
const prefix = (): string => one(['', '', 'eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'ap']);
const alternatives = (make: () => string): string => [make(), ...some(make, 1)].join(',');
const tokenText = (): string =>
  one([
    () => escaped(one(codes)),
    () => `${escaped(one(systems))}|${escaped(one(codes))}`,
    () => `|${escaped(one(codes))}`,
    () => `${escaped(one(systems))}|`,
  ])();
const quantityText = (): string =>
  prefix() +
  one(numbers) +
  one([() => '', () => `||${one(units)}`, () => `|${UCUM}|${one(units)}`, () => `|${UCUM}|${one(units)}`])();
const part = (text: string): string => {
  const from = next(3) === 0 ? next(text.length) : 0;
  return escaped(text.slice(from, from + 2 + next(8)));
};
const text = (): string => part(one(displays));
const query = (): string =>
  one([
    () => one(words),
    () => `${one(words)} ${one(words)}`,
    () => `${one(words)} or ${one(words)}`,
    () => `"${one(words)} ${one(words)}"`,
    () => `${one(words)} -${one(words)}`,
    () => `${one(words).slice(0, 2)}*`,
    () => `not (${one(words)} or ${one(words)})`,
  ])();
const pair = (name: string, first: () => string, second: () => string) => () =>
  `${name}=${alternatives(() => `${first()}$${second()}`)}`;
const missing = (names: string[]) => () => `${one(names)}:missing=${one(['true', 'false'])}`;

const askers: Record<string, (() => string)[]> = {
  Observation: [
    () =>
      `${one(['code', 'category', 'combo-code', 'method', 'value-concept', 'component-code'])}${one(['', ':not', ':text', ':text'])}=${alternatives(() => (next(2) === 0 ? tokenText() : escaped(one(codes))))}`,
    () => `${one(['code', 'combo-code', 'category'])}:text=${alternatives(text)}`,
    () => `${one(['code', 'combo-code', 'value-concept'])}:code-text=${alternatives(() => part(one(codes)))}`,
    () => `identifier${one(['', ':not'])}=${alternatives(tokenText)}`,
    () => `identifier:of-type=${one(['', ...systems])}|${escaped(one(codes))}|${escaped(one(codes))}`,
    () => `identifier:text=${text()}`,
    () => `${one(['subject', 'patient'])}:identifier=${alternatives(tokenText)}`,
    () => `${one(['subject', 'patient'])}:text=${alternatives(() => part(one(words)))}`,
    () =>
      `${one(['value-quantity', 'combo-value-quantity', 'component-value-quantity'])}=${alternatives(quantityText)}`,
    pair('code-value-quantity', tokenText, quantityText),
    pair('combo-code-value-quantity', tokenText, quantityText),
    pair('component-code-value-quantity', tokenText, quantityText),
    pair('component-code-value-concept', tokenText, tokenText),
    pair('combo-code-value-concept', tokenText, tokenText),
    pair('code-value-string', tokenText, () => part(one(displays))),
    () => `_text=${alternatives(query)}`,
    () => `_content=${alternatives(query)}`,
    missing([
      '_text',
      'code',
      'subject',
      'patient',
      'subject',
      'component-code-value-quantity',
      'combo-code-value-concept',
      'code-value-string',
    ]),
  ],
  Location: [
    () => {
      const [latitude, longitude] = one(spots);
      return `near=${latitude}|${longitude}${one(['', '|0.7|km', '|3|km', '|1500|m', '|900|km', '|21000|km', '|1|[mi_i]'])}`;
    },
    () => `name=${text()}`,
    missing(['near', 'name']),
  ],
  ValueSet: [
    pair('context-type-value', tokenText, tokenText),
    pair('context-type-quantity', tokenText, quantityText),
    () => `context-type:text=${text()}`,
    () => `_text=${query()}`,
    missing(['context-type-value', 'context-type-quantity', '_text']),
  ],
  MolecularSequence: [
    pair('chromosome-variant-coordinate', tokenText, () => `${prefix()}${next(4)}$${prefix()}${next(4)}`),
    pair('chromosome-window-coordinate', tokenText, () => `${prefix()}${next(4)}$${prefix()}${next(4)}`),
    missing(['chromosome-variant-coordinate', 'chromosome-window-coordinate']),
  ],
  DocumentReference: [
    pair(
      'relationship',
      () =>
        one(['replaces', 'appends', 'http://hl7.org/fhir/document-relationship-type|replaces', 'http://a|replaces']),
      () => one(['1', 'DocumentReference/2', 'http://e/DocumentReference/1']),
    ),
    missing(['relationship']),
  ],
  RiskAssessment: [() => `probability=${alternatives(() => prefix() + one(numbers))}`, missing(['probability'])],
};
const sorts: Record<string, string[]> = {
  Observation: ['_id', 'value-quantity', '_lastUpdated'],
  Location: ['name', '_id'],
  ValueSet: ['_id'],
  MolecularSequence: ['window-start', '_id'],
  DocumentReference: ['_id'],
  RiskAssessment: ['probability', '_id'],
};

differential({
  database: testDatabase,
  makers,
  askers: (type) => askers[type]!,
  sorts,
  draw,
  searches: 900,
  tellingMin: 300,
});
