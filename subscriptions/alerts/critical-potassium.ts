// The built-in alert for critical potassium: a Flag (https://hl7.org/fhir/R4/flag.html) on the patient, and a Communication
// (https://hl7.org/fhir/R4/communication.html) for whoever has to act. Ids derive from the Observation, so doing it again
// changes nothing.
import { type Json, type JsonObject, parseJson, type Resource, type TransactionEntry } from '#fhir-model';
import { uuidv5 } from '#platform';
import { criticalLevel, type Level, type PotassiumLimits, potassiumCodes } from './potassium-level.ts';
import type { AlertPorts, AlertRule } from './rule.ts';

const ruleName = 'critical-potassium';
/** Flags and Communications of this rule carry it in meta.tag. */
export const ruleTag = { system: 'urn:cerebra:alert', code: ruleName };
/** On a Flag that this rule set inactive, as against one that a person closed. */
const withdrawnTag = { system: 'urn:cerebra:alert', code: 'withdrawn-by-rule' };

const namespace = '6f0c4a0e-5d0b-5f6e-9f0a-3a1d5f2c7b41';

/** Flag.id for an Observation: one Flag, whatever versions follow. */
export const flagId = (observationId: string): string => uuidv5(namespace, `Flag|${observationId}`);
/** Communication.id: one for each critical value that an Observation has had, so that a status change alone is silent. */
const communicationId = (observationId: string, level: Level, again = ''): string =>
  uuidv5(namespace, `Communication|${observationId}|${level.direction}|${level.text}${again}`);

export function criticalPotassium(limits: PotassiumLimits): AlertRule {
  return {
    name: ruleName,
    criteria: `Observation?code=${potassiumCodes.map((code) => `http://loinc.org|${code}`).join(',')}`,
    // A first version that is not critical has raised nothing that could be withdrawn.
    test: (resource, version) => version > 1 || criticalLevel(resource, limits) !== undefined,
    async apply(observation, updatedMs, ports) {
      const level = criticalLevel(observation, limits);
      const flag = await currentFlag(observation.id ?? '', ports);
      if (level) await raise({ observation, level, updatedMs, flag }, ports);
      else if (flag?.resource.status === 'active') await withdraw(observation, flag, updatedMs, ports);
    },
  };
}

interface CurrentFlag {
  resource: Resource;
  version: number;
}

async function currentFlag(observationId: string, { reader, scope }: AlertPorts): Promise<CurrentFlag | undefined> {
  const stored = await reader.read('Flag', flagId(observationId), scope);
  if (!stored || stored.deleted) return undefined;
  return { resource: parseJson(stored.body).exact as Resource, version: stored.version };
}

interface Raising {
  observation: Resource;
  level: Level;
  updatedMs: number;
  flag: CurrentFlag | undefined;
}

async function raise(raising: Raising, ports: AlertPorts): Promise<void> {
  const { flag, level, observation } = raising;
  if (!flag) return raiseFirst(raising, ports);
  const isCurrent = flag.resource.status === 'active' && hasCode(flag.resource, level);
  const first = communicationId(observation.id!, level);
  const told = await exists(first, ports);
  const withdrawn = isWithdrawn(flag.resource);
  if (told && !withdrawn) {
    // A Flag that a person closed is opened again by a new critical value only.
    if (flag.resource.status === 'active' && !isCurrent) await replaceFlag(raising, flag, [], ports);
    return;
  }
  // The correction that withdrew the alert was itself corrected: that is told although the value was told before.
  const id = told ? communicationId(observation.id!, level, `|${String(observation.meta?.versionId)}`) : first;
  const communication = communicationFor(raising, id);
  if (isCurrent) {
    await ports.writer.createIfAbsent([communication], { scope: ports.scope });
    return;
  }
  // In one transaction, so that a repetition finds both or none.
  const put: TransactionEntry = { method: 'PUT', url: `Communication/${id}`, resource: communication };
  await replaceFlag(raising, flag, [put], ports);
}

async function replaceFlag(raising: Raising, { version }: CurrentFlag, more: TransactionEntry[], ports: AlertPorts) {
  const flag = flagFor(raising);
  if (flag) await putFlag(flag, version, more, ports);
}

async function raiseFirst(raising: Raising, { writer, scope }: AlertPorts): Promise<void> {
  const flag = flagFor(raising);
  const communication = communicationFor(raising, communicationId(raising.observation.id!, raising.level));
  await writer.createIfAbsent(flag ? [flag, communication] : [communication], { scope });
}

const hasCode = (flag: Resource, level: Level): boolean =>
  (((flag.code as JsonObject | undefined)?.coding ?? []) as JsonObject[]).some(
    ({ code }) => code === finding[level.direction].code,
  );

