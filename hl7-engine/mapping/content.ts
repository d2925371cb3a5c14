// No resource is written that says nothing: neither that it exists nor of whom is worth an entry.
import type { JsonObject, TransactionEntry } from '#fhir-model';

/** What a resource is and of whom, but nothing of it. */
const frame: ReadonlySet<string> = new Set(
  `resourceType id meta status intent subject patient encounter beneficiary context basedOn clinicalStatus
  verificationStatus kind use recorder requester`.split(/\s+/),
);

const absentReason = 'http://hl7.org/fhir/StructureDefinition/data-absent-reason';

/** `constants`: further elements of the resource that do not count. The resource has no empty elements. */
export function hasContent(resource: JsonObject, constants: readonly string[] = []): boolean {
  for (const name in resource) {
    if (!frame.has(name) && !constants.includes(name) && !isAbsent(resource[name])) return true;
  }
  return false;
}

function isAbsent(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { extension } = value as { extension?: unknown };
  if (!Array.isArray(extension) || Object.keys(value).length > 1) return false;
  return extension.length === 1 && (extension[0] as { url?: unknown }).url === absentReason;
}

/** Removes references to entries that were not added, and what is empty without them. */
export function withoutReferences(entries: readonly TransactionEntry[], dropped: ReadonlySet<string>): void {
  for (const entry of entries) if (entry.resource) prune(entry.resource, dropped);
}

/** Whether nothing is left of the value. */
function prune(value: unknown, dropped: ReadonlySet<string>): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) {
    const kept = value.filter((item) => !prune(item, dropped));
    value.splice(0, value.length, ...kept);
    return kept.length === 0;
  }
  const object = value as Record<string, unknown>;
  let removed = false;
  for (const [name, inside] of Object.entries(object)) {
    const gone = name === 'reference' ? dropped.has(String(inside)) : prune(inside, dropped);
    if (!gone) continue;
    delete object[name];
    removed = true;
  }
  return removed && Object.keys(object).length === 0;
}
