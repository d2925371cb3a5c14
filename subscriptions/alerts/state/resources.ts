// An alert as FHIR: Flag (https://hl7.org/fhir/R4/flag.html) for its state, Communication for what was told, Task for who is
// to acknowledge it, DetectedIssue where it is one. Ids derive from the alert's, so that doing it again changes nothing.
import { type JsonObject, objectsOf, type Resource, type TransactionEntry } from '#fhir-model';
import { causeSystem, type Severity, tagSystem } from '../seams.ts';
import { type AlertRow, partId, type Step } from './row.ts';

/** What a rule has written carries it in meta.tag. */
const ruleTag = (rule: string): { system: string; code: string } => ({ system: tagSystem, code: rule });

const tagsOf = ({ rule, causes = [] }: AlertRow) => [
  ruleTag(rule),
  ...causes.map((code) => ({ system: causeSystem, code })),
];

export const taskCode = { system: 'urn:cerebra:alert-task', code: 'acknowledge', display: 'Acknowledge alert' };

const taskId = ({ id }: Pick<AlertRow, 'id'>): string => partId(id, 'Task');
/** By which an alert's Task and Communications tell whose they are. */
const identifierOf = ({ id }: AlertRow): JsonObject => ({ system: tagSystem, value: id });

/** Id of the alert that it belongs to; undefined for what is none of ours. */
export function alertOfPart({ identifier }: Resource): string | undefined {
  const found = objectsOf(identifier).find(({ system }) => system === tagSystem);
  return typeof found?.value === 'string' ? found.value : undefined;
}

const communicationId = ({ id, tells }: AlertRow): string => partId(id, `Communication|${tells}`);
const issueId = ({ id }: AlertRow): string => partId(id, 'DetectedIssue');

/** Until then it should be acknowledged; where there is none nobody has to. */
const acknowledgeWithin: Partial<Record<Severity, number>> = {
  critical: 10 * 60_000,
  high: 30 * 60_000,
  moderate: 4 * 3_600_000,
};

/** https://hl7.org/fhir/R4/valueset-request-priority.html */
const priorities: Readonly<Record<Severity, string>> = {
  ...{ critical: 'stat', high: 'asap', moderate: 'urgent', low: 'routine', info: 'routine' },
};

type Written = Resource & { id: string };
type Merge = (existing: Resource | undefined, incoming: Resource) => Resource;

/** What is written for the step: nothing of it is left where the same was written before. */
export function entriesOf(step: Step): TransactionEntry[] {
  const { kind, row, before, tell, policy, instantMs } = step;
  if (row.status === 'suppressed' && kind !== 'resolve') return [];
  if (kind === 'follow') return levelOf(step);
  if (kind === 'resolve') return endOf(step);
  const flag = flagOf(row);
  const withinMs = withinOf(row, policy);
  return [
    ...(flag ? [put(flag, raisedFlag)] : []),
    ...(tell ? tellingOf(step) : []),
    // From when they are told: late, after quiet hours, or anew.
    ...(tell && withinMs !== undefined
      ? [put(taskOf(row, { madeMs: instantMs, withinMs }, policy.owner), openedTask)]
      : []),
    ...(policy.detectedIssue && (kind === 'raise' || before?.status === 'suppressed') ? issueEntries(row) : []),
  ];
}

const put = (resource: Written, merge?: Merge): TransactionEntry => ({
  ...{ method: 'PUT', url: `${resource.resourceType}/${resource.id}`, resource },
  ...(merge ? { merge } : {}),
});

/** How long people have to acknowledge it; undefined where nobody is asked to. */
const withinOf = ({ severity }: AlertRow, { acknowledgeWithinMs }: Step['policy']): number | undefined =>
  (acknowledgeWithinMs ?? acknowledgeWithin[severity]) || undefined;

