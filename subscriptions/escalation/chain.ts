// A chain of escalation as a PlanDefinition: https://hl7.org/fhir/R4/plandefinition.html, of type workflow-definition. Its
// actions are the steps, in order; docs/alerts.md lists the extensions.
import { decimalText, type Issue, isNumber, type Json, type JsonObject, objectsOf, type Resource } from '#fhir-model';
import { CerebraError, isCerebraError } from '#platform';
import { rankOf, severities } from '../alerts/rules/rule.ts';
import { unusedIn, unusedOfAction, unusedOfPlan } from '../alerts/rules/unused.ts';
import type { Severity } from '../alerts/seams.ts';

/** Who a step tells: a resource, or the care teams of the alert's patient. */
export type Who = { reference: string; role?: { system?: string; code: string } } | { of: 'patient-care-team' };

export interface Step {
  title: string;
  who: Who[];
  /** `websocket`, `email` and names of endpoints, in the order of preference. */
  channels: string[];
  /** `first`: of each recipient the first channel that works; `all`: all of them. */
  mode: 'first' | 'all';
  /** The step is left out below it. */
  severity: Severity;
  /** The alert's values are told. */
  detail: boolean;
  /** How often it is told, and how long is waited each time. */
  times: number;
  waitMs: number;
}

export interface Chain {
  steps: Step[];
  /** How often the whole chain is gone through. */
  rounds: number;
  /** Those who were told are told of the end too. */
  tellEnd: boolean;
}

/** A chain for one alert: the steps of its severity, each as often as it is told. */
export interface Plan extends Chain {
  /** Places in `steps`. */
  turns: number[];
}

export const isAtLeast = (severity: Severity, least: Severity): boolean => rankOf(severity) >= rankOf(least);

const stepsMax = 50;
const turnsMax = 500;
const perStepMax = 50;
const waitMsMin = 1_000;
const waitMsMax = 7 * 24 * 3_600_000;

const extensionUrl = (name: string): string => `urn:cerebra:escalation-${name}`;

/**
 * The chain that a PlanDefinition describes. `endpoints`: names of those that are configured; without it any name is taken.
 * Throws CerebraError `invalid` that names the element at fault and what to do.
 */
export function readChain(plan: Resource, endpoints?: ReadonlySet<string>): Chain {
  if (plan.resourceType !== 'PlanDefinition') fail('', 'a chain is a PlanDefinition');
  if (!codesOf(plan.type).includes('workflow-definition')) fail('.type', 'must be workflow-definition');
  if (plan.status !== 'active') fail('.status', 'only an active chain is followed');
  // What has been stored before it was refused is followed nevertheless: somebody must be told.
  if (endpoints) noUnused(plan, unusedOfPlan, '');
  const actions = objectsOf(plan.action);
  if (actions.length === 0 || actions.length > stepsMax) fail('.action', `1 to ${stepsMax} steps are needed`);
  onlyKnown(plan, ['repeat', 'tell-end'], '');
  const steps = actions.map((action, index) => readStep(action, `.action[${index}]`, endpoints));
  const rounds = positive(one(plan, 'repeat', ''), '', 'repeat', 1);
  const turns = rounds * steps.reduce((sum, { times }) => sum + times, 0);
  if (turns > turnsMax) fail('', `all repetitions together are ${turns}; ${turnsMax} are the most`);
  return { steps, rounds, tellEnd: flag(one(plan, 'tell-end', ''), '', 'tell-end') };
}

/** Whether it is, or wants to be, a chain: a workflow-definition with one of our extensions. */
export const isChain = (resource: Resource): boolean =>
  resource.resourceType === 'PlanDefinition' &&
  codesOf(resource.type).includes('workflow-definition') &&
  JSON.stringify([resource.extension, resource.action]).includes(`"${extensionUrl('')}`);

/** What is wrong in a PlanDefinition that is to be written; nothing of one that is no chain. A draft is checked as well. */
export function checkChain(
  resource: Resource,
  endpoints: ReadonlySet<string>,
  personal: ReadonlySet<string> = new Set(),
): Issue[] {
  if (!isChain(resource)) return [];
  try {
    const { steps } = readChain({ ...resource, status: 'active' }, endpoints);
    for (const [index, step] of steps.entries()) reachesSomebody(step, `.action[${index}]`, personal);
    return [];
  } catch (error) {
    if (!isCerebraError(error)) throw error;
    return error.issues;
  }
}

