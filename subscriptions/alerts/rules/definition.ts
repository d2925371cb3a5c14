// A PlanDefinition of type eca-rule as a rule of alerting: https://hl7.org/fhir/R4/plandefinition.html
import { type FhirPath, isId, type JsonObject, objectsOf, type Resource } from '#fhir-model';
import { ownValue } from '#platform';
import type { CriteriaRules } from '../../match/criteria.ts';
import type { Severity } from '../seams.ts';
import { type Extensions, extensionBase, readExtensions, refuse, textOf } from './extensions.ts';
import { checkActionParts, checkKind, checkRuleParts } from './kinds.ts';
import { readQueries } from './query.ts';
import {
  type ActionLimits,
  type Direction,
  type Rule,
  type RuleAction,
  type RuleKind,
  ruleKinds,
  severities,
} from './rule.ts';
import { readExpression, readTrigger } from './trigger.ts';
import { unusedIn, unusedOfAction, unusedOfPlan } from './unused.ts';

const typeSystem = 'http://terminology.hl7.org/CodeSystem/plan-definition-type';
const actionsMax = 10;
const triggersMax = 10;

/** Whether it is, or wants to be, a rule of alerting: an ECA rule with one of our extensions. */
export function isRule(resource: Resource): boolean {
  const coding = objectsOf((resource.type as JsonObject | undefined)?.coding);
  return (
    resource.resourceType === 'PlanDefinition' &&
    coding.some(({ system, code }) => system === typeSystem && code === 'eca-rule') &&
    objectsOf(resource.extension).some(({ url }) => url === `${extensionBase}kind`)
  );
}

/** The rule, whatever its status. Throws CerebraError with the path of what is wrong. */
export function readRule(resource: Resource, version: number, rules: CriteriaRules): Rule {
  const at = 'PlanDefinition';
  refuseUnused(resource as JsonObject, unusedOfPlan, at);
  const extensions = readExtensions(resource as JsonObject, at);
  const kind = choice(extensions, 'kind', ruleKinds) ?? refuse(at, 'urn:cerebra:alert:kind is missing', 'required');
  checkRuleParts(resource as JsonObject, kind, at);
  const queries = readQueries(extensions.all('query'), rules);
  const variables = ['resource', 'previous', ...queries.map(({ name }) => name)];
  const actions = objectsOf(resource.action);
  if (actions.length === 0 || actions.length > actionsMax)
    refuse(`${at}.action`, `there are 1 to ${actionsMax} of them`);
  const common = readCommon(extensions, kind, at);
  extensions.rest();
  const context = { kind, variables, rules, actions: actions.length };
  return {
    id: resource.id ?? '',
    version,
    title: textOf(resource.title) || textOf(resource.name) || resource.id || '',
    kind,
    actions: actions.map((action, index) => readAction(action, `${at}.action[${index}]`, context)),
    queries,
    ...common,
  };
}

function refuseUnused(element: JsonObject, names: readonly string[], at: string): void {
  const name = unusedIn(element, names);
  const text =
    'is nothing that rules carry out: leave it out. A rule is in force while its status is active, and judges changes as they come';
  if (name !== undefined) refuse(`${at}.${name}`, text, 'unsupported');
}

function choice<T extends string>(extensions: Extensions, name: string, of: readonly T[]): T | undefined {
  const value = extensions.text(name, 'code');
  if (value === undefined || of.includes(value as T)) return value as T | undefined;
  return refuse(extensions.pathOf(name), `urn:cerebra:alert:${name} must be one of ${of.join(', ')}`);
}

const needWindow = new Set<RuleKind>(['delta', 'trend', 'absence', 'combination', 'failure-rate']);

function readCommon(extensions: Extensions, kind: RuleKind, at: string) {
  const windowMs = extensions.durationMs('window');
  if (windowMs === undefined && needWindow.has(kind))
    refuse(at, `a ${kind} rule has urn:cerebra:alert:window`, 'required');
  const paths = definedOnly({
    subject: extensions.path('subject', ['resource', 'previous']),
    key: extensions.path('key', ['resource', 'previous']),
    suppress: extensions.path('suppress', ['resource', 'previous']),
  });
  const usesPrevious = ['subject', 'key'].some((name) => extensions.text(name, 'string')?.includes('%previous'));
  return {
    ...{ windowMs: windowMs ?? 0, usesPrevious, ...paths },
    detectedIssue: (extensions.value('detected-issue', 'Boolean') ?? kind === 'combination') === true,
    ...definedOnly({
      quietHours: readQuietHours(extensions.nested('quiet-hours'), extensions.pathOf('quiet-hours')),
      storm: readStorm(extensions.nested('storm'), extensions.pathOf('storm')),
      escalation: readEscalation(extensions),
      owner: readOwner(extensions),
      acknowledgeWithinMs:
        extensions.value('no-task', 'Boolean') === true ? 0 : extensions.durationMs('acknowledge-within'),
    }),
  };
}