/** What was told before is no longer what there is to say. */
function tellingOf({ row, policy, instantMs }: Step): TransactionEntry[] {
  const telling = put({ ...communicationOf(row, policy.owner), sent: isoOf(instantMs) });
  if (row.tells < 2) return [telling];
  return [telling, put(communicationOf({ ...row, tells: row.tells - 1 }, policy.owner), readCommunication)];
}

const readCommunication: Merge = (existing, incoming) =>
  existing?.status === 'completed' ? existing : { ...(existing ?? incoming), status: 'completed' };

/** It got less severe, or is another level of as much: a Flag that nobody has closed must not go on saying the former. */
function levelOf({ row, before }: Step): TransactionEntry[] {
  const flag = row.title === before?.title && row.severity === before.severity ? undefined : flagOf(row);
  return flag
    ? [put(flag, (existing, next) => (existing?.status === 'active' ? raisedFlag(existing, next) : (existing ?? next)))]
    : [];
}

/** Goes on with what people have added to it. */
const raisedFlag: Merge = (existing, flag) => {
  if (!existing) return flag;
  const { status, code, extension, subject, encounter } = flag;
  const { extension: _former, ...kept } = existing;
  const { end: _end, ...period } = (existing.period ?? {}) as JsonObject;
  return {
    ...{ ...kept, status, code, subject, period },
    ...(extension ? { extension } : {}),
    ...(encounter ? { encounter } : {}),
  };
};

/**
 * The instant of what changes it may be before that by which it was made, as of a change that is judged after quiet hours had ended:
 * https://hl7.org/fhir/R4/task.html#invs
 */
const modifiedAt = ({ authoredOn }: Resource, atMs: number): string =>
  isoOf(Math.max(atMs, Date.parse(String(authoredOn)) || atMs));

const openedTask: Merge = (existing, task) => {
  if (!existing) return task;
  const { status, priority, description, restriction } = task;
  const lastModified = modifiedAt(existing, Date.parse(String(task.lastModified)));
  return { ...existing, status, priority, description, restriction, lastModified };
};

/** The Flag is no longer active, unless a person has closed it already; nobody needs to acknowledge it any more. */
function endOf(step: Step): TransactionEntry[] {
  const { row, before } = step;
  const endedMs = row.endedMs ?? row.raisedMs;
  const flag = flagOf(row);
  const wasSilent = before?.status === 'suppressed';
  const entries: TransactionEntry[] = [];
  if (flag && !wasSilent) {
    entries.push(put(flag, (existing, incoming) => endedFlag(existing ?? incoming, endedMs, step.mistaken === true)));
  }
  if (row.tells > 0) entries.push(...doneOf(row, 'cancelled', endedMs, step));
  return entries;
}

function endedFlag(flag: Resource, endedMs: number, mistaken: boolean): Resource {
  if (flag.status !== 'active') return flag;
  const period = { ...(flag.period as JsonObject | undefined), end: isoOf(endedMs) };
  return { ...flag, status: mistaken ? 'entered-in-error' : 'inactive', period };
}

/** Whether somebody was asked to acknowledge it: its Task, as a reference. */
export const taskReference = (row: AlertRow, policy: Step['policy']): string[] =>
  row.tells > 0 && withinOf(row, policy) !== undefined ? [`Task/${taskId(row)}`] : [];

/** The Task that an alert may have from when it was more severe: at the severity that it has now nobody is asked. */
export const formerTask = (row: AlertRow, policy: Step['policy']): string | undefined =>
  row.tells > 0 && policy.acknowledgeWithinMs === undefined && withinOf(row, policy) === undefined
    ? taskId(row)
    : undefined;

