// Who is on call: care teams, roles and rosters become people with addresses.
// https://hl7.org/fhir/R4/careteam.html, https://hl7.org/fhir/R4/practitionerrole.html, https://hl7.org/fhir/R4/schedule.html
import {
  type AccessScope,
  type Json,
  type JsonObject,
  objectsOf,
  parseJson,
  parseReference,
  type Resource,
  type ResourceReader,
} from '#fhir-model';
import { isCerebraError } from '#platform';
import { isAvailable, isWithin } from './availability.ts';
import type { Who } from './chain.ts';

export interface Directory {
  reader: ResourceReader;
  scope: AccessScope;
  /** IANA zone of working hours. */
  timeZone: string;
  /** Our own FHIR base, which references may begin with. */
  baseUrl: string;
}

/** Somebody who is told. */
export interface Recipient {
  /** `PractitionerRole/1` */
  reference: string;
  /** ContactPoint lists: that of the role goes before the person's own. */
  telecoms: Json[];
}

/** Who is on call, and who was looked at and is not, with the reason: for the history. */
export interface OnCall {
  recipients: Recipient[];
  notes: string[];
}

const depthMax = 3;
const recipientsMax = 100;
/** The latest of them first: a roster may have appointments of minutes beside the night that they lie in. */
const slotsAtOnce = 100;
const slotsMax = 1_000;
/** Beyond the first page it is looked no further back: nobody's turn is longer. */
const turnMsMax = 31 * 86_400_000;
/** Teams of a patient, and rosters of somebody, of whom there may be one for each week. */
const foundMax = 100;
/** One after the other those of a team of 100 would take longer than the lease of a step (30 s): nobody would be told. */
const rostersAtOnce = 10;

interface Lookup extends Directory {
  atMs: number;
  recipients: Map<string, Recipient>;
  notes: string[];
  seen: Set<string>;
  /** By the id of a Schedule: whether it has a Slot for the moment. */
  duties: Map<string, Promise<boolean>>;
}

interface Path {
  depth: number;
  role?: { system?: string; code: string } | undefined;
  /** A roster says that it is their turn: hours don't matter. */
  rostered?: boolean;
}

/** Everybody once, in the order of `who`. `subjects`: whom the alert is about, one unless it is a storm's. Throws CerebraError as the reader does while the store can't be asked. */
export async function whoIsOnCall(
  who: readonly Who[],
  subjects: readonly string[],
  atMs: number,
  directory: Directory,
): Promise<OnCall> {
  const found = { recipients: new Map(), notes: [], seen: new Set<string>(), duties: new Map() };
  const lookup: Lookup = { ...directory, atMs, ...found };
  for (const one of who) {
    if ('reference' in one) await follow(lookup, one.reference, { depth: 0, role: one.role });
    else await followTeamsOf(lookup, subjects);
  }
  return { recipients: [...lookup.recipients.values()], notes: [...new Set(lookup.notes)] };
}

async function follow(lookup: Lookup, reference: string, path: Path): Promise<void> {
  const [type = ''] = reference.split('/');
  const step = Object.hasOwn(steps, type) ? steps[type] : undefined;
  // The same team may be asked for in another role, and a roster may have somebody who is not on call by the hours.
  const key = JSON.stringify([reference, path.role?.system, path.role?.code, path.rostered]);
  if (!step || lookup.seen.has(key) || path.depth > depthMax) return;
  if (lookup.recipients.size >= recipientsMax) {
    const text = `${recipientsMax} are told at most: whoever comes after them was not looked at`;
    if (!lookup.notes.includes(text)) lookup.notes.push(text);
    return;
  }
  lookup.seen.add(key);
  const resource = await read(lookup, reference);
  if (resource) await step(lookup, resource, reference, path);
}

type Follow = (lookup: Lookup, resource: Resource, reference: string, path: Path) => Promise<void>;

