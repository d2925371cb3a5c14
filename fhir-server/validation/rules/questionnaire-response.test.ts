// Responses against their Questionnaires: structure, answers, and which questions are to be answered.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JsonObject, loadDefinitions } from '#fhir-model';
import { createInvariantCompiler } from './invariants.ts';
import { questionnaireResponseFaults } from './questionnaire-response.ts';

const definitions = await loadDefinitions();
const { isResourceType } = definitions;
const invariant = createInvariantCompiler(definitions);

/** The one value set that is known: of `a` and `b`. */
function inValueSet(valueSet: string, { code }: JsonObject): boolean | undefined {
  return valueSet === 'http://example.org/vs' ? code === 'a' || code === 'b' : undefined;
}

function told(questions: JsonObject[], items: JsonObject[], status = 'completed'): string[] {
  const response = { resourceType: 'QuestionnaireResponse', status, item: items };
  const questionnaire = { resourceType: 'Questionnaire', item: questions };
  const rules = { isResourceType, inValueSet, invariant };
  return questionnaireResponseFaults(response, questionnaire, 'QR', rules).map(
    ({ severity, id, expression }) => `${severity} ${id} ${expression}`,
  );
}

const q = (linkId: string, type: string, more: JsonObject = {}): JsonObject => ({ linkId, type, ...more });
const a = (linkId: string, ...answer: JsonObject[]): JsonObject => ({ linkId, answer });

test('linkIds are those of the Questionnaire, in its places and order', () => {
  const questions = [q('1', 'string'), q('g', 'group', { item: [q('2', 'string'), q('3', 'string')] })];
  const one = a('1', { valueString: 'x' });
  const [two, three] = [a('2', { valueString: 'x' }), a('3', { valueString: 'x' })];
  assert.deepEqual(told(questions, [one, { linkId: 'g', item: [two, three] }]), []);
  assert.deepEqual(told(questions, [{ linkId: 'g', item: [three, two] }, one]), [
    'error questionnaire-order QR.item[1]',
    'error questionnaire-order QR.item[0].item[1]',
  ]);
  assert.deepEqual(told(questions, [one, two]), ['error questionnaire-place QR.item[1].linkId']);
  assert.deepEqual(told(questions, [a('9', { valueString: 'x' })]), ['error questionnaire-link-id QR.item[0].linkId']);
});

test('what is required is wanted of a response that is completed', () => {
  const questions = [
    q('1', 'string', { required: true }),
    q('g', 'group', { required: true, item: [q('2', 'string')] }),
    q('h', 'group', { item: [q('3', 'string', { required: true })] }),
  ];
  const missing = [
    'error questionnaire-required QR.item[0]',
    'error questionnaire-required QR.item[1]',
    'error questionnaire-required QR.item[2]',
  ];
  const items = [{ linkId: '1' }, { linkId: 'g' }, { linkId: 'h' }];
  assert.deepEqual(told(questions, items), missing);
  assert.deepEqual(told(questions, items, 'amended'), missing);
  assert.deepEqual(told(questions, items, 'in-progress'), []);
  assert.deepEqual(told(questions, []), ['error questionnaire-required QR', 'error questionnaire-required QR']);
});

test('questions repeat by their answers, groups by their items', () => {
  const answer = { valueString: 'x' };
  assert.deepEqual(told([q('1', 'string')], [a('1', answer, answer)]), ['error questionnaire-repeats QR.item[0]']);
  assert.deepEqual(told([q('1', 'string', { repeats: true })], [a('1', answer, answer)]), []);
  assert.deepEqual(told([q('1', 'string', { repeats: true })], [a('1', answer), a('1', answer)]), [
    'error questionnaire-repeats QR.item[1]',
  ]);
  const group = (repeats: boolean): JsonObject => q('g', 'group', { repeats, item: [q('1', 'string')] });
  const items = [0, 1].map(() => ({ linkId: 'g', item: [a('1', answer)] }));
  assert.deepEqual(told([group(true)], items), []);
  assert.deepEqual(told([group(false)], items), ['error questionnaire-repeats QR.item[1]']);
});

