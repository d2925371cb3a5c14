// Patient/$merge: https://build.fhir.org/patient-operation-merge.html. R4 has no such operation; this is the one of its
// successors on R4 resources, done at once: there is no Task.
import {
  type Issue,
  type JsonObject,
  type OperationAnswer,
  type OperationParameter,
  type OperationRequest,
  type OperationSpec,
  operationOutcome,
  parseJson,
  type Resource,
} from '#fhir-model';
import { assertWrites } from '../access/scope.ts';
import type { Core } from '../interactions/core.ts';
import { readCurrent } from '../store/read.ts';
import { parametersOf } from './answer.ts';
import { type MergeInput, readMerge, refused, type Side } from './merge-input.ts';
import { assertMergeable, targetAfter } from './merge-patients.ts';
import { assertVisible, countOf, findReferring } from './merge-references.ts';
import { assertFew, type Merged, mergePatients, referringMax } from './merge-write.ts';
import type { OperationParts } from './parts.ts';
import { assertVersionGiven, versionAsserter } from './version-asserted.ts';

const issue = (severity: 'information' | 'warning', code: string, diagnostics: string): Issue => ({
  severity,
  code,
  diagnostics,
});

/** Each input as it was given. */
function inputElement({ input }: OperationRequest): JsonObject {
  const parameter = [...input].flatMap(([name, values]) =>
    values.map((value): JsonObject => {
      if (typeof value === 'boolean') return { name, valueBoolean: value };
      if (name === 'result-patient') return { name, resource: value as JsonObject };
      return { name, [name.endsWith('-identifier') ? 'valueIdentifier' : 'valueReference']: value as JsonObject };
    }),
  );
  return { name: 'input', resource: parametersOf(parameter) };
}

const answer = (request: OperationRequest, issues: Issue[], result: Resource): OperationAnswer => ({
  resource: parametersOf([
    inputElement(request),
    { name: 'outcome', resource: operationOutcome(issues) },
    { name: 'result', resource: result },
  ]),
});

function summary(text: string, counts: ReadonlyMap<string, number>): Issue {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const each = [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([type, count]) => `${count} ${type}`);
  const list = each.length > 0 ? `: ${each.join(', ')}` : '';
  return issue('information', 'informational', `${text} ${total} ${total === 1 ? 'resource' : 'resources'}${list}`);
}

async function readPatient(core: Core, id: string, side: Side, { scope }: OperationRequest): Promise<Resource> {
  const found = await readCurrent(core.store.db, 'Patient', id, scope);
  if (found && !found.deleted) return parseJson(found.body).exact as Resource;
  throw refused(`The ${side}, Patient/${id}, is not known or was deleted`, `${side}-patient`);
}

/** Nothing of what has a version is in it: it is not stored. */
function withoutVersion({ meta, ...resource }: Resource): Resource {
  const { versionId: _version, lastUpdated: _updated, ...rest } = meta ?? {};
  return { ...resource, ...(Object.keys(rest).length > 0 ? { meta: rest } : {}) };
}

/** How much more the source must be referred to than the target for a merge the other way round to be better. */
const REVERSE_FACTOR = 2;

async function preview(core: Core, input: MergeInput, request: OperationRequest): Promise<OperationAnswer> {
  const { sourceId, targetId } = input;
  const source = await readPatient(core, sourceId, 'source', request);
  const target = await readPatient(core, targetId, 'target', request);
  versionAsserter('Patient', targetId, request)(Number(target.meta?.versionId));
  assertMergeable(input, source, target);
  const result = targetAfter(core, input, source, target);
  const limit = referringMax(core) + 1;
  const { db } = core.store;
  const ofSource = await findReferring(core, db, sourceId, limit, new Set());
  assertFew(core, ofSource);
  await assertVisible(db, ofSource, request.scope);
  const ofTarget = countOf(await findReferring(core, db, targetId, limit, new Set()));
  const counts = new Map([...ofSource].map(([type, rids]) => [type, rids.length]));
  const issues = [summary('Nothing was changed. The merge would move the references of', counts)];
  // How many refer to the target is nothing to tell where some of them may be hidden.
  if (request.scope.kind === 'everything' && countOf(ofSource) > REVERSE_FACTOR * ofTarget) {
    const text = `${countOf(ofSource)} resources refer to the source, ${ofTarget} to the target: consider a merge the other way round`;
    issues.push(issue('warning', 'business-rule', text));
  }
  return answer(request, issues, withoutVersion({ ...result, id: targetId }));
}

function mergedIssues({ moved, unsettled }: Merged, { sourceId, targetId }: MergeInput): Issue[] {
  const issues = [summary(`Patient/${sourceId} was merged into Patient/${targetId}; references were moved in`, moved)];
  if (unsettled) {
    const text = `Some of what was under way during the merge has not ended: look for references to Patient/${sourceId} once more`;
    issues.push(issue('warning', 'incomplete', text));
  }
  return issues;
}

/** What the target becomes is held to profiles as in any other write, before a transaction begins. */
async function withResultChecked(core: Core, given: MergeInput): Promise<MergeInput> {
  const checked = given.result && core.onWrite.check(given.result);
  return checked === undefined ? given : { ...given, result: await checked };
}

async function merge(core: Core, { log }: OperationParts, request: OperationRequest): Promise<OperationAnswer> {
  assertWrites(request.scope);
  const input = await withResultChecked(core, await readMerge(core, request));
  if (input.preview) return preview(core, input, request);
  assertVersionGiven(core, 'Patient', request);
  const asserted = versionAsserter('Patient', input.targetId, request);
  const merged = await mergePatients(core, { input, asserted }, request.scope);
  const references = [...merged.moved.values()].reduce((sum, count) => sum + count, 0);
  log.warn({ audit: 'merge', references }, 'patients merged');
  return answer(request, mergedIssues(merged, input), merged.result);
}

const input = (name: string, max: string, type: string, documentation: string): OperationParameter => ({
  ...{ name, use: 'in', min: 0, max, type, documentation },
});

export const mergeOperation = (core: Core, parts: OperationParts): OperationSpec => ({
  name: 'merge',
  title: 'Patient merge',
  description:
    'Merges the source into the target: the target gets the identifiers and a link, the source becomes inactive and loses them, and what refers to the source refers to the target, all in one transaction',
  url: 'http://hl7.org/fhir/OperationDefinition/Patient-merge',
  type: ['Patient'],
  system: false,
  typeLevel: true,
  instanceLevel: false,
  affectsState: true,
  parameters: [
    input('source-patient', '1', 'Reference', 'The patient that goes; may have an identifier instead of a reference'),
    input(
      'source-patient-identifier',
      '*',
      'Identifier',
      'Identifiers of the patient that goes, which it must have all',
    ),
    input('target-patient', '1', 'Reference', 'The patient that stays'),
    input(
      'target-patient-identifier',
      '*',
      'Identifier',
      'Identifiers of the patient that stays, which it must have all',
    ),
    input('result-patient', '1', 'Patient', 'What the target becomes, with the link to the source'),
    input('preview', '1', 'boolean', 'Only tell what the merge would do'),
    { name: 'return', use: 'out', min: 1, max: '1', type: 'Parameters', documentation: 'input, outcome and result' },
  ],
  run: (request) => merge(core, parts, request),
});