const steps: Record<string, Follow> = {
  CareTeam: followTeam,
  Schedule: followSchedule,
  PractitionerRole: takeRole,
  Practitioner: takePractitioner,
};

async function followTeamsOf(lookup: Lookup, subjects: readonly string[]): Promise<void> {
  const patients = subjects.filter((subject) => subject.startsWith('Patient/'));
  if (patients.length === 0) lookup.notes.push('patient-care-team: the alert is not about a patient');
  for (const patient of patients) {
    const teams = await find(lookup, 'CareTeam', `subject=${patient}&status=active`);
    if (teams.length === 0) lookup.notes.push('patient-care-team: the patient has none that is active');
    for (const team of teams) await follow(lookup, `CareTeam/${team.id}`, { depth: 0 });
  }
}

const silent = new Set(['inactive', 'entered-in-error', 'suspended']);

async function followTeam(lookup: Lookup, team: Resource, reference: string, { depth, role }: Path): Promise<void> {
  const { atMs, notes, recipients, timeZone } = lookup;
  if (silent.has(String(team.status)) || !isWithin(team.period, atMs, timeZone)) {
    notes.push(`${reference}: the team is not active`);
    return;
  }
  const before = recipients.size;
  let isThere = false;
  for (const { member, period, role: roles } of objectsOf(team.participant)) {
    const to = referenceOf(lookup, member);
    if (to === undefined || !isWithin(period, atMs, timeZone) || !hasRole(roles, role)) continue;
    await follow(lookup, to, { depth: depth + 1 });
    isThere ||= recipients.has(to);
  }
  if (isThere || recipients.size > before) return;
  // The team's own pager or mail box, where nobody of it is on call.
  if (objectsOf(team.telecom).length > 0) recipients.set(reference, { reference, telecoms: [team.telecom!] });
  else notes.push(`${reference}: nobody of the team is on call`);
}

const hasRole = (roles: Json | undefined, role: Path['role']): boolean =>
  role === undefined ||
  objectsOf(roles)
    .flatMap(({ coding }) => objectsOf(coding))
    .some(({ system, code }) => code === role.code && (role.system === undefined || system === role.system));

/** Whose turn it is: the actors of a roster that has a Slot for this instant. */
async function followSchedule(lookup: Lookup, schedule: Resource, reference: string, { depth }: Path): Promise<void> {
  if (!(await isOnDuty(lookup, schedule))) {
    lookup.notes.push(`${reference}: it has no slot for this time`);
    return;
  }
  for (const actor of objectsOf(schedule.actor)) {
    const to = referenceOf(lookup, actor);
    if (to !== undefined) await follow(lookup, to, { depth: depth + 1, rostered: true });
  }
}

async function takeRole(lookup: Lookup, role: Resource, reference: string, path: Path): Promise<void> {
  const onRoster = path.rostered || (await rosterSays(lookup, reference));
  const { availableTime: _, ...atAnyHour } = role;
  if (onRoster === false || !isAvailable(onRoster ? atAnyHour : role, lookup.atMs, lookup.timeZone)) {
    lookup.notes.push(`${reference}: not on call`);
    return;
  }
  const person = referenceOf(lookup, role.practitioner);
  const practitioner = person?.startsWith('Practitioner/') ? await read(lookup, person) : undefined;
  // Who has left may still have a role that nobody has ended.
  if (practitioner?.active === false) {
    lookup.notes.push(`${reference}: ${person} is not active`);
    return;
  }
  const telecoms = [role.telecom, practitioner?.telecom].filter((telecom) => telecom !== undefined);
  lookup.recipients.set(reference, { reference, telecoms });
}

async function takePractitioner(lookup: Lookup, person: Resource, reference: string, path: Path): Promise<void> {
  const onRoster = path.rostered || (await rosterSays(lookup, reference));
  if (person.active === false || onRoster === false) lookup.notes.push(`${reference}: not on call`);
  else lookup.recipients.set(reference, { reference, telecoms: person.telecom === undefined ? [] : [person.telecom] });
}