test('groups and displays have no answers, and what is below a question stands in its answer', () => {
  const answer = { valueString: 'x' };
  assert.deepEqual(told([q('g', 'group')], [a('g', answer)]), ['error questionnaire-group QR.item[0].answer']);
  assert.deepEqual(told([q('d', 'display')], [{ linkId: 'd' }]), []);
  assert.deepEqual(told([q('d', 'display')], [a('d', answer)]), ['error questionnaire-display QR.item[0]']);
  const nested = [q('1', 'string', { item: [q('2', 'string', { required: true })] })];
  assert.deepEqual(told(nested, [a('1', { ...answer, item: [a('2', answer)] })]), []);
  assert.deepEqual(told(nested, [a('1', answer)]), ['error questionnaire-required QR.item[0].answer[0]']);
  assert.deepEqual(told(nested, [{ linkId: '1', item: [a('2', answer)] }]), [
    'error questionnaire-place QR.item[0].item',
  ]);
});

test('an answer has the type of its question', () => {
  const good: [string, JsonObject][] = [
    ['boolean', { valueBoolean: true }],
    ['decimal', { valueDecimal: 1.5 }],
    ['integer', { valueInteger: 1 }],
    ['date', { valueDate: '2024' }],
    ['dateTime', { valueDateTime: '2024-01-01' }],
    ['time', { valueTime: '10:00:00' }],
    ['text', { valueString: 'x' }],
    ['url', { valueUri: 'http://example.org' }],
    ['choice', { valueCoding: { code: 'a' } }],
    ['open-choice', { valueString: 'x' }],
    ['attachment', { valueAttachment: { url: 'http://example.org' } }],
    ['reference', { valueReference: { reference: 'Patient/1' } }],
    ['quantity', { valueQuantity: { value: 1 } }],
  ];
  for (const [type, answer] of good) assert.deepEqual(told([q('1', type)], [a('1', answer)]), [], type);
  const wrong = ['error questionnaire-type QR.item[0].answer[0].value'];
  for (const [type] of good)
    assert.deepEqual(
      told([q('1', type)], [a('1', { valueInstant: 'x', valueBoolean: true })]),
      type === 'boolean' ? [] : wrong,
      type,
    );
});

test('options and value sets', () => {
  const options = {
    answerOption: [{ valueCoding: { system: 's', code: 'a', display: 'A' } }, { valueString: 'other' }],
  };
  const coding = (code: string): JsonObject => ({ valueCoding: { system: 's', code } });
  const wrong = ['error questionnaire-option QR.item[0].answer[0]'];
  assert.deepEqual(told([q('1', 'choice', options)], [a('1', coding('a'))]), []);
  assert.deepEqual(told([q('1', 'choice', options)], [a('1', coding('b'))]), wrong);
  assert.deepEqual(told([q('1', 'choice', options)], [a('1', { valueString: 'else' })]), wrong);
  assert.deepEqual(told([q('1', 'open-choice', options)], [a('1', { valueString: 'else' })]), []);
  const valueSet = { answerValueSet: 'http://example.org/vs' };
  assert.deepEqual(told([q('1', 'choice', valueSet)], [a('1', coding('b'))]), []);
  assert.deepEqual(told([q('1', 'choice', valueSet)], [a('1', coding('c'))]), wrong);
  assert.deepEqual(told([q('1', 'open-choice', valueSet)], [a('1', { valueString: 'c' })]), []);
  assert.deepEqual(
    told([q('1', 'choice', { answerValueSet: 'http://example.org/unknown' })], [a('1', coding('c'))]),
    [],
  );
});

