// Codings, bindings and code systems: https://hl7.org/fhir/R4/terminologies.html
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CodeToValidate, CodeVerdict, JsonObject, Resource } from '#fhir-model';
import { against, base, findAmong, found, profileOf, validatorOf, validatorWith } from '../testing.ts';

const validator = validatorWith();
const encounter = (coding: JsonObject) => ({ resourceType: 'Encounter', status: 'planned', class: coding });
const act = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';
const loinc = 'http://loinc.org';
const observation = (code: JsonObject, more: JsonObject = {}) => ({
  resourceType: 'Observation',
  status: 'final',
  code,
  ...more,
});

describe('R4’s own bindings', () => {
  it('extensible: a warning', async () => {
    assert.deepEqual(await found(validator, encounter({ system: act, code: 'AMB' })), []);
    assert.deepEqual(await found(validator, encounter({ system: 'urn:x', code: 'AMB' })), [
      'warning binding-extensible Encounter.class',
    ]);
  });

  it('required: an error, also where extensions stand for the code', async () => {
    const url = 'http://hl7.org/fhir/StructureDefinition/data-absent-reason';
    const extension = [{ url, valueCode: 'unknown' }];
    const patient = (more: JsonObject) => found(validator, { resourceType: 'Patient', ...more });
    assert.deepEqual(await patient({ gender: 'f' }), ['error structure-code-invalid Patient.gender']);
    assert.deepEqual(await patient({ _gender: { extension } }), ['error binding-no-code Patient._gender']);
    assert.deepEqual(await patient({ gender: 'female', _gender: { extension } }), []);
  });

  it('to media types, currencies and units: what plainly is one', async () => {
    const photo = (contentType: string) =>
      found(validator, { resourceType: 'Patient', photo: [{ contentType, title: 'x' }] });
    assert.deepEqual(await photo('image/png'), []);
    assert.deepEqual(await photo('text/plain; charset=utf-8'), []);
    assert.deepEqual(await photo('png'), ['warning binding-unchecked Patient.photo[0].contentType']);
    const invoice = (currency: string) =>
      found(validator, { resourceType: 'Invoice', status: 'draft', totalNet: { value: 1, currency } });
    assert.deepEqual(await invoice('EUR'), []);
    assert.deepEqual(await invoice('EURO'), ['warning binding-unchecked Invoice.totalNet.currency']);
  });
});

describe('a Coding', () => {
  const of = (coding: JsonObject) => found(validator, observation({ coding: [coding] }));

  it('has a system, which is an absolute URI of a code system', async () => {
    assert.deepEqual(await of({ code: 'x' }), ['warning coding-no-system Observation.code.coding[0]']);
    assert.deepEqual(await of({ system: 'x', code: 'x' }), [
      'error coding-system-absolute Observation.code.coding[0].system',
    ]);
    assert.deepEqual(await of({ system: 'http://hl7.org/fhir/ValueSet/item-type', code: 'x' }), [
      'error coding-value-set Observation.code.coding[0].system',
    ]);
  });

  it('of R4’s own systems has one of their codes, and how that is displayed', async () => {
    const system = 'http://hl7.org/fhir/item-type';
    assert.deepEqual(await of({ system, code: 'string', display: 'string ' }), []);
    assert.deepEqual(await of({ system, code: 'strings' }), ['error code-unknown Observation.code.coding[0].code']);
    assert.deepEqual(await of({ system, code: 'string', display: 'Text' }), [
      'warning code-display Observation.code.coding[0].display',
    ]);
  });

  it('of a system that grows between versions may be newer than R4', async () => {
    const system = 'http://dicom.nema.org/resources/ontology/DCM';
    assert.deepEqual(await of({ system, code: '113014' }), []);
    assert.deepEqual(await of({ system, code: 'IMP' }), ['warning code-unknown Observation.code.coding[0].code']);
  });

  it('of another version of a system is not judged by this one', async () => {
    assert.deepEqual(await of({ system: 'http://hl7.org/fhir/item-type', version: '5.0.0', code: 'coding' }), []);
  });

  it('of HL7’s tables may have one that came after R4', async () => {
    assert.deepEqual(await of({ system: act, code: 'NEW' }), ['warning code-unknown Observation.code.coding[0].code']);
  });

  it('of a supplement is wrong', async () => {
    const supplement = { resourceType: 'CodeSystem', url: `${base}/cs`, content: 'supplement', supplements: loinc };
    const issues = await found(
      validatorWith(supplement),
      observation({ coding: [{ system: `${base}/cs`, code: 'x' }] }),
    );
    assert.deepEqual(issues, ['error code-supplement Observation.code.coding[0]']);
  });

  it('folds case where its system does', async () => {
    const system = { resourceType: 'CodeSystem', url: `${base}/cs`, content: 'complete', concept: [{ code: 'Ab' }] };
    const of = (more: JsonObject) =>
      found(validatorWith({ ...system, ...more }), observation({ coding: [{ system: `${base}/cs`, code: 'aB' }] }));
    assert.deepEqual(await of({ caseSensitive: false }), []);
    assert.deepEqual(await of({}), []);
    assert.deepEqual(await of({ caseSensitive: true }), ['error code-unknown Observation.code.coding[0].code']);
  });
});