/** A mail, or a message to an endpoint without an address, goes to people; beside those a web socket alone does not make a step wait. */
function reachesSomebody({ who, channels }: Step, path: string, personal: ReadonlySet<string>): void {
  const forPeople = channels.filter((channel) => channel === 'email' || personal.has(channel));
  if (who.length > 0 || forPeople.length === 0) return;
  if (channels.some((channel) => channel !== 'websocket' && !forPeople.includes(channel))) return;
  fail(path, `${extensionUrl('who')} is missing: ${forPeople.join(' and ')} would tell nobody`);
}

export function planFor(chain: Chain, severity: Severity): Plan {
  const once = chain.steps.flatMap((step, index) =>
    isAtLeast(severity, step.severity) ? new Array<number>(step.times).fill(index) : [],
  );
  return { ...chain, turns: new Array<number[]>(chain.rounds).fill(once).flat() };
}

function readStep(action: JsonObject, path: string, endpoints: ReadonlySet<string> | undefined): Step {
  if (endpoints) checkStep(action, path);
  const channels = each(action, 'channel').map((extension) => readChannel(extension, path, endpoints));
  if (channels.length === 0)
    fail(path, `${extensionUrl('channel')} is missing: email, websocket or an endpoint's name`);
  onlyKnown(action, ['who', 'channel', 'mode', 'severity', 'detail'], path);
  const mode = code(one(action, 'mode', path), path, 'mode', ['first', 'all'] as const, 'first');
  const severity = code(one(action, 'severity', path), path, 'severity', severities, 'info');
  const who = each(action, 'who').map((extension) => readWho(extension, path));
  if (channels.length > perStepMax || who.length > perStepMax) fail(path, `more than ${perStepMax} of one kind`);
  const title = typeof action.title === 'string' ? action.title.slice(0, 200) : '';
  const detail = flag(one(action, 'detail', path), path, 'detail');
  return { title, who, channels: [...new Set(channels)], mode, severity, detail, ...readTiming(action, path) };
}

/** What would be passed over. */
function checkStep(action: JsonObject, path: string): void {
  noUnused(action, [...unusedOfAction, 'condition', 'trigger'], path);
  const timings = Object.keys(action).filter((name) => name.startsWith('timing'));
  if (timings.length > 1) fail(path, `has ${timings.join(' and ')}: one of them says how long is waited`);
  const { repeat, ...rest } = (action.timingTiming ?? {}) as JsonObject;
  const { count: _count, period: _period, periodUnit: _unit, ...others } = (repeat ?? {}) as JsonObject;
  const [name] = [...Object.keys(rest), ...Object.keys(others).map((one) => `repeat.${one}`)];
  if (name !== undefined)
    fail(`${path}.timingTiming.${name}`, 'is not followed: only repeat.count, period and periodUnit');
}

function noUnused(element: JsonObject, names: readonly string[], path: string): void {
  const name = unusedIn(element, names);
  if (name !== undefined) fail(`${path}.${name}`, 'is nothing that chains follow: leave it out');
}

function readChannel(extension: JsonObject, path: string, endpoints: ReadonlySet<string> | undefined): string {
  const name = extension.valueCode ?? extension.valueString;
  const known = ['email', 'websocket', ...(endpoints ?? [])];
  if (typeof name === 'string' && name !== '' && (endpoints === undefined || known.includes(name))) return name;
  return fail(
    path,
    `${extensionUrl('channel')} must be a valueCode of: ${known.join(', ')} (ALERT_ENDPOINTS has the endpoints)`,
  );
}

const people = /^(CareTeam|Practitioner|PractitionerRole|Schedule)\/[A-Za-z0-9\-.]{1,64}$/;