test('limits: length, pattern, values, units, types of reference', () => {
  const base = 'http://hl7.org/fhir/StructureDefinition';
  const extended = (type: string, ...extension: JsonObject[]): JsonObject[] => [q('1', type, { extension })];
  const wrong = (id: string): string[] => [`error questionnaire-${id} QR.item[0].answer[0].value`];
  assert.deepEqual(told([q('1', 'string', { maxLength: 2 })], [a('1', { valueString: 'abc' })]), wrong('length'));
  assert.deepEqual(told([q('1', 'string', { maxLength: 2 })], [a('1', { valueString: '𠮷𠮷' })]), []);
  const least = extended('string', { url: `${base}/minLength`, valueInteger: 5 });
  assert.deepEqual(told(least, [a('1', { valueString: 'abc' })]), wrong('length'));
  const pattern = extended('string', { url: `${base}/regex`, valueString: '[a-z]+' });
  assert.deepEqual(told(pattern, [a('1', { valueString: 'abc' })]), []);
  assert.deepEqual(told(pattern, [a('1', { valueString: 'abc1' })]), wrong('pattern'));
  const slow = extended('string', { url: `${base}/regex`, valueString: '(a+)+' });
  assert.deepEqual(told(slow, [a('1', { valueString: `${'a'.repeat(5000)}!` })]), wrong('pattern'));
  const dates = extended(
    'date',
    { url: `${base}/minValue`, valueDate: '2020' },
    { url: `${base}/maxValue`, valueDate: '2022-06' },
  );
  for (const date of ['2020', '2021-05-05', '2022-06-30', '2022'])
    assert.deepEqual(told(dates, [a('1', { valueDate: date })]), [], date);
  for (const date of ['2019-12-31', '2022-07', '2023'])
    assert.deepEqual(told(dates, [a('1', { valueDate: date })]), wrong('limit'), date);
  const ucum = 'http://unitsofmeasure.org';
  const most = extended('quantity', {
    url: 'http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-maxQuantity',
    valueQuantity: { value: 2, system: ucum, code: 'g' },
  });
  const milligrams = (value: number): JsonObject => ({ valueQuantity: { value, system: ucum, code: 'mg' } });
  assert.deepEqual(told(most, [a('1', milligrams(1999))]), []);
  assert.deepEqual(told(most, [a('1', milligrams(2001))]), wrong('limit'));
  const units = extended('quantity', {
    url: `${base}/questionnaire-unitOption`,
    valueCoding: { system: ucum, code: 'km' },
  });
  assert.deepEqual(told(units, [a('1', milligrams(1))]), wrong('unit'));
  const reference = (text: string): JsonObject => ({ valueReference: { reference: text } });
  assert.deepEqual(
    told([q('1', 'reference')], [a('1', reference('https://example.org/Chicken/1'))]),
    wrong('reference'),
  );
  const patients = extended('reference', { url: `${base}/questionnaire-referenceResource`, valueCode: 'Patient' });
  assert.deepEqual(told(patients, [a('1', reference('Patient/1'))]), []);
  assert.deepEqual(told(patients, [a('1', reference('Group/1'))]), wrong('reference'));
});

function enabled(operator: string, wanted: JsonObject, ...given: JsonObject[]): boolean {
  const condition = { question: '1', operator, ...wanted };
  const questions = [q('1', 'integer', { repeats: true }), q('2', 'string', { enableWhen: [condition] })];
  const faults = told(questions, [...(given.length === 0 ? [] : [a('1', ...given)]), a('2', { valueString: 'x' })]);
  return !faults.some((fault) => fault.includes('questionnaire-enabled'));
}

test('enableWhen: every operator', () => {
  const five = { valueInteger: 5 };
  const six = { answerInteger: 6 };
  assert.deepEqual(
    ['=', '!=', '>', '<', '>=', '<='].map((operator) => enabled(operator, six, five)),
    [false, true, false, true, false, true],
  );
  assert.deepEqual(
    ['=', '>=', '<='].map((operator) => enabled(operator, { answerInteger: 5 }, five)),
    [true, true, true],
  );
  assert.equal(enabled('=', six, five, { valueInteger: 6 }), true);
  assert.equal(enabled('=', six), false);
  assert.equal(enabled('!=', six), false);
  assert.deepEqual(
    [true, false].map((answerBoolean) => enabled('exists', { answerBoolean }, five)),
    [true, false],
  );
  assert.deepEqual(
    [true, false].map((answerBoolean) => enabled('exists', { answerBoolean })),
    [false, true],
  );
  const coded = [
    q('1', 'choice'),
    q('2', 'string', { enableWhen: [{ question: '1', operator: '=', answerCoding: { system: 's', code: 'a' } }] }),
  ];
  const answers = (code: string): JsonObject[] => [
    a('1', { valueCoding: { system: 's', code, display: 'D' } }),
    a('2', { valueString: 'x' }),
  ];
  assert.deepEqual(told(coded, answers('a')), []);
  assert.deepEqual(told(coded, answers('b')), ['error questionnaire-enabled QR.item[1]']);
});

