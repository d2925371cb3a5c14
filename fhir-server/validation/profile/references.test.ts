// https://hl7.org/fhir/R4/references.html, https://hl7.org/fhir/R4/bundle.html#references
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonObject } from '#fhir-model';
import { against, found, profileOf, validatorWith } from '../testing.ts';

const validator = validatorWith();
const observation = (subject: JsonObject, more: JsonObject = {}) => ({
  ...{ resourceType: 'Observation', status: 'final', code: { text: 'x' }, subject },
  ...more,
});
const of = (reference: string) => found(validator, observation({ reference }));

describe('a Reference', () => {
  it('leads to a type that may stand there', async () => {
    for (const good of [
      'Patient/1',
      'http://example.org/fhir/Patient/1',
      'urn:uuid:6f1f5b5e-0b9d-4d1e-8a3c-0c2f4b1d7a10',
    ]) {
      assert.deepEqual(await of(good), [], good);
    }
    assert.deepEqual(await of('Practitioner/1'), ['error reference-target Observation.subject']);
    assert.deepEqual(await of('http://example.org/fhir/Practitioner/1'), [
      'error reference-target Observation.subject',
    ]);
    assert.deepEqual(await of('http://example.org/Some/Thing'), []);
  });

  it('has the form of one', async () => {
    assert.deepEqual(await of('1'), ['error reference-relative Observation.subject.reference']);
    assert.deepEqual(await of('Patient?identifier=1'), ['error reference-relative Observation.subject.reference']);
  });

  it('of an entry of a transaction may be conditional', async () => {
    const conditional = observation({ reference: 'Patient?identifier=1' });
    assert.deepEqual(await found(validator, conditional, { inTransaction: true }), []);
    const wrong = observation({ reference: 'Practitioner?identifier=1' });
    assert.deepEqual(await found(validator, wrong, { inTransaction: true }), [
      'error reference-target Observation.subject',
    ]);
  });

  it('says the type that it leads to', async () => {
    assert.deepEqual(await found(validator, observation({ reference: 'Patient/1', type: 'Patient' })), []);
    assert.deepEqual(await found(validator, observation({ reference: 'Patient/1', type: 'Group' })), [
      'error reference-type Observation.subject',
    ]);
    assert.deepEqual(await found(validator, observation({ type: 'Practitioner', display: 'x' })), [
      'error reference-target Observation.subject',
    ]);
  });

  it('of a contained resource finds it', async () => {
    const contained = (resourceType: string) => ({ contained: [{ resourceType, id: 'x' }] });
    assert.deepEqual(await found(validator, observation({ reference: '#x' }, contained('Patient'))), []);
    assert.deepEqual(await found(validator, observation({ reference: '#x' }, contained('Practitioner'))), [
      'error reference-target Observation.subject',
    ]);
    assert.deepEqual(
      await found(validator, observation({ reference: '#y' }, contained('Patient'))),
      ['error ref-1 Observation.subject', 'error dom-3 Observation'].toSorted(),
    );
  });

  it('between entries of a Bundle is followed', async () => {
    const urn = 'urn:uuid:6f1f5b5e-0b9d-4d1e-8a3c-0c2f4b1d7a10';
    const bundle = (type: string, reference: string, kind = 'Patient') => ({
      ...{ resourceType: 'Bundle', type },
      entry: [
        { fullUrl: urn, resource: { resourceType: kind }, request: { method: 'POST', url: kind } },
        {
          fullUrl: 'urn:uuid:7f1f5b5e-0b9d-4d1e-8a3c-0c2f4b1d7a11',
          resource: observation({ reference }),
          request: { method: 'POST', url: 'Observation' },
        },
      ],
    });
    assert.deepEqual(await found(validator, bundle('transaction', urn)), []);
    assert.deepEqual(await found(validator, bundle('transaction', 'Patient?identifier=1')), []);
    assert.deepEqual(await found(validator, bundle('transaction', urn, 'Practitioner')), [
      'error reference-target Bundle.entry[1].resource.subject',
    ]);
  });

  it('to this server is followed where asked', async () => {
    const existence = async (type: string, id: string) => `${type}/${id}` === 'Patient/1';
    assert.deepEqual(await found(validator, observation({ reference: 'Patient/1' }), { existence }), []);
    assert.deepEqual(await found(validator, observation({ reference: 'Patient/2' }), { existence }), [
      'error reference-absent Observation.subject',
    ]);
  });
});

describe('a profile’s target', () => {
  const named = profileOf('Patient', 'named', [{ path: 'Patient.name', min: 1 }]);
  const profile = profileOf('Observation', 'o', [
    { path: 'Observation.subject', type: [{ code: 'Reference', targetProfile: [String(named.url)] }] },
  ]);

  it('is checked where it is at hand', async () => {
    const contained = (patient: JsonObject) =>
      observation({ reference: '#x' }, { contained: [{ resourceType: 'Patient', id: 'x', ...patient }] });
    assert.deepEqual(await against(profile, contained({ name: [{ text: 'x' }] }), named), []);
    assert.deepEqual(await against(profile, contained({}), named), ['error target-profile Observation.subject']);
    assert.deepEqual(await against(profile, observation({ reference: 'Patient/1' }), named), []);
  });

  it('elsewhere is of one of their types, as far as the reference tells', async () => {
    assert.deepEqual(await against(profile, observation({ reference: 'Group/1' }), named), [
      'error reference-target Observation.subject',
    ]);
    assert.deepEqual(await against(profile, observation({ reference: 'http://example.org/Some/1' }), named), []);
  });

  it('that is not known is no fault of the resource', async () => {
    const contained = [{ resourceType: 'Patient', id: 'x' }];
    assert.deepEqual(await against(profile, observation({ reference: '#x' }, { contained })), []);
  });
});