function readWho(extension: JsonObject, path: string): Who {
  if (extension.valueCode === 'patient-care-team') return { of: 'patient-care-team' };
  const value = extension.valueReference as JsonObject | undefined;
  const reference = value?.reference;
  if (value === undefined || typeof reference !== 'string' || !people.test(reference)) {
    const may = 'a reference to a CareTeam, PractitionerRole, Practitioner or Schedule here';
    fail(path, `${extensionUrl('who')} must have ${may}, or the valueCode patient-care-team`);
  }
  onlyKnown(value, ['role'], path);
  // An extension with a value can't have extensions: https://hl7.org/fhir/R4/extensibility.html#ext-1. Chains that nobody
  // validated may have it there.
  const found = one(value, 'role', path) ?? each(extension, 'role')[0];
  if (found === undefined) return { reference };
  const role = (found.valueCoding ?? {}) as JsonObject;
  if (typeof role.code !== 'string') fail(path, `${extensionUrl('role')} must have a valueCoding with a code`);
  const system = typeof role.system === 'string' ? { system: role.system } : {};
  return { reference, role: { ...system, code: role.code } };
}

// https://hl7.org/fhir/R4/valueset-units-of-time.html without the units that have no fixed length in hours.
const unitMs: Record<string, number> = { s: 1_000, min: 60_000, h: 3_600_000, d: 24 * 3_600_000 };

/** timingDuration: told once. timingTiming: repeat.count times, repeat.period apart, and that long waited after the last. */
function readTiming(action: JsonObject, path: string): { times: number; waitMs: number } {
  const duration = action.timingDuration as JsonObject | undefined;
  const repeat = (action.timingTiming as JsonObject | undefined)?.repeat as JsonObject | undefined;
  const [value, unit, times] = duration
    ? [duration.value, duration.code, 1]
    : [repeat?.period, repeat?.periodUnit, repeat?.count ?? 1];
  const waitMs = Math.round(numberOf(value) * (unitMs[String(unit)] ?? Number.NaN));
  if (!(waitMs >= waitMsMin && waitMs <= waitMsMax)) {
    fail(
      path,
      'timingDuration (value, code s, min, h or d) or timingTiming.repeat (count, period, periodUnit) must say how long is waited: 1 s to 7 d',
    );
  }
  if (!Number.isInteger(times) || (times as number) < 1 || (times as number) > turnsMax) {
    fail(path, `timingTiming.repeat.count must be a number from 1 to ${turnsMax}`);
  }
  return { times: times as number, waitMs };
}

const numberOf = (value: Json | undefined): number => (isNumber(value) ? Number(decimalText(value)) : Number.NaN);

const codesOf = (concept: Json | undefined): Json[] =>
  objectsOf((concept as JsonObject | undefined)?.coding).map(({ code }) => code ?? '');

const each = (element: JsonObject, name: string): JsonObject[] =>
  objectsOf(element.extension).filter(({ url }) => url === extensionUrl(name));

/** One that is spelt wrong would be as if it were not there. */
function onlyKnown(element: JsonObject, names: readonly string[], path: string): void {
  const known = names.map(extensionUrl);
  const unknown = objectsOf(element.extension).find(
    ({ url }) => typeof url === 'string' && url.startsWith(extensionUrl('')) && !known.includes(url),
  );
  if (unknown) fail(path, `there is no ${String(unknown.url).slice(0, 100)} here; there are ${known.join(', ')}`);
}

function one(element: JsonObject, name: string, path: string): JsonObject | undefined {
  const found = each(element, name);
  if (found.length > 1) fail(path, `${extensionUrl(name)} is there ${found.length} times; one is the most`);
  return found[0];
}

function flag(extension: JsonObject | undefined, path: string, name: string): boolean {
  if (extension === undefined) return false;
  if (typeof extension.valueBoolean !== 'boolean') fail(path, `${extensionUrl(name)} must have a valueBoolean`);
  return extension.valueBoolean;
}

function positive(extension: JsonObject | undefined, path: string, name: string, preset: number): number {
  if (extension === undefined) return preset;
  const value = extension.valuePositiveInt;
  if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > turnsMax) {
    fail(path, `${extensionUrl(name)} must have a valuePositiveInt of up to ${turnsMax}`);
  }
  return value as number;
}

function code<T extends string>(
  extension: JsonObject | undefined,
  path: string,
  name: string,
  known: readonly T[],
  preset: T,
): T {
  if (extension === undefined) return preset;
  const found = known.find((each) => each === extension.valueCode);
  return found ?? fail(path, `${extensionUrl(name)} must have a valueCode of: ${known.join(', ')}`);
}

function fail(path: string, text: string): never {
  const element = `PlanDefinition${path}`;
  throw new CerebraError('invalid', `${element}: ${text}`, { expression: [element] });
}