/** What was told is read, and the Task is done or no longer needed. */
function doneOf(
  row: AlertRow,
  status: 'completed' | 'cancelled',
  atMs: number,
  step: Pick<Step, 'policy' | 'asked'>,
): TransactionEntry[] {
  const communication = put(communicationOf(row, step.policy.owner), readCommunication);
  const withinMs = withinOf(row, step.policy) ?? (step.asked ? 0 : undefined);
  if (withinMs === undefined) return [communication];
  const task = put(taskOf(row, { madeMs: row.raisedMs, withinMs }, step.policy.owner), (existing, incoming) =>
    endedTask(existing ?? incoming, row, status, atMs),
  );
  return [communication, task];
}

const openTasks = new Set<unknown>(['draft', 'requested', 'received', 'accepted', 'ready', 'in-progress', 'on-hold']);

function endedTask(task: Resource, row: AlertRow, status: 'completed' | 'cancelled', atMs: number): Resource {
  if (!openTasks.has(task.status)) return task;
  const by = row.acknowledgedBy ?? '';
  const note = status === 'completed' ? { text: row.note ?? `Acknowledged by ${by}`, time: isoOf(atMs) } : undefined;
  const isReference =
    /^(Practitioner|PractitionerRole|Organization|CareTeam|Patient|RelatedPerson|Device)\/[^/]+$/.test(by);
  return {
    ...task,
    status,
    lastModified: modifiedAt(task, atMs),
    ...(status === 'cancelled' ? { statusReason: { text: 'The alert is over' } } : {}),
    ...(note ? { note: [...((task.note ?? []) as JsonObject[]), note] } : {}),
    ...(isReference && task.owner === undefined ? { owner: { reference: by } } : {}),
  };
}

/** Of an acknowledgment; the Flag stays, since what it says still holds. */
export const acknowledgedEntries = (row: AlertRow, step: Pick<Step, 'policy' | 'asked'>): TransactionEntry[] =>
  row.tells > 0 ? doneOf(row, 'completed', row.acknowledgedMs ?? row.raisedMs, step) : [];

const isoOf = (ms: number): string => new Date(ms).toISOString();

const codeOf = ({ code, title }: AlertRow): JsonObject =>
  code ? { coding: [{ ...code }], text: title } : { text: title };

/** `Patient/1` or `system|value`, where the element's types have it. */
function subjectIn(row: Pick<AlertRow, 'subject'>, types: readonly string[]): JsonObject | undefined {
  const literal = /(?:^|\/)([A-Z][A-Za-z]+)\/[A-Za-z0-9\-.]{1,64}$/.exec(row.subject);
  if (literal) return types.includes(literal[1]!) ? { reference: row.subject } : undefined;
  const logical = /^(.*)\|([^|]+)$/s.exec(row.subject);
  if (!logical) return undefined;
  const [, system, value] = logical as unknown as [string, string, string];
  return { type: 'Patient', identifier: { ...(system === '' ? {} : { system }), value } };
}

const encounterIn = ({ encounter }: AlertRow): JsonObject => (encounter ? { encounter: { reference: encounter } } : {});
const referencesOf = ({ evidence }: AlertRow): JsonObject[] => evidence.map((reference) => ({ reference }));

/** The element, or nothing: FHIR has no empty lists, https://hl7.org/fhir/R4/json.html#null */
const listOf = (name: string, values: JsonObject[]): { [name: string]: JsonObject[] } =>
  values.length > 0 ? { [name]: values } : {};

/** Flag.subject is required and has few target types; without one there is no Flag. */
const flagSubjects = [
  'Patient',
  'Location',
  'Group',
  'Organization',
  'Practitioner',
  'PlanDefinition',
  'Medication',
  'Procedure',
];

const flagDetail = (valueReference: JsonObject): JsonObject => ({
  url: 'http://hl7.org/fhir/StructureDefinition/flag-detail',
  valueReference,
});

/** Whether an alert about it has a Flag. */
export const canHaveFlag = (subject: string): boolean => subjectIn({ subject }, flagSubjects) !== undefined;