describe('a profile’s binding', () => {
  const url = `${base}/ValueSet/v`;
  const profile = (strength: string) =>
    profileOf('Observation', 'o', [{ path: 'Observation.code', binding: { strength, valueSet: url } }]);
  const valueSet = {
    resourceType: 'ValueSet',
    url,
    compose: { include: [{ system: loinc, concept: [{ code: '1-8' }] }] },
  };
  const code = (...codes: string[]) => observation({ coding: codes.map((each) => ({ system: loinc, code: each })) });

  it('of a value set that lists its codes is looked up', async () => {
    assert.deepEqual(await against(profile('required'), code('x', '1-8'), valueSet), []);
    assert.deepEqual(await against(profile('required'), code('x'), valueSet), [
      'error binding-required Observation.code',
    ]);
    assert.deepEqual(await against(profile('extensible'), code('x'), valueSet), [
      'warning binding-extensible Observation.code',
    ]);
    assert.deepEqual(await against(profile('preferred'), code('x'), valueSet), []);
    assert.deepEqual(await against(profile('required'), observation({ text: 'x' }), valueSet), [
      'error binding-no-code Observation.code',
    ]);
  });

  it('goes no further than its greatest value set', async () => {
    const maximum = 'http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet';
    const binding = { strength: 'preferred', extension: [{ url: maximum, valueCanonical: url }] };
    const limited = profileOf('Observation', 'o', [{ path: 'Observation.code', binding }]);
    assert.deepEqual(await against(limited, code('1-8'), valueSet), []);
    assert.deepEqual(await against(limited, code('x'), valueSet), ['error binding-required Observation.code']);
  });

  it('of value sets that draw on others, with what they exclude', async () => {
    const outer = {
      ...{ resourceType: 'ValueSet', url },
      compose: {
        include: [{ valueSet: [`${base}/ValueSet/w`] }],
        exclude: [{ system: loinc, concept: [{ code: '2-6' }] }],
      },
    };
    const inner = {
      ...valueSet,
      url: `${base}/ValueSet/w`,
      compose: { include: [{ system: loinc, concept: [{ code: '1-8' }, { code: '2-6' }] }] },
    };
    assert.deepEqual(await against(profile('required'), code('1-8'), outer, inner), []);
    assert.deepEqual(await against(profile('required'), code('2-6'), outer, inner), [
      'error binding-required Observation.code',
    ]);
  });

  describe('of a value set of a system', () => {
    const cs = `${base}/CodeSystem/c`;
    const system = (...concept: JsonObject[]) => ({
      ...{ resourceType: 'CodeSystem', url: cs, version: '2', content: 'complete', caseSensitive: true, concept },
    });
    const of = (compose: JsonObject) => ({ resourceType: 'ValueSet', url, compose });
    const asked = async (given: string, ...known: JsonObject[]) => {
      const codes: string[] = [];
      const find = findAmong(profile('required'), ...(known as Resource[]));
      const validate = async (all: readonly CodeToValidate[]) => {
        codes.push(...all.flatMap(({ code: each, valueSet: bound }) => (bound === url ? [each] : [])));
        return all.map((): CodeVerdict => ({ result: 'valid' }));
      };
      const profiles = [`${base}/StructureDefinition/o`];
      const issues = await found(validatorOf(find, validate), observation({ coding: [{ system: cs, code: given }] }), {
        profiles,
      });
      return { codes, issues };
    };
    const isA = of({ include: [{ system: cs, filter: [{ property: 'concept', op: 'is-a', value: 'a' }] }] });

    it('goes by the parents that its concepts name', async () => {
      const told = system({ code: 'a' }, { code: 'b', property: [{ code: 'parent', valueCode: 'a' }] });
      assert.deepEqual(await asked('b', told, isA), { codes: [], issues: [] });
    });

    it('is not told by a list of another version, of inactive codes too, or of one case', async () => {
      const there = system({ code: 'a' }, { code: 'b' });
      const told: [string, JsonObject][] = [
        ['a', of({ include: [{ system: cs, version: '1' }] })],
        ['a', of({ inactive: false, include: [{ system: cs }] })],
        ['a', of({ lockedDate: '2020-01-01', include: [{ system: cs }] })],
        ['B', of({ include: [{ system: cs, concept: [{ code: 'b' }] }] })],
      ];
      for (const [given, set] of told) {
        const any = { ...there, caseSensitive: false };
        assert.deepEqual(await asked(given, any, set), { codes: [given], issues: [] }, JSON.stringify(set));
      }
      const latest = of({ include: [{ system: cs, version: '2' }] });
      assert.deepEqual(await asked('a', there, latest), { codes: [], issues: [] });
    });
  });

  it('of value sets that go round in a circle can’t be told', async () => {
    const round = { resourceType: 'ValueSet', url, compose: { include: [{ valueSet: [url] }] } };
    assert.deepEqual(await against(profile('required'), code('1-8'), round), [
      'warning binding-unchecked Observation.code',
    ]);
  });

  it('of any other is asked of the terminology service, once for all codes of a resource', async () => {
    const asked: CodeToValidate[][] = [];
    const answer = (verdict: CodeVerdict['result']) => async (codes: readonly CodeToValidate[]) => {
      asked.push([...codes]);
      return codes.map((): CodeVerdict => ({ result: verdict }));
    };
    const of = (verdict: CodeVerdict['result'], strength = 'required') =>
      found(validatorOf(findAmong(profile(strength)), answer(verdict)), code('1-8', '2-6'), {
        profiles: [`${base}/StructureDefinition/o`],
      });
    assert.deepEqual(await of('valid'), []);
    assert.deepEqual(await of('invalid'), ['error binding-required Observation.code']);
    assert.deepEqual(await of('unknown'), ['warning binding-unchecked Observation.code']);
    assert.deepEqual(await of('invalid', 'extensible'), ['warning binding-extensible Observation.code']);
    assert.deepEqual(await of('unknown', 'extensible'), ['information binding-unchecked Observation.code']);
    const [first] = asked;
    assert.deepEqual(first, [
      { system: loinc, code: '1-8', display: undefined, valueSet: url },
      { system: loinc, code: '2-6', display: undefined, valueSet: url },
      { system: loinc, version: undefined, code: '1-8', display: undefined },
      { system: loinc, version: undefined, code: '2-6', display: undefined },
    ]);
    assert.equal(asked.length, 5);
  });

  it('codes and displays of systems that only the service has', async () => {
    const verdicts: Record<string, CodeVerdict> = {
      a: { result: 'invalid', inSystem: false },
      b: { result: 'valid', inSystem: true, wrongDisplay: 'x', display: 'Bee' },
      c: { result: 'unknown' },
    };
    const serviced = validatorOf(findAmong(), async (codes) => codes.map(({ code: each }) => verdicts[each]!));
    const coding = ['a', 'b', 'c'].map((each) => ({ system: loinc, code: each, display: 'x' }));
    assert.deepEqual(await found(serviced, observation({ coding })), [
      'error code-unknown Observation.code.coding[0].code',
      'warning code-display Observation.code.coding[1].display',
    ]);
  });
});

