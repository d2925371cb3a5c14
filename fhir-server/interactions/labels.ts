// What an update leaves of the labels that a resource has: https://hl7.org/fhir/R4/resource.html#tag-updates. Of servers in general
// R4 tells that they merge tags and security labels and replace profiles, and makes no rule of it; UPDATE_LABELS chooses.
import type { Json, Meta, Resource, TransactionEntry } from '#fhir-model';

/** The identity of a tag or security label: version and display don't count, unless they are all there is. */
export const labelIdentity = (label: unknown): string => {
  if (typeof label === 'string') return label;
  if (label === null) return '';
  const { system = '', code } = label as { system?: string; code?: string };
  return code === undefined ? JSON.stringify(label) : `${system}|${code}`;
};

const LABELS = ['tag', 'security'] as const;

const labelsOf = ({ meta }: Resource, kind: (typeof LABELS)[number]): Json[] => {
  const labels = meta?.[kind] as Json | undefined;
  return Array.isArray(labels) ? labels : [];
};

/** The resource as it came, with the labels of the one that is there before its own; of two of one identity the new one counts. */
function withLabelsOf(existing: Resource | undefined, incoming: Resource): Resource {
  if (existing === undefined) return incoming;
  const meta: Meta = { ...incoming.meta };
  for (const kind of LABELS) {
    const own = labelsOf(incoming, kind);
    const known = new Set(own.map(labelIdentity));
    const kept = labelsOf(existing, kind).filter((label) => !known.has(labelIdentity(label)));
    if (kept.length > 0) Object.assign(meta, { [kind]: [...kept, ...own] });
  }
  return Object.keys(meta).length > 0 ? { ...incoming, meta } : incoming;
}

/** The update, as one that keeps tags and security labels; one that is merged with what is there sees to them itself. */
export const keepingLabels = (entry: TransactionEntry): TransactionEntry =>
  entry.merge ? entry : { ...entry, merge: withLabelsOf };