function flagOf(row: AlertRow): Written | undefined {
  const subject = subjectIn(row, flagSubjects);
  if (!subject) return undefined;
  return {
    resourceType: 'Flag',
    id: row.id,
    meta: { tag: tagsOf(row) },
    ...listOf('extension', referencesOf(row).map(flagDetail)),
    status: 'active',
    category: [coded('http://terminology.hl7.org/CodeSystem/flag-category', 'clinical', 'Clinical')],
    code: codeOf(row),
    subject,
    period: { start: isoOf(row.raisedMs) },
    ...encounterIn(row),
  };
}

const flagReference = ({ id, subject }: AlertRow): JsonObject[] =>
  canHaveFlag(subject) ? [{ reference: `Flag/${id}` }] : [];

/** Neither name nor birth date: who reads it follows the references. */
function communicationOf(row: AlertRow, owner: string | undefined): Written {
  const subject = subjectIn(row, ['Patient', 'Group']);
  return {
    resourceType: 'Communication',
    id: communicationId(row),
    identifier: [identifierOf(row)],
    meta: { tag: tagsOf(row) },
    status: 'in-progress',
    category: [coded('http://terminology.hl7.org/CodeSystem/communication-category', 'alert', 'Alert')],
    priority: priorities[row.severity],
    ...(subject ? { subject } : {}),
    topic: codeOf(row),
    ...listOf('about', [...referencesOf(row), ...flagReference(row)]),
    ...encounterIn(row),
    sent: isoOf(row.raisedMs),
    ...(owner ? { recipient: [{ reference: owner }] } : {}),
    ...listOf(
      'reasonReference',
      referencesOf(row).filter(({ reference }) => reasonTypes.test(String(reference))),
    ),
    payload: [{ contentString: row.detail === '' ? row.title : `${row.title}: ${row.detail}` }],
  };
}

const reasonTypes = /^(Condition|Observation|DiagnosticReport|DocumentReference)\//;

/** `madeMs`: when it is told, which may be long after it was raised. */
function taskOf(
  row: AlertRow,
  { madeMs, withinMs }: { madeMs: number; withinMs: number },
  owner: string | undefined,
): Written {
  const subject = subjectIn(row, ['Patient', 'Group', 'Location']);
  const [focus] = [...flagReference(row), { reference: `Communication/${communicationId({ ...row, tells: 1 })}` }];
  return {
    resourceType: 'Task',
    id: taskId(row),
    identifier: [identifierOf(row)],
    meta: { tag: tagsOf(row) },
    status: 'requested',
    intent: 'order',
    priority: priorities[row.severity],
    code: { coding: [taskCode] },
    description: row.title,
    focus: focus!,
    ...(subject ? { for: subject } : {}),
    ...encounterIn(row),
    authoredOn: isoOf(madeMs),
    lastModified: isoOf(madeMs),
    ...(owner ? { owner: { reference: owner } } : {}),
    restriction: { repetitions: 1, period: { end: isoOf(madeMs + withinMs) } },
  };
}

/** https://hl7.org/fhir/R4/valueset-detectedissue-severity.html */
const issueSeverities: Readonly<Record<Severity, string>> = {
  ...{ critical: 'high', high: 'high', moderate: 'moderate', low: 'low', info: 'low' },
};

/** https://hl7.org/fhir/R4/detectedissue.html */
function issueEntries(row: AlertRow): TransactionEntry[] {
  const patient = subjectIn(row, ['Patient']);
  if (!patient) return [];
  const issue: Written = {
    resourceType: 'DetectedIssue',
    id: issueId(row),
    meta: { tag: tagsOf(row) },
    status: 'final',
    code: codeOf(row),
    severity: issueSeverities[row.severity],
    patient,
    identifiedDateTime: isoOf(row.raisedMs),
    ...listOf('implicated', referencesOf(row)),
    ...(row.detail === '' ? {} : { detail: row.detail }),
  };
  return [put(issue)];
}

const coded = (system: string, code: string, display: string): JsonObject => ({ coding: [{ system, code, display }] });
