// https://hl7.org/fhir/R4/fhirpatch.html
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { operations, patched, refusal } from './testing.ts';

type Operation = Record<string, unknown>;
const run = async (resource: object, ...list: Operation[]) =>
  JSON.parse(await patched('fhirpath-patch', JSON.stringify(resource), operations(...list)));
const refused = (resource: object, ...list: Operation[]) =>
  refusal('fhirpath-patch', JSON.stringify(resource), operations(...list));

const patient = { resourceType: 'Patient', id: 'p' };
const extension = [{ url: 'http://e', valueCode: 'x' }];

describe('primitives keep their extensions beside them', () => {
  const names = {
    ...patient,
    name: [{ given: ['a', 'b', 'c'], _given: [null, { extension }, { id: 'c' }], family: 'f', _family: { id: 'f' } }],
  };
  const nameOf = async (...list: Operation[]) => (await run(names, ...list)).name[0];

  test('in lists: delete, insert, move and append shift both', async () => {
    const deleted = await nameOf({ type: 'delete', path: 'Patient.name.given[0]' });
    assert.deepEqual(
      [deleted.given, deleted._given],
      [
        ['b', 'c'],
        [{ extension }, { id: 'c' }],
      ],
    );
    const inserted = await nameOf({ type: 'insert', path: 'Patient.name.given', index: 1, value: 'x' });
    assert.deepEqual(
      [inserted.given, inserted._given],
      [
        ['a', 'x', 'b', 'c'],
        [null, null, { extension }, { id: 'c' }],
      ],
    );
    const moved = await nameOf({ type: 'move', path: 'Patient.name.given', source: 2, destination: 0 });
    assert.deepEqual(
      [moved.given, moved._given],
      [
        ['c', 'a', 'b'],
        [{ id: 'c' }, null, { extension }],
      ],
    );
    const appended = await nameOf({ type: 'add', path: 'Patient.name', name: 'given', value: 'd' });
    assert.deepEqual([appended.given, appended._given.length], [['a', 'b', 'c', 'd'], 4]);
  });

  test('replace puts the new element, extensions and all, in place of the old one', async () => {
    const plain = await nameOf({ type: 'replace', path: 'Patient.name.given[1]', value: 'x' });
    assert.deepEqual(
      [plain.given, plain._given],
      [
        ['a', 'x', 'c'],
        [null, null, { id: 'c' }],
      ],
    );
    const family = await nameOf({ type: 'replace', path: 'Patient.name.family', value: 'g' });
    assert.deepEqual([family.family, '_family' in family], ['g', false]);
    const value = { valueString: 'x', _valueString: { extension } };
    const extended = await nameOf({ type: 'replace', path: 'Patient.name.given[0]', value });
    assert.deepEqual([extended.given[0], extended._given[0]], ['x', { extension }]);
  });

  test('the last extension gone, nothing is left beside the value', async () => {
    const one = await nameOf({ type: 'delete', path: "Patient.name.given[1].extension('http://e')" });
    assert.deepEqual(one._given, [null, null, { id: 'c' }]);
    const bare = { ...patient, birthDate: '1970', _birthDate: { extension } };
    const after = await run(bare, { type: 'delete', path: 'Patient.birthDate.extension[0]' });
    assert.deepEqual(after, { ...patient, birthDate: '1970' });
    const only = { ...patient, _birthDate: { extension } };
    assert.deepEqual(await run(only, { type: 'delete', path: 'Patient.birthDate.extension' }), patient);
  });

  test('an extension is added to a primitive that has none', async () => {
    const part = [
      { name: 'url', valueUri: 'http://e' },
      { name: 'value', valueCode: 'x' },
    ];
    const add = { type: 'add', path: 'Patient.birthDate', name: 'extension', value: { part } };
    const after = await run({ ...patient, birthDate: '1970' }, add);
    assert.deepEqual(after, { ...patient, birthDate: '1970', _birthDate: { extension } });
  });
});

