import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonObject, Resource } from '#fhir-model';
import { checkChain, planFor, readChain } from './chain.ts';
import { chainOf, goesRound, tellsEnd } from './testing/rig.ts';

const endpoints = new Set(['slack', 'pager']);
const read = (plan: Resource) => readChain(plan, endpoints);

/** The chain with its only step changed. */
function withStep(change: JsonObject): Resource {
  const chain = chainOf([{ channels: ['email'], who: ['Practitioner/a'] }]);
  const [step] = chain.action as JsonObject[];
  return { ...chain, action: [{ ...step, ...change }] };
}

const extension = (name: string, value: JsonObject) => ({ url: `urn:cerebra:escalation-${name}`, ...value });
const email = extension('channel', { valueCode: 'email' });
const withExtension = (...extensions: JsonObject[]): Resource => withStep({ extension: [email, ...extensions] });

describe('a chain', () => {
  it('has its steps, channels and times', () => {
    const chain = read(
      chainOf(
        [
          {
            who: ['CareTeam/t'],
            channels: ['slack', 'email', 'slack'],
            wait: 90,
            times: 3,
            severity: 'high',
            detail: true,
          },
          { channels: ['pager'], mode: 'all' },
        ],
        { extension: [...tellsEnd.extension, ...goesRound(2).extension] },
      ),
    );
    assert.deepEqual(chain, {
      steps: [
        {
          ...{ title: 'Step 1', who: [{ reference: 'CareTeam/t' }], channels: ['slack', 'email'], mode: 'first' },
          ...{ severity: 'high', detail: true, times: 3, waitMs: 90_000 },
        },
        {
          ...{ title: 'Step 2', who: [], channels: ['pager'], mode: 'all', severity: 'info', detail: false },
          ...{ times: 1, waitMs: 3_600_000 },
        },
      ],
      rounds: 2,
      tellEnd: true,
    });
    assert.deepEqual(planFor(chain, 'critical').turns, [0, 0, 0, 1, 0, 0, 0, 1]);
    assert.deepEqual(planFor(chain, 'moderate').turns, [1, 1]);
  });

  it('takes roles of a team and the teams of the patient', () => {
    const role = extension('role', { valueCoding: { system: 'http://x', code: 'nurse' } });
    const team = extension('who', { valueReference: { reference: 'CareTeam/t', extension: [role] } });
    // As it was documented, which a server that validates refuses (ext-1).
    const beside = { ...extension('who', { valueReference: { reference: 'CareTeam/u' } }), extension: [role] };
    const { steps } = read(withExtension(team, beside, extension('who', { valueCode: 'patient-care-team' })));
    const nurse = { system: 'http://x', code: 'nurse' };
    assert.deepEqual(steps[0]!.who, [
      { reference: 'CareTeam/t', role: nurse },
      { reference: 'CareTeam/u', role: nurse },
      { of: 'patient-care-team' },
    ]);
    const misspelt = extension('who', {
      valueReference: { reference: 'CareTeam/t', extension: [extension('rôle', {})] },
    });
    assert.throws(() => read(withExtension(misspelt)), /action\[0\]: there is no urn:cerebra:escalation-rôle here/);
  });

  it('says what it would pass over; what is stored already is followed nevertheless', () => {
    const duration = { value: 5, code: 'min' };
    const repeat = { count: 2, period: 5, periodUnit: 'min' };
    const cases: [Resource, RegExp][] = [
      [{ ...withStep({}), effectivePeriod: { end: '2025-12-31' } }, /PlanDefinition\.effectivePeriod: /],
      [withStep({ condition: [{ kind: 'applicability' }] }), /action\[0\]\.condition: /],
      [withStep({ action: [{}] }), /action\[0\]\.action: /],
      [withStep({ participant: [{}] }), /action\[0\]\.participant: /],
      [withStep({ timingDuration: duration, timingTiming: { repeat } }), /timingDuration and timingTiming/],
      [
        withStep({ timingDuration: undefined, timingTiming: { repeat: { ...repeat, timeOfDay: ['08:00:00'] } } }),
        /timingTiming\.repeat\.timeOfDay: /,
      ],
    ].map(([plan, text]) => [JSON.parse(JSON.stringify(plan)) as Resource, text as RegExp]);
    for (const [plan, text] of cases) {
      assert.throws(() => read(plan), text);
      assert.equal(readChain(plan).steps.length, 1);
    }
  });

  const wrong: [string, Resource, RegExp][] = [
    [
      'of another type',
      { ...chainOf([{ channels: ['email'] }]), type: { coding: [{ code: 'eca-rule' }] } },
      /\.type: must be/,
    ],
    ['that is a draft', { ...chainOf([{ channels: ['email'] }]), status: 'draft' }, /\.status: only an active/],
    ['without steps', chainOf([]), /\.action: 1 to 50 steps/],
    ['that is no PlanDefinition', { resourceType: 'Patient' }, /a chain is a PlanDefinition/],
    ['without channels', withStep({ extension: [] }), /action\[0\]: urn:cerebra:escalation-channel is missing/],
    [
      'to an unknown endpoint',
      withExtension(extension('channel', { valueCode: 'fax' })),
      /email, websocket, slack, pager/,
    ],
    [
      'to a patient',
      withExtension(extension('who', { valueReference: { reference: 'Patient/1' } })),
      /escalation-who must/,
    ],
    [
      'to somebody elsewhere',
      withExtension(extension('who', { valueReference: { reference: 'http://x/Practitioner/1' } })),
      /who/,
    ],
    ['without a time', withStep({ timingDuration: undefined }), /timingDuration/],
    ['with months', withStep({ timingDuration: { value: 1, code: 'mo' } }), /1 s to 7 d/],
    ['with no time', withStep({ timingDuration: { value: 0, code: 's' } }), /1 s to 7 d/],
    ['for ever', withStep({ timingDuration: { value: 8, code: 'd' } }), /1 s to 7 d/],
    ['with half a repetition', chainOf([{ channels: ['email'], times: 1.5 }]), /repeat\.count/],
    ['too often', chainOf([{ channels: ['email'], times: 300 }], goesRound(2)), /all repetitions together are 600/],
    ['of an unknown severity', withExtension(extension('severity', { valueCode: 'panic' })), /info, low, moderate/],
    [
      'with two modes',
      withExtension(extension('mode', { valueCode: 'all' }), extension('mode', { valueCode: 'all' })),
      /2 times/,
    ],
    [
      'with a misspelt extension of a step',
      withExtension(extension('chanel', { valueCode: 'email' })),
      /action\[0\]: there is no urn:cerebra:escalation-chanel here; there are urn:cerebra:escalation-who/,
    ],
    [
      'with a misspelt extension of its own',
      chainOf([{ channels: ['email'] }], { extension: [extension('repeats', { valuePositiveInt: 2 })] }),
      /there is no urn:cerebra:escalation-repeats here/,
    ],
    ['with a text for a flag', withExtension(extension('detail', { valueString: 'yes' })), /valueBoolean/],
  ];
  for (const [name, plan, message] of wrong) {
    it(`${name} is refused`, () => {
      assert.throws(() => read(plan), { code: 'invalid', message });
    });
  }

  it('with a step that would tell nobody is refused when it is written', () => {
    const issues = (channels: string[], who: string[] = []) =>
      checkChain(chainOf([{ channels: ['slack'] }, { channels, who }]), new Set(['slack', 'sms']), new Set(['sms']));
    assert.match(
      JSON.stringify(issues(['sms', 'email'])),
      /action\[1\]: urn:cerebra:escalation-who is missing: sms and/,
    );
    // Beside mails a web socket is no reason to wait: the step would be passed over.
    assert.match(JSON.stringify(issues(['websocket', 'email'])), /escalation-who is missing: email would tell nobody/);
    for (const channels of [['slack'], ['websocket'], ['email', 'slack'], ['websocket', 'slack']])
      assert.deepEqual(issues(channels), []);
    assert.deepEqual(issues(['sms', 'email'], ['Practitioner/a']), []);
  });

  it('of any shape is read or refused, never anything else', () => {
    const odd: unknown[] = [null, 0, '', [], {}, [null], [[]], { coding: 1 }, { repeat: null }, [{ extension: 5 }]];
    const plan = chainOf([{ channels: ['email'] }]);
    for (const value of odd) {
      for (const key of ['type', 'action', 'extension', 'status']) {
        try {
          read({ ...plan, [key]: value } as Resource);
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'invalid', `${key}: ${JSON.stringify(value)}`);
        }
      }
      for (const key of ['extension', 'timingDuration', 'timingTiming', 'title']) {
        try {
          read(withStep({ [key]: value as JsonObject }));
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'invalid', `action.${key}: ${JSON.stringify(value)}`);
        }
      }
    }
  });
});
