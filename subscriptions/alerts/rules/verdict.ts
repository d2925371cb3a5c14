// What one action of a rule says of a resource by itself: thresholds, scores, claims.
import { type FhirPath, type Json, type JsonObject, objectsOf, type Resource } from '#fhir-model';
import { analyteIn } from '../critical/level.ts';
import { beyond, type Comparator, inUnit, type Measured, measuredOf } from '../quantity.ts';
import type { ActionLimits, RuleAction } from './rule.ts';

/** `hold`: neither raised nor over; what is raised stays so. */
export type Verdict =
  | { state: 'raised'; detail: string; evidence?: string[] }
  | { state: 'cleared' }
  | { state: 'hold' };

export type Variables = Readonly<Record<string, Json | undefined>>;

/**
 * The value of a resource: what the action's expression yields, else valueQuantity, valueInteger or valueDecimal, with the
 * substance that its LOINC code tells. What an expression yields may be of something else, as a component is. Of a resource without
 * a value that of the component which the triggers name, if it is one.
 */
export function measuredValue(
  { value, triggers }: RuleAction,
  resource: Resource,
  previous: Resource | undefined,
): Measured | undefined {
  if (value) return measuredOf(value.values(resource as JsonObject, { resource, previous })[0]);
  return valueIn(resource) ?? valueIn(componentOf(resource, triggers));
}

function valueIn(element: JsonObject | undefined): Measured | undefined {
  const own = measuredOf(
    (element?.valueQuantity ?? element?.valueInteger ?? element?.valueDecimal) as Json | undefined,
  );
  const substance = own && analyteIn(element as Resource);
  return substance ? { ...own, substance } : own;
}

/** Of two that are named it is not known which is meant. */
function componentOf({ component }: Resource, triggers: RuleAction['triggers']): JsonObject | undefined {
  const named = triggers.flatMap(({ components = [] }) => components);
  if (named.length === 0) return undefined;
  const isNamed = (one: JsonObject) =>
    objectsOf((one.code as JsonObject | undefined)?.coding).some(({ system, code }) =>
      named.some((wanted) => wanted.code === code && (wanted.system === undefined || wanted.system === system)),
    );
  const found = objectsOf(component as Json | undefined).filter(isNamed);
  return found.length === 1 ? found[0] : undefined;
}

export const allHold = (conditions: readonly FhirPath[], resource: Resource, variables: Variables): boolean =>
  conditions.every((condition) => condition.holds(resource as JsonObject, variables) === true);

/** By limits, by conditions, or by both. */
export function threshold(action: RuleAction, resource: Resource, variables: Variables): Verdict {
  const { limits, conditions, rearm } = action;
  const measured = measuredValue(action, resource, variables.previous as Resource | undefined);
  const level = limits && measured && inUnit(measured, limits.unit);
  // A value that is missing, or can't be told in the unit, says nothing: an incomplete score is not a low one.
  if (limits && level === undefined) return { state: 'hold' };
  const side = limits && beyond(level!, measured!.comparator, limits);
  if ((!limits || side) && allHold(conditions, resource, variables)) {
    return { state: 'raised', detail: detailOf(measured, limits, side) };
  }
  if (limits && !isRearmed(level!, measured!.comparator, limits)) return { state: 'hold' };
  if (rearm && rearm.holds(resource as JsonObject, variables) !== true) return { state: 'hold' };
  return { state: 'cleared' };
}

/** `>5` may be far above a limit of 6, and `<5` far below one of 3: neither says that what was raised is over. */
function isRearmed(level: number, comparator: Comparator, { low, high, rearmLow, rearmHigh }: ActionLimits): boolean {
  if (low !== undefined && (comparator.startsWith('<') || level < (rearmLow ?? low))) return false;
  return high === undefined || (!comparator.startsWith('>') && level <= (rearmHigh ?? high));
}

function detailOf(
  measured: Measured | undefined,
  limits: ActionLimits | undefined,
  side: 'low' | 'high' | undefined,
): string {
  if (!measured) return '';
  if (!limits || !side) return measured.text;
  return `${measured.text} (limit ${limits[side]}${limits.unit === '1' ? '' : ` ${limits.unit}`})`;
}
