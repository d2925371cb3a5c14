// A QuestionnaireResponse against its Questionnaire: https://hl7.org/fhir/R4/questionnaireresponse.html
import type { JsonObject, Resource } from '#fhir-model';
import { objectsOf, textOf } from '../json.ts';
import { pathOf } from '../report.ts';
import type { CompileInvariant } from '../rules/invariants.ts';
import { questionnaireResponseFaults } from '../rules/questionnaire-response.ts';
import { addFaults } from './add-faults.ts';
import { isAlmostListed, isListed } from './bindings.ts';
import type { ProfileSource } from './profiles.ts';
import { type Frame, type Run, report } from './run.ts';
import type { Codes, ValueSets } from './value-sets.ts';

/** A response found in a resource, and where. */
export interface Response {
  readonly trail: readonly (string | number)[];
  readonly frame: Frame;
}

export interface ResponseParts {
  readonly source: ProfileSource;
  readonly valueSets: ValueSets;
  readonly invariant: CompileInvariant;
  isResourceType(name: string): boolean;
}

/** A Bundle of 1,000 responses has few Questionnaires; one with many would take as many look-ups. */
const valueSetsMax = 200;

const containedIn = (container: JsonObject, id: string): JsonObject | undefined =>
  objectsOf(container.contained).find((resource) => resource.id === id);

async function questionnaireOf({ source }: ResponseParts, { frame }: Response): Promise<JsonObject | undefined> {
  const canonical = textOf(frame.resource.questionnaire) ?? '';
  if (canonical.startsWith('#')) return containedIn(frame.root, canonical.slice(1));
  return source.find('Questionnaire', canonical);
}

/** All value sets that its questions take their answers from. */
function answerSets(questionnaire: JsonObject): Set<string> {
  const found = new Set<string>();
  const waiting = objectsOf(questionnaire.item);
  for (let item = waiting.pop(); item !== undefined && found.size < valueSetsMax; item = waiting.pop()) {
    const valueSet = textOf(item.answerValueSet);
    if (valueSet !== undefined) found.add(valueSet);
    waiting.push(...objectsOf(item.item));
  }
  return found;
}

async function codesOf({ valueSets }: ResponseParts, container: JsonObject, canonical: string): Promise<Codes | null> {
  if (!canonical.startsWith('#')) {
    await valueSets.load(canonical);
    return valueSets.codes(canonical) ?? null;
  }
  const contained = containedIn(container, canonical.slice(1));
  return contained === undefined ? null : valueSets.list(contained as Resource);
}

function told(run: Run, messageId: string, message: string): void {
  report(run, 'warning', 'not-found', messageId, message, 'questionnaire');
}

/** Whether a listed value set has a coding; one that can't be listed is asked of the terminology service. */
function member(run: Run, listed: ReadonlyMap<string, Codes | null>, valueSet: string, coding: JsonObject, at: string) {
  const [system, code] = [textOf(coding.system), textOf(coding.code)];
  // Without a system a code means nothing that a value set could have; that is told of the Coding.
  if (code === undefined || system === undefined) return undefined;
  const codes = listed.get(valueSet);
  const codings = [{ system, code, display: textOf(coding.display) }];
  if (codes !== null && codes !== undefined) {
    if (isListed(codings, codes, false)) return true;
    if (!isAlmostListed(codings, codes, false)) return false;
  }
  if (valueSet.startsWith('#')) return undefined;
  run.questions.push({
    path: at,
    codings,
    valueSet,
    strength: 'required',
    source: 'Questionnaire.item.answerValueSet',
  });
  return undefined;
}

export async function checkResponse(run: Run, parts: ResponseParts, response: Response): Promise<void> {
  run.trail.length = 0;
  run.trail.push(...response.trail);
  const canonical = textOf(response.frame.resource.questionnaire);
  if (canonical === undefined)
    return told(run, 'questionnaire-none', 'names no Questionnaire that it could be checked against');
  const questionnaire = await questionnaireOf(parts, response);
  if (questionnaire === undefined) return told(run, 'questionnaire-unknown', 'the Questionnaire is not known here');
  // What is contained contains nothing itself: its `#` is that of what it is contained in.
  const container = canonical.startsWith('#') ? response.frame.root : questionnaire;
  const listed = new Map<string, Codes | null>();
  for (const valueSet of answerSets(questionnaire)) listed.set(valueSet, await codesOf(parts, container, valueSet));
  const faults = questionnaireResponseFaults(response.frame.resource, questionnaire, pathOf(response.trail), {
    isResourceType: parts.isResourceType,
    invariant: parts.invariant,
    inValueSet: (valueSet, coding, at) => member(run, listed, valueSet, coding, at),
  });
  addFaults(run, faults);
}