describe('a QuestionnaireResponse', () => {
  const questionnaire = {
    ...{ resourceType: 'Questionnaire', url: `${base}/Questionnaire/q`, status: 'active' },
    item: [{ linkId: '1', type: 'choice', answerValueSet: `${base}/ValueSet/v` }],
  };
  const valueSet = {
    resourceType: 'ValueSet',
    url: `${base}/ValueSet/v`,
    compose: { include: [{ system: loinc, concept: [{ code: '1-8' }] }] },
  };
  const response = (code: string, form = questionnaire.url) => ({
    ...{ resourceType: 'QuestionnaireResponse', status: 'completed', questionnaire: form },
    item: [{ linkId: '1', answer: [{ valueCoding: { system: loinc, code } }] }],
  });

  it('keeps to its Questionnaire and the value sets of that', async () => {
    const known = validatorWith(questionnaire, valueSet);
    assert.deepEqual(await found(known, response('1-8')), []);
    assert.deepEqual(await found(known, response('2-6')), [
      'error questionnaire-option QuestionnaireResponse.item[0].answer[0]',
    ]);
    assert.deepEqual(await found(known, response('1-8', 'http://example.org/other')), [
      'warning questionnaire-unknown QuestionnaireResponse.questionnaire',
    ]);
  });

  it('finds both among what it contains', async () => {
    const contained = [
      { ...questionnaire, id: 'q', item: [{ linkId: '1', type: 'choice', answerValueSet: '#v' }] },
      { ...valueSet, id: 'v', status: 'active' },
    ];
    const own = (code: string) => ({ ...response(code, '#q'), contained });
    const unreferenced = (issue: string) => !issue.includes('dom-3');
    assert.deepEqual((await found(validator, own('1-8'))).filter(unreferenced), []);
    assert.deepEqual((await found(validator, own('2-6'))).filter(unreferenced), [
      'error questionnaire-option QuestionnaireResponse.item[0].answer[0]',
    ]);
  });

  it('asks the service of value sets that can’t be listed', async () => {
    const serviced = validatorOf(findAmong(questionnaire), async (codes) =>
      codes.map((): CodeVerdict => ({ result: 'invalid' })),
    );
    assert.deepEqual(await found(serviced, response('1-8')), [
      'error binding-required QuestionnaireResponse.item[0].answer[0]',
    ]);
  });
});