test('enableWhen: all or any, required only where enabled, and the answers of the own group', () => {
  const yes = (question: string): JsonObject => ({ question, operator: '=', answerBoolean: true });
  const questions = (enableBehavior: string): JsonObject[] => [
    q('1', 'boolean'),
    q('2', 'boolean'),
    q('3', 'string', { required: true, enableBehavior, enableWhen: [yes('1'), yes('2')] }),
  ];
  const answers = [a('1', { valueBoolean: true }), a('2', { valueBoolean: false })];
  const answered = [...answers, a('3', { valueString: 'x' })];
  assert.deepEqual(told(questions('any'), answers), ['error questionnaire-required QR']);
  assert.deepEqual(told(questions('any'), answered), []);
  assert.deepEqual(told(questions('all'), answers), []);
  assert.deepEqual(told(questions('all'), answered), ['error questionnaire-enabled QR.item[2]']);
  const group = q('g', 'group', {
    repeats: true,
    item: [q('1', 'boolean'), q('2', 'string', { enableWhen: [yes('1')] })],
  });
  const item = (value: boolean): JsonObject => ({
    linkId: 'g',
    item: [a('1', { valueBoolean: value }), a('2', { valueString: 'x' })],
  });
  assert.deepEqual(told([group], [item(true), item(false)]), ['error questionnaire-enabled QR.item[1].item[1]']);
});

test('enableWhen: what is not enabled may stand there without answers', () => {
  const enableWhen = [{ question: '1', operator: '=', answerBoolean: true }];
  const questions = [
    q('1', 'boolean'),
    q('2', 'string', { required: true, enableWhen }),
    q('g', 'group', { required: true, enableWhen, item: [q('3', 'string', { required: true })] }),
  ];
  const items = (valueBoolean: boolean): JsonObject[] => [
    a('1', { valueBoolean }),
    { linkId: '2', text: 'Two' },
    { linkId: 'g', item: [{ linkId: '3' }] },
  ];
  assert.deepEqual(told(questions, items(false)), []);
  assert.deepEqual(told(questions, items(true)), [
    'error questionnaire-required QR.item[1]',
    'error questionnaire-required QR.item[2]',
  ]);
});

test('constraints that the Questionnaire sets itself', () => {
  const constraint = (expression: string, severity: string): JsonObject => ({
    url: 'http://hl7.org/fhir/StructureDefinition/questionnaire-constraint',
    extension: [
      { url: 'key', valueId: 'k' },
      { url: 'severity', valueCode: severity },
      { url: 'expression', valueString: expression },
      { url: 'human', valueString: 'two answers' },
    ],
  });
  const check = (expression: string, severity: string): string[] =>
    told(
      [q('1', 'string', { repeats: true, extension: [constraint(expression, severity)] })],
      [a('1', { valueString: 'x' })],
    );
  assert.deepEqual(check('answer.count() = 1', 'error'), []);
  assert.deepEqual(check('answer.count() = 2', 'error'), ['error questionnaire-constraint QR.item[0]']);
  assert.deepEqual(check("%resource.status != 'completed'", 'warning'), [
    'warning questionnaire-constraint QR.item[0]',
  ]);
  assert.deepEqual(check('answer.count() = 3 asdf', 'error'), []);
});

test('texts that differ are told as a warning', () => {
  const items = [{ ...a('1', { valueString: 'x' }), text: 'Another question?' }];
  assert.deepEqual(told([q('1', 'string', { text: 'A question?' })], items), [
    'warning questionnaire-text QR.item[0].text',
  ]);
});

test('a hostile response ends soon', () => {
  let deep: JsonObject = a('1', { valueString: 'x' });
  for (let level = 0; level < 90; level++) deep = { linkId: 'g', item: [deep] };
  assert.deepEqual(told([q('g', 'group', { repeats: true })], [deep]), [
    'error questionnaire-place QR.item[0].item[0].linkId',
  ]);
  const many = Array.from({ length: 5000 }, () => a('9', { valueString: 'x' }));
  assert.equal(told([q('1', 'string')], many).length, 200);
  const asked = Array.from({ length: 5000 }, (_, index) =>
    q(String(index), 'string', { enableWhen: [{ question: String(4999 - index), operator: '=', answerString: 'x' }] }),
  );
  const answered = asked.map(({ linkId }) => a(String(linkId), { valueString: 'x' }));
  assert.deepEqual(told(asked, answered), []);
  const depending = asked.map((question) => ({
    ...question,
    enableWhen: [{ question: '0', operator: '=', answerString: 'y' }],
  }));
  const crowd = Array.from({ length: 5000 }, () => ({ valueString: 'x' }));
  const repeating = [q('0', 'string', { repeats: true }), ...depending.slice(1)];
  assert.deepEqual(told(repeating, [a('0', ...crowd), ...answered.slice(1)]), []);
});
