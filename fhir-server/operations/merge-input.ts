// Which two patients are meant: https://build.fhir.org/patient-operation-merge.html#parameters
import { escapeValue, type JsonObject, type OperationRequest, parseReference, type Resource } from '#fhir-model';
import { CerebraError } from '#platform';
import type { Core } from '../interactions/core.ts';
import { matchCriteria, parseQuery } from '../interactions/search.ts';
import { all, one } from './answer.ts';
import { isReplaced } from './match-features.ts';

export type Side = 'source' | 'target';

export interface MergeInput {
  sourceId: string;
  targetId: string;
  /** Identifiers that were given to find each; they have to be among those of the patient. */
  identifiers: Record<Side, JsonObject[]>;
  /** What the target becomes. */
  result?: Resource;
  preview: boolean;
}

/** What the rules forbid: 422. */
export const refused = (text: string, expression: string): CerebraError =>
  new CerebraError('business-rule', text, { expression: [expression] });

interface Given {
  reference: JsonObject | undefined;
  identifiers: JsonObject[];
}

function givenOf({ input }: OperationRequest, side: Side): Given {
  const reference = one<JsonObject>(input, `${side}-patient`);
  const identifiers = all<JsonObject>(input, `${side}-patient-identifier`);
  const within = reference?.identifier as JsonObject | undefined;
  if (reference || identifiers.length > 0) {
    return { reference, identifiers: within ? [...identifiers, within] : identifiers };
  }
  const text = `Say which patient is the ${side}: ${side}-patient, ${side}-patient-identifier or both`;
  throw new CerebraError('required', text, { expression: [`${side}-patient`] });
}

/** The id in a literal reference; undefined for one that has only an identifier. */
function literalId(core: Core, reference: JsonObject | undefined, side: Side): string | undefined {
  if (reference?.reference === undefined) return undefined;
  const parsed = parseReference(String(reference.reference), core.baseUrl);
  if (parsed.kind === 'local' && parsed.type === 'Patient' && parsed.version === undefined) return parsed.id;
  const text = `'${side}-patient' must refer to a patient of this server: Patient/[id]`;
  throw new CerebraError('invalid-parameter', text, { expression: [`${side}-patient`] });
}

/** The one patient that has all of the identifiers; those that were merged into others don't count. */
async function byIdentifiers(core: Core, { scope }: OperationRequest, given: Given, side: Side): Promise<string> {
  const name = `${side}-patient-identifier`;
  const pairs = given.identifiers.map(({ system, value }): [string, string] => {
    if (typeof value !== 'string' || value === '') {
      throw new CerebraError('invalid-parameter', `'${name}' needs a value`, { expression: [name] });
    }
    return [
      'identifier',
      typeof system === 'string' ? `${escapeValue(system)}|${escapeValue(value)}` : escapeValue(value),
    ];
  });
  if (pairs.length === 0) {
    const text = `'${side}-patient' has neither a reference nor an identifier`;
    throw new CerebraError('required', text, { expression: [`${side}-patient`] });
  }
  const query = parseQuery(core, 'Patient', pairs, true);
  const found = await matchCriteria(core, query, { scope, db: core.store.db }, SAME_IDENTIFIER_MAX);
  const [first, more] = found.filter(({ body }) => !isReplaced(JSON.parse(body) as Resource));
  if (!first) throw refused(`No patient has the identifiers of the ${side}`, name);
  if (more) throw refused(`More than one patient has the identifiers of the ${side}: give its reference`, name);
  return first.id;
}

/** A patient and all that were merged into it have the same identifiers. */
const SAME_IDENTIFIER_MAX = 100;

async function idOf(core: Core, request: OperationRequest, given: Given, side: Side): Promise<string> {
  return literalId(core, given.reference, side) ?? (await byIdentifiers(core, request, given, side));
}

/** Throws `required`, `invalid-parameter`, and `business-rule` for patients that can't be told or are one and the same. */
export async function readMerge(core: Core, request: OperationRequest): Promise<MergeInput> {
  const [source, target] = [givenOf(request, 'source'), givenOf(request, 'target')];
  const sourceId = await idOf(core, request, source, 'source');
  const targetId = await idOf(core, request, target, 'target');
  if (sourceId === targetId) {
    throw refused(`Source and target are the same, Patient/${sourceId}: they may be merged already`, 'target-patient');
  }
  const result = one<Resource>(request.input, 'result-patient');
  if (result && result.id !== targetId) {
    const text = `The id of 'result-patient' must be that of the target, ${targetId}`;
    throw new CerebraError('invalid-parameter', text, { expression: ['result-patient'] });
  }
  return {
    ...{ sourceId, targetId, identifiers: { source: source.identifiers, target: target.identifiers } },
    ...(result ? { result } : {}),
    preview: one<boolean>(request.input, 'preview') ?? false,
  };
}