describe('the value set beyond which no code may go', () => {
  const patient = (more: JsonObject) => found(validator, { resourceType: 'Patient', ...more });
  const spoken = (language: JsonObject) => patient({ communication: [{ language }] });
  const bcp47 = 'urn:ietf:bcp:47';

  it('a language is a tag of BCP 47', async () => {
    const right = [
      'en',
      'de-CH',
      'zh-Hant-TW',
      'sl-rozaj-biske',
      'es-419',
      'x-klingon',
      'i-enochian',
      'de-DE-u-co-phonebk',
    ];
    for (const language of right) assert.deepEqual(await patient({ language }), [], language);
    for (const language of ['not a lang!!', 'en_US', 'e', 'en-', 'de-CH-', 'x', '1234', 'a'.repeat(300)]) {
      assert.deepEqual(await patient({ language }), ['error binding-required Patient.language'], language);
    }
  });

  it('a Coding of it has its system; none need be there', async () => {
    assert.deepEqual(await spoken({ coding: [{ system: bcp47, code: 'en-US' }] }), []);
    assert.deepEqual(await spoken({ text: 'Klingon' }), []);
    assert.deepEqual(await patient({ _language: { extension: [{ url: 'http://example.org/x', valueCode: 'a' }] } }), [
      'information extension-unknown Patient._language.extension[0]',
    ]);
    const wrong = ['error binding-required Patient.communication[0].language'];
    assert.deepEqual(await spoken({ coding: [{ system: bcp47, code: 'en US' }] }), wrong);
    assert.deepEqual(await spoken({ coding: [{ system: 'urn:x', code: 'en' }] }), wrong);
    assert.deepEqual(
      await spoken({
        coding: [
          { system: 'urn:x', code: 'en' },
          { system: bcp47, code: 'en' },
        ],
      }),
      [],
    );
  });
});

describe('media types', () => {
  const script = (contentType: string) => ({
    ...{ resourceType: 'TestScript', url: 'http://example.org/t', name: 'T', status: 'draft' },
    test: [{ action: [{ operation: { encodeRequestUrl: true, accept: 'json', contentType } }] }],
  });
  const told = async (resource: JsonObject) =>
    (await found(validator, resource)).filter((line) => line.includes('binding'));

  it('json, xml and ttl stand for those of FHIR in a TestScript, also one in a Bundle', async () => {
    assert.deepEqual(await told(script('xml')), []);
    const entry = [{ fullUrl: 'urn:uuid:00000000-0000-4000-8000-000000000000', resource: script('ttl') }];
    assert.deepEqual(await told({ resourceType: 'Bundle', type: 'collection', entry }), []);
    assert.deepEqual(await told(script('html')), [
      'warning binding-unchecked TestScript.test[0].action[0].operation.contentType',
    ]);
    const data = { resourceType: 'Binary', contentType: 'xml' };
    assert.deepEqual(await told(data), ['warning binding-unchecked Binary.contentType']);
  });
});
