// Who had a device at an instant, by the versions of its Device: a monitor that was out of reach sends what it measured on the patient
// before, after it has gone to the next one. https://hl7.org/fhir/R4/device.html
import {
  type AccessScope,
  type ChangeFeed,
  type JsonObject,
  objectsOf,
  parseReference,
  type ResourceReader,
} from '#fhir-model';
import type { Db } from '#platform';
import type { KnownDevice } from './devices.ts';

export interface Holders {
  /**
   * Device.patient as it was then, or last before where it was nobody's then, if that was another patient whose record has not been
   * merged into the present one's since; undefined where it was the same, there was none, or nothing is known. Throws when the store
   * is not available.
   */
  formerAt(device: KnownDevice, ms: number): Promise<JsonObject | undefined>;
}

interface HoldersOptions {
  db: Db;
  reader: Pick<ResourceReader, 'read'>;
  scope: AccessScope;
  /** Without it nothing is known. */
  feed?: Pick<ChangeFeed, 'bodies'> | undefined;
}

interface Version {
  fromMs: number;
  patient: JsonObject | undefined;
}

/** Versions that are looked back; before the last of them it counts for all time before. */
const versionsMax = 50;

/** Records that were merged into one that was merged itself, and so on. */
const mergesMax = 5;

export function createHolders({ db, reader, scope, feed }: HoldersOptions): Holders {
  /** A device is looked up anew every two seconds: so are its versions, as long as old readings come. */
  const known = new WeakMap<KnownDevice, Promise<Version[]>>();

  const read = async ({ id, version }: KnownDevice): Promise<Version[]> => {
    const count = Math.min(versionsMax, version - 1);
    const keys = Array.from({ length: count }, (_, i) => ({ type: 'Device', id, version: version - 1 - i }));
    const texts = await feed!.bodies(db, keys);
    return texts.flatMap((text) => (text === '' ? [] : [versionOf(JSON.parse(text) as JsonObject)]));
  };

  /** https://hl7.org/fhir/R4/patient.html#links: a merge moves the Device along with all that the patient had. */
  const isMergedInto = async (then: JsonObject, now: JsonObject): Promise<boolean> => {
    let from: JsonObject | undefined = then;
    for (let i = 0; i < mergesMax && from; i++) {
      const id: string | undefined = /^Patient\/([^/]+)$/.exec(nameOf(from))?.[1];
      const stored = id === undefined ? undefined : await reader.read('Patient', id, scope);
      if (!stored || stored.deleted) return false;
      const links = objectsOf((JSON.parse(stored.body) as JsonObject).link);
      from = links.find(({ type }) => type === 'replaced-by')?.other as JsonObject | undefined;
      if (from && nameOf(from) === nameOf(now)) return true;
    }
    return false;
  };

  return {
    async formerAt(device, ms) {
      if (feed === undefined || device.version < 2 || ms >= device.updatedMs) return undefined;
      const versions = known.get(device) ?? read(device);
      known.set(device, versions);
      versions.catch(() => known.delete(device));
      const newestFirst = await versions;
      // Between two patients it is nobody's: what it measured meanwhile may be the first one's, who was written off too early.
      const then = (newestFirst.find(({ fromMs, patient }) => fromMs <= ms && patient) ?? newestFirst.at(-1))?.patient;
      if (!then || nameOf(then) === nameOf(device.patient)) return undefined;
      return (await isMergedInto(then, device.patient)) ? undefined : then;
    },
  };
}

function versionOf({ meta, patient }: JsonObject): Version {
  const { lastUpdated } = (meta ?? {}) as JsonObject;
  return { fromMs: Date.parse(String(lastUpdated)), patient: patient as JsonObject | undefined };
}

/** The same for the same patient, whichever version of it. */
function nameOf({ reference, identifier }: JsonObject): string {
  const parsed = typeof reference === 'string' ? parseReference(reference) : undefined;
  if (parsed?.kind === 'local') return `${parsed.type}/${parsed.id}`;
  const { system, value } = (identifier ?? {}) as JsonObject;
  return JSON.stringify(reference ?? [system, value]);
}