/** Where there are rosters (Schedules with the service type `on-call`) of somebody: whether one has them now. */
async function rosterSays(lookup: Lookup, actor: string): Promise<boolean | undefined> {
  // Schedule.active may be left out.
  const query = `actor=${actor}&service-type=on-call&active:not=false`;
  const rosters = await find(lookup, 'Schedule', query);
  if (rosters.length === 0) return undefined;
  for (let at = 0; at < rosters.length; at += rostersAtOnce) {
    const some = rosters.slice(at, at + rostersAtOnce);
    if ((await Promise.all(some.map((roster) => isOnDuty(lookup, roster)))).includes(true)) return true;
  }
  return false;
}

/** A roster of several is looked at once. */
function isOnDuty(lookup: Lookup, roster: Resource): Promise<boolean> {
  const key = String(roster.id);
  const known = lookup.duties.get(key);
  if (known) return known;
  const asked = hasTurn(lookup, roster);
  lookup.duties.set(key, asked);
  return asked;
}

async function hasTurn(lookup: Lookup, { id, active }: Resource): Promise<boolean> {
  if (active === false) return false;
  const at = new Date(lookup.atMs).toISOString();
  const query = `schedule=Schedule/${id}&start=le${at}&_sort=-start&_count=${slotsAtOnce}`;
  for (let looked = 0, cursor = ''; ; looked += slotsAtOnce) {
    if (looked >= slotsMax) {
      lookup.notes.push(`Schedule/${id}: only the latest ${slotsMax} of its slots were looked at`);
      return false;
    }
    const { found, next } = await findPage(lookup, 'Slot', `${query}${cursor}`);
    if (found.some((slot) => isTurn(slot, lookup.atMs))) return true;
    const earliestMs = Date.parse(String(found.at(-1)?.start));
    if (next === undefined || !(earliestMs > lookup.atMs - turnMsMax)) return false;
    cursor = `&_cursor=${encodeURIComponent(next)}`;
  }
}

const isTurn = ({ status, end }: Resource, atMs: number): boolean =>
  status !== 'busy-unavailable' && status !== 'entered-in-error' && Date.parse(String(end)) > atMs;

async function read({ reader, scope, notes }: Lookup, reference: string): Promise<Resource | undefined> {
  const [type = '', id = ''] = reference.split('/');
  const stored = await reader.read(type, id, scope);
  if (stored && !stored.deleted) return parseJson(stored.body).exact as Resource;
  notes.push(`${reference}: there is no such resource`);
  return undefined;
}

/** What can't be searched is not found, and said so: of two roles one that can be called is enough. */
async function findPage({ reader, scope, notes }: Lookup, type: string, query: string): Promise<Page> {
  try {
    const { resources, nextCursor } = await reader.search(type, query, scope);
    return { found: resources.map(({ body }) => parseJson(body).exact as Resource), next: nextCursor };
  } catch (error) {
    if (!isCerebraError(error) || (error.status >= 500 && error.code !== 'timeout')) throw error;
    notes.push(`${type}?${query}: ${error.message}`);
    return { found: [], next: undefined };
  }
}

interface Page {
  found: Resource[];
  next: string | undefined;
}

async function find(lookup: Lookup, type: string, query: string): Promise<Resource[]> {
  const { found, next } = await findPage(lookup, type, `${query}&_count=${foundMax}`);
  if (next !== undefined) lookup.notes.push(`${type}?${query}: only the latest ${foundMax} were looked at`);
  return found;
}

/** `Practitioner/1` of a Reference, whose version is left out; undefined for a contained or foreign one. */
function referenceOf({ baseUrl }: Directory, value: Json | undefined): string | undefined {
  const { reference } = (value ?? {}) as JsonObject;
  const found = typeof reference === 'string' ? parseReference(reference, baseUrl) : undefined;
  return found?.kind === 'local' ? `${found.type}/${found.id}` : undefined;
}
