import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileFhirPath, fhirPathProblem } from './expression.ts';
import { parseJson } from './json.ts';
import { fhirpathValues } from './search/fallback.ts';

const encounter = (status: string) => ({ resourceType: 'Encounter', status, class: { code: 'IMP' } });

describe('FHIRPath with variables', () => {
  it('compares what was with what is', () => {
    const path = compileFhirPath(
      "(%previous.empty() or %previous.status != 'finished') and %current.status = 'finished'",
      ['previous', 'current'],
    );
    const finished = encounter('finished');
    assert.equal(path.holds(finished, { previous: encounter('in-progress'), current: finished }), true);
    assert.equal(path.holds(finished, { previous: finished, current: finished }), false);
    assert.equal(path.holds(finished, { current: finished }), true);
  });

  it('takes decimals of exact JSON as numbers and leaves what it is given as it was', () => {
    const text = '{"resourceType":"Observation","valueQuantity":{"value":6.90,"unit":"mmol/L"}}';
    const observation = parseJson(text).exact;
    assert.equal(compileFhirPath('Observation.value.value > 6.2').holds(observation), true);
    assert.deepEqual(compileFhirPath('Observation.value.unit').values(observation), ['mmol/L']);
    assert.equal(JSON.stringify(observation), text);
  });

  it('says nothing where there is nothing, and true of any value', () => {
    assert.equal(compileFhirPath('Encounter.period').holds(encounter('planned')), undefined);
    assert.equal(compileFhirPath('Encounter.class').holds(encounter('planned')), true);
  });

  it('refuses what looks elsewhere, may take long or is no FHIRPath', () => {
    const problems: [string, RegExp][] = [
      ['subject.resolve()', /resolve\(\) can't be used/],
      ["code.matches('(a+)+$')", /matches\(\) can't be used/],
      ['repeat(item)', /repeat\(\) can't be used/],
      ['%before.status', /there is no variable %before/],
      ["%`before`.status = 'a'", /there is no variable %before/],
      ['a.where(b.where(c.where(d.where(e.where(f)))))', /nested more than 4 deep/],
      ['((', /no FHIRPath/],
      [`${'('.repeat(30)}a${')'.repeat(30)}`, /more than 20 deep/],
      ['a'.repeat(2001), /longer than 2000/],
      ['children().children().children().children().children()', /too often/],
    ];
    for (const [expression, problem] of problems) assert.match(fhirPathProblem(expression) ?? '', problem, expression);
    assert.throws(() => compileFhirPath('resolve()'), { code: 'invalid', message: /resolve\(\) can't be used/ });
  });

  it('is stopped where it takes too long, as with lists that double at each step', () => {
    const path = compileFhirPath('item.aggregate($total.combine($total).combine($this), {}).count() > 3');
    const item = (count: number) => ({
      resourceType: 'Questionnaire',
      item: Array.from({ length: count }, () => ({ text: 'x' })),
    });
    assert.equal(path.holds(item(3)), true);
    assert.throws(() => path.holds(item(60)), {
      code: 'too-costly',
      message: /^'item\.aggregate.* takes longer than 1000 ms on a resource/,
    });
  });

  it('tells what fails on a resource', () => {
    const path = compileFhirPath('Encounter.status.single() + 1');
    assert.throws(() => path.holds(encounter('planned')), { code: 'invalid', message: /can't be evaluated/ });
  });
});

describe('FHIRPath of names that every JavaScript object has', () => {
  const patient = { resourceType: 'Patient', birthDate: '1980-01-01', name: [{ family: 'constructor' }] };
  const values = (expression: string) => compileFhirPath(expression, ['current']).values(patient, { current: patient });

  it('finds no elements', () => {
    for (const word of ['constructor', '__proto__', 'toString', 'hasOwnProperty', '`constructor`']) {
      const paths = [word, `Patient.${word}`, `name.${word}`, `birthDate.${word}`, `%current.${word}.${word}`];
      for (const path of [...paths, `children().${word}`]) assert.deepEqual(values(path), [], path);
      assert.deepEqual(fhirpathValues(`Patient.name.first().${word}`, patient), [], word);
    }
  });

  it('leaves texts and functions as they are', () => {
    assert.deepEqual(values("name.where(family = 'constructor').count()"), [1]);
    assert.deepEqual(values("/* it's */ name.where(family = 'constructor').count() // one's"), [1]);
    assert.deepEqual(values("name.`it's`.empty() and ('constructor as x' = 'constructor as x')"), [true]);
    assert.deepEqual(values("`a-constructor`.empty() and 'constructor'.length() = 11"), [true]);
    assert.deepEqual(values("name.select('constructor as x' /* isn't */)"), ['constructor as x']);
    assert.deepEqual(values("// isn't\nname.select('constructor as x')"), ['constructor as x']);
    assert.deepEqual(values('name.count().toString()'), ['1']);
    assert.match(fhirPathProblem('%constructor') ?? '', /^there is no variable %constructor$/);
    assert.match(fhirPathProblem('constructor()') ?? '', /can't be used$/);
  });
});