async function withdraw(observation: Resource, flag: CurrentFlag, updatedMs: number, ports: AlertPorts): Promise<void> {
  const { resource } = flag;
  const start = (resource.period as JsonObject | undefined)?.start;
  const tag = [...(resource.meta?.tag ?? []), withdrawnTag];
  const next: Resource = {
    ...resource,
    meta: { ...resource.meta, tag },
    status: observation.status === 'entered-in-error' ? 'entered-in-error' : 'inactive',
    period: { ...(start === undefined ? {} : { start }), end: new Date(updatedMs).toISOString() },
  };
  await putFlag(next, flag.version, [], ports);
}

/** Somebody who changes the Flag at the same moment makes this throw `version-conflict`: the delivery is repeated. */
async function putFlag(resource: Resource, version: number, more: TransactionEntry[], { writer, scope }: AlertPorts) {
  const url = `Flag/${resource.id}`;
  await writer.transaction([{ method: 'PUT', url, resource, ifMatch: `W/"${version}"` }, ...more], { scope });
}

const isWithdrawn = (flag: Resource): boolean =>
  flag.status !== 'active' &&
  (flag.meta?.tag ?? []).some(({ system, code }) => system === withdrawnTag.system && code === withdrawnTag.code);

type Identified = Resource & { id: string };

const finding = {
  high: { code: '14140009', display: 'Hyperkalemia', text: 'Critically high potassium' },
  low: { code: '43339004', display: 'Hypokalemia', text: 'Critically low potassium' },
};

function codeOf({ direction }: Level): JsonObject {
  const { code, display, text } = finding[direction];
  return { coding: [{ system: 'http://snomed.info/sct', code, display }], text };
}

/** Flag.subject is required and has fewer target types than Observation.subject; without one there is no Flag. */
function flagFor({ observation, level, updatedMs }: Raising): Identified | undefined {
  const subject = reference(observation.subject, ['Patient', 'Location', 'Group']);
  if (!subject) return undefined;
  const encounter = reference(observation.encounter, ['Encounter']);
  return {
    resourceType: 'Flag',
    id: flagId(observation.id!),
    meta: { tag: [ruleTag] },
    extension: [
      {
        url: 'http://hl7.org/fhir/StructureDefinition/flag-detail',
        valueReference: { reference: `Observation/${observation.id}` },
      },
    ],
    status: 'active',
    category: [coded('http://terminology.hl7.org/CodeSystem/flag-category', 'clinical', 'Clinical')],
    code: codeOf(level),
    subject,
    period: { start: new Date(updatedMs).toISOString() },
    ...(encounter ? { encounter } : {}),
  };
}

/** Neither name nor birth date: who reads it follows the references. */
function communicationFor({ observation, level, updatedMs }: Raising, id: string): Identified {
  const about = { reference: `Observation/${observation.id}` };
  const subject = reference(observation.subject, ['Patient', 'Group']);
  const encounter = reference(observation.encounter, ['Encounter']);
  return {
    resourceType: 'Communication',
    id,
    meta: { tag: [ruleTag] },
    status: 'in-progress',
    category: [coded('http://terminology.hl7.org/CodeSystem/communication-category', 'alert', 'Alert')],
    priority: 'stat',
    ...(subject ? { subject } : {}),
    topic: codeOf(level),
    about: [about],
    ...(encounter ? { encounter } : {}),
    sent: new Date(updatedMs).toISOString(),
    reasonReference: [about],
    payload: [
      {
        contentString: `${finding[level.direction].text}: ${level.text} (limit ${level.limit} mmol/L)`,
      },
    ],
  };
}

async function exists(id: string, { reader, scope }: AlertPorts): Promise<boolean> {
  const stored = await reader.read('Communication', id, scope);
  return stored !== undefined && !stored.deleted;
}

const coded = (system: string, code: string, display: string): JsonObject => ({ coding: [{ system, code, display }] });

/** A reference without its display, which would carry a name; undefined for a contained or missing one, or another type. */
function reference(value: Json | undefined, types: string[]): JsonObject | undefined {
  const { reference: literal, type, identifier } = (value ?? {}) as JsonObject;
  if (typeof literal === 'string' && !literal.startsWith('#')) {
    const target = /(?:^|\/)([A-Z][A-Za-z]+)\/[A-Za-z0-9\-.]{1,64}(?:\/_history\/.+)?$/.exec(literal)?.[1] ?? type;
    return typeof target === 'string' && types.includes(target) ? { reference: literal } : undefined;
  }
  if (identifier === undefined || !types.includes(type as string)) return undefined;
  return { type: type as string, identifier };
}