/** Without the members that are undefined. */
const definedOnly = <T extends object>(all: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as never;

function readEscalation(extensions: Extensions): string | undefined {
  const id = extensions.text('escalation', 'string')?.replace(/^PlanDefinition\//, '');
  return id === undefined || isId(id)
    ? id
    : refuse(extensions.pathOf('escalation'), 'urn:cerebra:alert:escalation must be the id of a PlanDefinition');
}

/** Whom Task.owner and Communication.recipient may both refer to. */
const ownerTypes =
  /(?:^|\/)(?:Practitioner|PractitionerRole|Organization|CareTeam|HealthcareService|Patient|Device|RelatedPerson)\/[A-Za-z0-9\-.]{1,64}$/;

function readOwner(extensions: Extensions): string | undefined {
  const owner = extensions.value('owner', 'Reference') as JsonObject | undefined;
  if (owner === undefined || ownerTypes.test(textOf(owner.reference))) return owner && textOf(owner.reference);
  return refuse(
    extensions.pathOf('owner'),
    'urn:cerebra:alert:owner must refer to whom a Task can have, as Practitioner/1 or CareTeam/1',
  );
}

function readStorm(storm: Extensions | undefined, at: string): Rule['storm'] {
  if (!storm) return undefined;
  const count = storm.count('count');
  const windowMs = storm.durationMs('window');
  storm.rest();
  if (count === undefined || count < 2 || windowMs === undefined) {
    refuse(at, 'urn:cerebra:alert:storm has a count above 1 and a window', 'required');
  }
  return { count: count as number, windowMs: windowMs as number };
}

function readQuietHours(quiet: Extensions | undefined, at: string): Rule['quietHours'] {
  if (!quiet) return undefined;
  const minutes = (name: string): number => {
    const found = /^([01]\d|2[0-3]):([0-5]\d)(?::\d\d)?$/.exec(textOf(quiet.value(name, 'Time')));
    if (!found)
      refuse(quiet.pathOf(name), `urn:cerebra:alert:quiet-hours has '${name}', a time as 22:00:00`, 'required');
    return Number(found![1]) * 60 + Number(found![2]);
  };
  const read = {
    fromMinutes: minutes('from'),
    toMinutes: minutes('to'),
    timeZone: zone(quiet.text('time-zone', 'code') ?? 'UTC', quiet.pathOf('time-zone')),
    below: choice(quiet, 'below', severities) ?? ('critical' as Severity),
  };
  quiet.rest();
  if (read.fromMinutes === read.toMinutes) refuse(at, 'from and to of urn:cerebra:alert:quiet-hours differ');
  return read;
}

function zone(name: string, at: string): string {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return name;
  } catch {
    return refuse(at, 'the time-zone of urn:cerebra:alert:quiet-hours must be one of the IANA names, as Europe/Berlin');
  }
}

interface ActionContext {
  kind: RuleKind;
  variables: readonly string[];
  rules: CriteriaRules;
  /** How many the rule has. */
  actions: number;
}

/** RequestPriority, https://hl7.org/fhir/R4/valueset-request-priority.html */
const severityOf: Readonly<Record<string, Severity>> = {
  routine: 'low',
  urgent: 'moderate',
  asap: 'high',
  stat: 'critical',
};

function readAction(action: JsonObject, at: string, context: ActionContext): RuleAction {
  const { kind, variables, rules } = context;
  refuseUnused(action, [...unusedOfAction, 'timing[x]'], at);
  checkActionParts(action, kind, at, context.actions);
  const extensions = readExtensions(action, at);
  const triggers = objectsOf(action.trigger);
  if (triggers.length > triggersMax) refuse(`${at}.trigger`, `there are ${triggersMax} at most`);
  if ((triggers.length === 0) !== (kind === 'failure-rate')) {
    refuse(`${at}.trigger`, kind === 'failure-rate' ? 'a failure-rate rule has none' : 'is missing', 'required');
  }
  const read: RuleAction = {
    title: textOf(action.title) || refuse(`${at}.title`, 'is missing: it is what people read', 'required'),
    severity: choice(extensions, 'severity', severities) ?? ownValue(severityOf, textOf(action.priority)) ?? 'moderate',
    triggers: triggers.map((one, i) => readTrigger(one, `${at}.trigger[${i}]`, variables, rules)),
    conditions: objectsOf(action.condition).map((one, i) => readCondition(one, variables, `${at}.condition[${i}]`)),
    atLeast: extensions.count('at-least') ?? triggers.length,
    ...readCode(action),
    ...definedOnly({
      ...{ rearm: extensions.path('rearm', variables), value: extensions.path('value', ['resource', 'previous']) },
      detail: extensions.path('detail', variables),
      limits: readLimits(extensions, at),
      change: readChange(extensions, at),
      slope: readSlope(extensions, at),
      failures: readFailures(extensions, at),
    }),
  };
  extensions.rest();
  checkKind(read, kind, at);
  return read;
}

function readCondition(condition: JsonObject, variables: readonly string[], at: string): FhirPath {
  if (condition.kind !== 'applicability') refuse(`${at}.kind`, 'must be applicability', 'unsupported');
  return readExpression((condition.expression ?? {}) as JsonObject, variables, `${at}.expression`);
}

function readCode(action: JsonObject): Pick<RuleAction, 'code'> {
  const coding = objectsOf(objectsOf(action.code)[0]?.coding)[0];
  if (typeof coding?.system !== 'string' || typeof coding.code !== 'string') return {};
  return { code: { system: coding.system, code: coding.code, display: textOf(coding.display) || coding.code } };
}

function readLimits(extensions: Extensions, at: string): ActionLimits | undefined {
  const names = ['low', 'high', 'rearm-low', 'rearm-high'] as const;
  const found = names.map((name) => [name, extensions.quantity(name)] as const).filter(([, value]) => value);
  if (found.length === 0) return undefined;
  const unit = found[0]![1]!.unit;
  if (found.some(([, value]) => value!.unit !== unit)) refuse(at, 'low, high and their rearm levels have one unit');
  const [low, high, rearmLow, rearmHigh] = names.map((name) => found.find(([one]) => one === name)?.[1]?.value);
  // Else every value is beyond one of them.
  if (low !== undefined && high !== undefined && low >= high) refuse(at, 'low lies below high');
  if (rearmLow !== undefined && !(rearmLow >= (low ?? Number.POSITIVE_INFINITY))) {
    refuse(at, 'rearm-low goes with low and lies above it');
  }
  if (rearmHigh !== undefined && !(rearmHigh <= (high ?? Number.NEGATIVE_INFINITY))) {
    refuse(at, 'rearm-high goes with high and lies below it');
  }
  return { unit, ...definedOnly({ low, high, rearmLow, rearmHigh }) };
}

const directions: readonly Direction[] = ['up', 'down', 'both'];

function readChange(extensions: Extensions, at: string): RuleAction['change'] {
  const by = extensions.quantity('change');
  const percent = extensions.number('change-percent');
  const direction = choice(extensions, 'direction', directions) ?? 'both';
  if (!by && percent === undefined) return undefined;
  if (by && percent !== undefined) refuse(at, 'there is either change or change-percent');
  const amount = by?.value ?? percent!;
  if (!(amount > 0)) refuse(at, 'a change is above 0; the direction tells up from down');
  return { by: amount, unit: by?.unit ?? '', percent: percent !== undefined, direction };
}

function readSlope(extensions: Extensions, at: string): RuleAction['slope'] {
  const perHour = extensions.quantity('change-per-hour');
  const pointsMin = extensions.count('points') ?? 3;
  if (!perHour) return undefined;
  if (!(perHour.value > 0) || pointsMin < 2) refuse(at, 'a trend has a change-per-hour above 0 and 2 points at least');
  const direction = choice(extensions, 'direction', directions) ?? 'both';
  return { perHour: perHour.value, unit: perHour.unit, pointsMin, direction };
}

function readFailures(extensions: Extensions, at: string): RuleAction['failures'] {
  const count = extensions.count('failures');
  const percent = extensions.number('failures-percent');
  if (percent !== undefined && !(percent >= 0 && percent <= 100)) refuse(at, 'failures-percent lies between 0 and 100');
  return count === undefined ? undefined : { count, percent: percent ?? 0 };
}