describe('of versions of one resource in a Bundle', () => {
  const named = profileOf('Patient', 'named', [{ path: 'Patient.name', min: 1 }]);
  const profile = profileOf('Observation', 'o', [
    { path: 'Observation.subject', type: [{ code: 'Reference', targetProfile: [String(named.url)] }] },
  ]);
  const base = 'http://example.org/fhir';
  const version = (versionId: string, lastUpdated: string, more: JsonObject) => ({
    fullUrl: `${base}/Patient/1`,
    resource: { resourceType: 'Patient', id: '1', meta: { versionId, lastUpdated }, ...more },
  });
  const nameless = version('2', '2024-01-02T00:00:00Z', { active: true });
  const withName = version('1', '2024-01-01T00:00:00Z', { name: [{ text: 'x' }] });
  const knowing = validatorWith(profile, named);
  /** What Bundle's own rules say of the reference is not asked here. */
  const judge = async (reference: string, entry: JsonObject[]) => {
    const resource = { ...observation({ reference }), id: '1', meta: { profile: [String(profile.url)] } };
    const all = [...entry, { fullUrl: `${base}/Observation/1`, resource }];
    const issues = await found(knowing, { resourceType: 'Bundle', type: 'collection', entry: all });
    return issues.filter((issue) => issue.includes('target-profile'));
  };
  const fault = (at: number) => [`error target-profile Bundle.entry[${at}].resource.subject`];

  it('the reference means the one whose meta.versionId it names, else the latest', async () => {
    for (const both of [
      [withName, nameless],
      [nameless, withName],
    ]) {
      for (const to of ['Patient/1', `${base}/Patient/1`]) {
        assert.deepEqual(await judge(`${to}/_history/1`, both), [], to);
        assert.deepEqual(await judge(`${to}/_history/2`, both), fault(2), to);
        assert.deepEqual(await judge(to, both), fault(2), to);
      }
    }
  });

  it('one that is not there is elsewhere', async () => {
    assert.deepEqual(await judge('Patient/1/_history/3', [nameless]), []);
    assert.deepEqual(await judge('Patient/1/_history/2', [nameless]), fault(1));
    const other = { ...nameless, fullUrl: 'http://example.org/other/Patient/1' };
    assert.deepEqual(await judge('Patient/1', [other, withName]), []);
  });

  it('another server’s resource of that type and id is not meant', async () => {
    const elsewhere = { ...nameless, fullUrl: 'http://example.org/other/Patient/1' };
    assert.deepEqual(await judge('Patient/1', [elsewhere]), []);
    assert.deepEqual(await judge('Patient/1/_history/2', [elsewhere]), []);
    assert.deepEqual(await judge(elsewhere.fullUrl, [elsewhere]), fault(1));
    // Of which server they are these do not say.
    const urn = 'urn:uuid:6f1f5b5e-0b9d-4d1e-8a3c-0c2f4b1d7a10';
    assert.deepEqual(await judge('Patient/1', [{ ...nameless, fullUrl: urn }]), fault(1));
    assert.deepEqual(await judge('Patient/1', [{ resource: nameless.resource }]), fault(1));
  });
});

describe('aggregation', () => {
  it('tells where the target must stand', async () => {
    const profile = profileOf('Observation', 'o', [
      { path: 'Observation.subject', type: [{ code: 'Reference', aggregation: ['contained'] }] },
    ]);
    const contained = [{ resourceType: 'Patient', id: 'x' }];
    assert.deepEqual(await against(profile, observation({ reference: '#x' }, { contained })), []);
    assert.deepEqual(await against(profile, observation({ reference: 'Patient/1' })), [
      'error reference-aggregation Observation.subject',
    ]);
  });
});

describe('a canonical', () => {
  it('is absolute, or a fragment', async () => {
    const response = (questionnaire: string) => ({
      resourceType: 'QuestionnaireResponse',
      status: 'in-progress',
      questionnaire,
    });
    const told = 'warning questionnaire-unknown QuestionnaireResponse.questionnaire';
    assert.deepEqual(await found(validator, response('http://example.org/q|1')), [told]);
    assert.deepEqual(await found(validator, response('urn:uuid:6f1f5b5e-0b9d-4d1e-8a3c-0c2f4b1d7a10')), [told]);
    assert.deepEqual(await found(validator, response('Questionnaire/q')), [
      'error canonical-absolute QuestionnaireResponse.questionnaire',
      told,
    ]);
  });
});

describe('contained resources', () => {
  it('have an id each', async () => {
    const contained = (...ids: string[]) => ids.map((id) => ({ resourceType: 'Organization', id, name: id }));
    const generalPractitioner = ['a', 'b'].map((id) => ({ reference: `#${id}` }));
    const patient = { resourceType: 'Patient', generalPractitioner };
    assert.deepEqual(await found(validatorWith(), { ...patient, contained: contained('a', 'b') }), []);
    assert.deepEqual(await found(validatorWith(), { ...patient, contained: contained('a', 'b', 'a') }), [
      'error contained-id-twice Patient.contained[2].id',
    ]);
  });
});