describe('choices', () => {
  const observation = { resourceType: 'Observation', status: 'final', code: { text: 'c' } };

  test('take the property of the value’s type, and leave the former one', async () => {
    const add = { type: 'add', path: 'Observation', name: 'value', value: { valueQuantity: { value: 1 } } };
    assert.deepEqual((await run(observation, add)).valueQuantity, { value: 1 });
    const before = { ...observation, valueString: 'x', _valueString: { id: 'v' } };
    const replaced = await run(before, { ...add, type: 'replace', path: 'Observation.value', name: undefined });
    assert.deepEqual(replaced, { ...observation, valueQuantity: { value: 1 } });
    assert.match(await refused(before, add), /^422 processing Parameters.parameter\[0\] Observation.value has a value/);
    const named = { type: 'add', path: 'Observation', name: 'value[x]', value: { valueBoolean: true } };
    assert.equal((await run(observation, named)).valueBoolean, true);
  });

  test('are found by any type of R4, not only by those that FHIRPath has itself', async () => {
    const dead = { ...patient, deceasedDateTime: '1970' };
    const coded = { ...observation, valueCodeableConcept: { text: 'x' } };
    const set = (path: string, value: unknown) => ({ type: 'replace', path, value });
    const time = { valueDateTime: '1971' };
    for (const path of ['Patient.deceased.ofType(dateTime)', '(Patient.deceased as dateTime)'])
      assert.deepEqual(await run(dead, set(path, time)), { ...dead, deceasedDateTime: '1971' }, path);
    const text = await run(coded, set('Observation.value.ofType(CodeableConcept).text', 'y'));
    assert.deepEqual(text.valueCodeableConcept, { text: 'y' });
    const where = await run(coded, set('Observation.where(value is FHIR.CodeableConcept).value.text', 'z'));
    assert.deepEqual(where.valueCodeableConcept, { text: 'z' });
    assert.deepEqual(await run(coded, { type: 'delete', path: 'Observation.value.ofType(Ratio)' }), coded);
    const unknown = await refused(coded, { type: 'delete', path: 'Observation.value.ofType(Nothing)' });
    assert.match(unknown, /^400 invalid Parameters.parameter\[0\] /);
  });

  test('don’t take a type that is none of theirs', async () => {
    const add = { type: 'add', path: 'Observation', name: 'value', value: { valueUri: 'urn:x' } };
    assert.match(await refused(observation, add), /^422 .* value can't be of type uri/);
  });
});

describe('values', () => {
  test('of the wrong type are refused, with the right one', async () => {
    const wrong = { type: 'add', path: 'Patient', name: 'birthDate', value: '1970-01-01' };
    assert.match(await refused(patient, wrong), /^422 .* birthDate is of type date, not string: give it as valueDate$/);
    const object = { type: 'add', path: 'Patient', name: 'name', value: { valueString: 'x' } };
    assert.match(
      await refused(patient, object),
      /^422 .* name is of type HumanName, not string: give it as valueHumanName$/,
    );
    const extension = { type: 'add', path: 'Patient', name: 'extension', value: { valueString: 'x' } };
    assert.match(await refused(patient, extension), /^422 .* is of type Extension, not string: give it in parts$/);
    const contained = { type: 'add', path: 'Patient', name: 'contained', value: { valueString: 'x' } };
    assert.match(await refused(patient, contained), /^422 .* is of type Resource, not string: give it as resource$/);
    const part = [{ name: 'gender', valueCode: 'male' }];
    const parts = { type: 'add', path: 'Patient', name: 'active', value: { part } };
    assert.match(await refused(patient, parts), /^422 .* active is of type boolean, which has no parts$/);
  });

  test('are nested parts, lists among them', async () => {
    const part = [
      { name: 'relationship', valueCodeableConcept: { text: 'a' } },
      { name: 'relationship', valueCodeableConcept: { text: 'b' } },
      {
        name: 'name',
        part: [
          { name: 'given', valueString: 'x' },
          { name: 'given', valueString: 'y' },
        ],
      },
    ];
    const after = await run(patient, { type: 'add', path: 'Patient', name: 'contact', value: { part } });
    const contact = [{ relationship: [{ text: 'a' }, { text: 'b' }], name: { given: ['x', 'y'] } }];
    assert.deepEqual(after, { ...patient, contact });
    const twice = {
      part: [
        { name: 'gender', valueCode: 'male' },
        { name: 'gender', valueCode: 'male' },
      ],
    };
    const add = { type: 'add', path: 'Patient', name: 'contact', value: twice };
    assert.match(await refused(patient, add), /^422 .* Patient\.contact\.gender doesn't repeat/);
  });

  test('are resources', async () => {
    const resource = { resourceType: 'Organization', id: 'o', name: 'O' };
    const added = await run(patient, { type: 'add', path: 'Patient', name: 'contained', value: { resource } });
    assert.deepEqual(added.contained, [resource]);
    const renamed = await run(added, { type: 'replace', path: "Patient.contained.where(id='o').name", value: 'P' });
    assert.deepEqual(renamed.contained, [{ ...resource, name: 'P' }]);
    const wrong = { type: 'add', path: 'Patient', name: 'name', value: { resource } };
    assert.match(await refused(patient, wrong), /^422 .* name can't hold a resource$/);
  });

  test('keep their digits, and so do those around them', async () => {
    const before = '{"resourceType":"Observation","status":"final","code":{"text":"c"},"valueQuantity":{"value":1.00}}';
    const document = `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"add"},
      {"name":"path","valueString":"Observation.where(value.value = 1)"},{"name":"name","valueString":"component"},
      {"name":"value","part":[{"name":"code","valueCodeableConcept":{"text":"d"}},{"name":"value","valueQuantity":{"value":2.50}}]}]}]}`;
    const after = await patched('fhirpath-patch', before, document);
    assert.match(
      after,
      /"valueQuantity":\{"value":1\.00\},"component":\[\{"code":\{"text":"d"\},"valueQuantity":\{"value":2\.50\}\}\]/,
    );
  });
});

describe('places', () => {
  const two = { ...patient, name: [{ family: 'a' }, { family: 'b' }] };

  test('must be one element, but for a delete that finds none', async () => {
    const several = /^422 processing Parameters.parameter\[0\] 'Patient.name' leads to 2 elements/;
    assert.match(await refused(two, { type: 'delete', path: 'Patient.name' }), several);
    assert.match(
      await refused(two, { type: 'replace', path: 'Patient.name', value: { valueHumanName: {} } }),
      /^400|^422/,
    );
    assert.match(await refused(two, { type: 'add', path: 'Patient.name', name: 'text', value: 'x' }), several);
    assert.deepEqual(await run(two, { type: 'delete', path: 'Patient.birthDate' }), two);
    const replace = { type: 'replace', path: 'Patient.birthDate', value: { valueDate: '1970' } };
    assert.match(await refused(two, replace), /^422 .* 'Patient.birthDate' leads to no element/);
  });

  test('of a list may be empty, with its holder there', async () => {
    const insert = (path: string, index = 0) => ({ type: 'insert', path, index, value: 'x' });
    const given = await run(two, insert('Patient.name[1].given'));
    assert.deepEqual(given.name, [{ family: 'a' }, { family: 'b', given: ['x'] }]);
    assert.match(await refused(two, insert('Patient.name[1].given', 1)), /^422 .* index 1 is beyond the 0 elements/);
    assert.match(await refused(two, insert('Patient.name[2].given')), /^422 .* leads to no element/);
    assert.match(await refused(two, insert('Patient.name.given')), /^422 .* leads to 2 elements/);
    assert.match(await refused(two, insert('Patient.name[1].family')), /^422 .* family doesn't repeat/);
    assert.match(await refused(two, insert('Patient.nme')), /^422 .* Patient has no element 'nme'/);
    const move = { type: 'move', path: 'Patient.name', source: 0, destination: 2 };
    assert.match(await refused(two, move), /^422 .* name has 2 elements/);
  });

  test('that a delete finds nothing at must be possible ones', async () => {
    const remove = (path: string) => ({ type: 'delete', path });
    const possible = [
      'Patient.birthDate',
      'birthDate',
      '$this.birthDate',
      'Resource.meta.tag',
      "Patient.name.where(family='z').given[0]",
      "Patient.contact.where(gender='male').name.family",
      'Patient.deceasedBoolean',
      'Patient.deceased.extension',
      'Patient.contained.code',
      "Patient.birthDate.extension('http://e')",
      '(Patient.deceased as dateTime)',
      'Patient.text.`div`',
    ];
    for (const path of possible) assert.deepEqual(await run(two, remove(path)), two, path);
    const impossible: [string, RegExp][] = [
      ['Patient.brithDate', /^422 processing Parameters.parameter\[0\] Patient has no element 'brithDate'$/],
      ['Patient.name.where(family="z").first', /^400/],
      ["Patient.name.where(family='z').givn[0]", /^422 .* HumanName has no element 'givn'$/],
      ['Patient.contact.name.famly', /^422 .* HumanName has no element 'famly'$/],
      ['Observation.status', /^422 .* The path is one of a Observation, the resource is a Patient$/],
      ['nme', /^422 .* Patient has no element 'nme'$/],
    ];
    for (const [path, message] of impossible) assert.match(await refused(two, remove(path)), message, path);
  });

  test('are never the resource itself, nor a computed value', async () => {
    assert.match(await refused(two, { type: 'delete', path: 'Patient' }), /^422 .* leads to the resource itself/);
    assert.match(
      await refused(two, { type: 'delete', path: 'Patient.name.count()' }),
      /^400 .* must lead to an element/,
    );
  });

  test('take the name of an operator as an element, and leave strings alone', async () => {
    const div = '<div xmlns="http://www.w3.org/1999/xhtml">x</div>';
    const resource = { ...patient, text: { status: 'additional', div }, name: [{ family: 'x.div' }] };
    const path = "Patient.where(name.family = 'x.div').text.div";
    const after = await run(resource, { type: 'replace', path, value: div.replace('x<', 'y<') });
    assert.equal(after.text.div, div.replace('x<', 'y<'));
  });

  test('see what the operations before have done', async () => {
    const after = await run(
      patient,
      { type: 'add', path: 'Patient', name: 'name', value: { valueHumanName: { family: 'a' } } },
      { type: 'add', path: "Patient.name.where(family='a')", name: 'given', value: 'x' },
      { type: 'delete', path: 'Patient.name.family' },
      { type: 'replace', path: 'Patient.name.given', value: 'y' },
    );
    assert.deepEqual(after, { ...patient, name: [{ given: ['y'] }] });
  });
});

describe('paths that are not evaluated', () => {
  const resource = { ...patient, name: [{ family: 'a' }] };
  const paths = [
    "Patient.name.where(family.matches('(a+)+$'))",
    'Patient.descendants()',
    'Patient.repeat(name)',
    'Patient.managingOrganization.resolve()',
    'Patient.name | Patient.telecom',
    '%resource.name',
    'Patient.name.select(family)',
    "Patient.name.trace('x')",
    'Patient.name.combine(Patient.name)',
    'Patient.name.iif(true, family)',
    'Patient.name.',
    '',
    "'",
  ];
  for (const path of paths) {
    test(path, async () => {
      const found = await refused(resource, { type: 'delete', path: path || ' ' });
      assert.match(found, /^400 (invalid|structure) /);
    });
  }

  test('are also those that are too long or too deep', async () => {
    const long = `Patient.name.where(${'family = 1 or '.repeat(100)}true)`;
    assert.match(await refused(resource, { type: 'delete', path: long }), /^400 too-costly Parameters.parameter\[0\]/);
    const deep = `${'('.repeat(50)}Patient.name${')'.repeat(50)}`;
    assert.match(await refused(resource, { type: 'delete', path: deep }), /^400 too-costly /);
    const nested = `Patient.name.where(${'name.where('.repeat(10)}true${')'.repeat(10)})`;
    assert.match(await refused(resource, { type: 'delete', path: nested }), /^400 too-costly /);
    const open = `'${"\\'".repeat(75_000)}`;
    assert.match(
      await refused(resource, { type: 'delete', path: open }),
      /^400 too-costly .* may have 1000 characters/,
    );
  });

  test('are also those that are long together, an index counting for more', async () => {
    const path = `Patient.name${'[0]'.repeat(300)}`;
    const many = Array.from({ length: 100 }, () => ({ type: 'delete', path }));
    const found = await refused(resource, ...many);
    assert.match(found, /^400 too-costly Parameters\.parameter\[12\] The paths of this patch take too long to read/);
  });
});

describe('documents', () => {
  test('with parts that are wrong are refused with the operation’s place', async () => {
    const wrong: [Operation, RegExp][] = [
      [{ type: 'ad', path: 'Patient' }, /type must be one of add, insert, delete, replace, move/],
      [{ path: 'Patient' }, /needs a part 'type' with a valueCode/],
      [{ type: 'delete' }, /needs a part 'path' with a valueString/],
      [{ type: 'add', path: 'Patient', value: 'x' }, /needs a part 'name'/],
      [{ type: 'add', path: 'Patient', name: 'active' }, /'add' needs a part 'value'/],
      [{ type: 'insert', path: 'Patient.name', value: 'x' }, /needs a part 'index' with a valueInteger/],
      [{ type: 'insert', path: 'Patient.name', value: 'x', index: -1 }, /needs a part 'index' with a valueInteger/],
      [{ type: 'move', path: 'Patient.name', source: 1 }, /needs a part 'destination'/],
      [{ type: 'delete', path: 'Patient.name', extra: 'x' }, /has no part 'extra'/],
    ];
    for (const [operation, message] of wrong) {
      const found = await refused(patient, { type: 'delete', path: 'Patient.name' }, operation);
      assert.match(found, /^400 invalid Parameters\.parameter\[1\] /);
      assert.match(found, message);
    }
    const many = Array.from({ length: 1001 }, () => ({ type: 'delete', path: 'Patient.name' }));
    assert.match(await refused(patient, ...many), /^400 too-costly /);
  });

  test('cost no more than so much work on a large resource', async () => {
    const entry = Array.from({ length: 30_000 }, (_, i) => ({ item: { reference: `Patient/${i}` } }));
    const list = { resourceType: 'List', status: 'current', mode: 'working', entry };
    const remove = (i: number) => ({ type: 'delete', path: `List.entry.where(item.reference = 'Patient/${i}')` });
    assert.equal((await run(list, remove(5))).entry.length, 29_999);
    const many = Array.from({ length: 100 }, (_, i) => remove(i));
    assert.match(await refused(list, ...many), /^400 too-costly Parameters.parameter\[\d+\] These paths take too long/);
  });

  test('of comparisons as well', async () => {
    const entry = Array.from({ length: 3000 }, (_, i) => ({ item: { reference: `Patient/${i}` } }));
    const list = { resourceType: 'List', status: 'current', mode: 'working', entry };
    const many = Array.from({ length: 100 }, () => ({ type: 'delete', path: '(List.entry = List.entry) and {}' }));
    assert.equal((await run(list, ...many.slice(0, 2))).entry.length, 3000);
    assert.match(await refused(list, ...many), /^400 too-costly Parameters.parameter\[\d+\] These paths take too long/);
  });

  test('nor on a resource that the document itself makes large', async () => {
    const value = { valueHumanName: { family: 'x'.repeat(20_000) } };
    const adds = Array.from({ length: 10 }, () => ({ type: 'add', path: 'Patient', name: 'name', value }));
    const deletes = Array.from({ length: 100 }, () => ({ type: 'delete', path: "Patient.name.where(family = 'y')" }));
    assert.equal((await run(patient, ...adds, ...deletes.slice(0, 2))).name.length, 10);
    const found = await refused(patient, ...adds, ...deletes);
    assert.match(found, /^400 too-costly Parameters.parameter\[\d+\] These paths take too long/);
  });
});

describe('what is there in part', () => {
  const two = { ...patient, name: [{ given: ['a'] }, { given: ['b'] }] };

  test('extensions without a value are a value that is there', async () => {
    const dated = { ...patient, _birthDate: { extension } };
    const add = { type: 'add', path: 'Patient', name: 'birthDate', value: { valueDate: '1970' } };
    assert.match(await refused(dated, add), /^422 .* Patient\.birthDate has a value already/);
    const observed = { resourceType: 'Observation', _valueString: { extension } };
    const value = { type: 'add', path: 'Observation', name: 'value', value: { valueInteger: 1 } };
    assert.match(await refused(observed, value), /^422 .* Observation\.value has a value already/);
  });

  test('a new value may be extensions alone', async () => {
    const replace = { type: 'replace', path: 'Patient.name[0].given', value: { _valueString: { extension } } };
    assert.deepEqual((await run(two, replace)).name[0], { _given: [{ extension }] });
  });

  test('one list is meant, and what is moved in it is there', async () => {
    const insert = { type: 'insert', path: 'Patient.name.given', index: 0, value: 'x' };
    assert.match(await refused(two, insert), /^422 .* leads into several lists/);
    const move = { type: 'move', path: 'Patient.name', source: 2, destination: 0 };
    assert.match(await refused(two, move), /^422 .* name has 2 elements/);
  });

  test('a type that is derived from the element’s is one of it', async () => {
    const observed = { resourceType: 'Observation', referenceRange: [{ text: 'x' }] };
    const add = { type: 'add', path: 'Observation.referenceRange[0]', name: 'high', value: { valueAge: { value: 5 } } };
    assert.deepEqual((await run(observed, add)).referenceRange, [{ text: 'x', high: { value: 5 } }]);
  });
});
