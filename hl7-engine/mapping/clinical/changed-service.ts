// An order that asks for another service under the number that it has: ORC-1 XO, XX and XR, and RP without the RO that stands in its
// place. The request stays the one that it was, so that the former service is not ordered any more. HL7 table 0119
import type { JsonObject, Resource, TransactionEntry } from '#fhir-model';
import { conceptKey } from '../administration/upsert.ts';
import type { Mapping } from '../context.ts';
import { type Identifier, identifierCriterion } from '../identifiers.ts';
import { lookUp } from '../look-up.ts';

type Choose = NonNullable<TransactionEntry['choose']>;

const changes = new Set(['XO', 'XX', 'XR', 'RP']);

const open = new Set(['draft', 'active', 'on-hold', 'unknown']);

/** A look-up yields so many at most: whether there are more cannot be told. */
const FORMER_MAX = 9;

/** Of each message: the services that it names under a number. */
const named = new WeakMap<Mapping, Map<string, Set<string>>>();

export interface OrderedService {
  number: Identifier;
  code: JsonObject | undefined;
  /** ORC-1. */
  control: string;
}

/** As `choose`, of the ServiceRequest of that number and service. */
export function chooseChanged(mapping: Mapping, { number, code, control }: OrderedService, choose: Choose): Choose {
  const url = `ServiceRequest?${identifierCriterion(number)}`;
  const service = conceptKey(code);
  if (service === undefined) return choose;
  const ofMessage = named.get(mapping) ?? new Map<string, Set<string>>();
  named.set(mapping, ofMessage);
  const services = ofMessage.get(url) ?? new Set<string>();
  ofMessage.set(url, services.add(service));
  if (!changes.has(control) || (control === 'RP' && hasReplacement(mapping))) return choose;
  const ofNumber = lookUp(mapping.lookUps, url, number);
  return (matches) => {
    const choice = choose(matches);
    if (choice.match !== undefined || choice.follow !== undefined || matches.length > 0) return choice;
    const all = ofNumber();
    const former = all.filter((one) => open.has(String(one.status)) && !services.has(serviceOf(one)));
    const known = new Set(all.map(serviceOf));
    const added = [...services].filter((one) => !known.has(one));
    if (former.length === 1 && added.length === 1 && all.length <= FORMER_MAX) {
      return { follow: `ServiceRequest/${former[0]!.id}` };
    }
    if (former.length > 0) mapping.warnings.add(untold);
    return choice;
  };
}

const untold =
  'ORC-1: which of the services of this number it is in place of cannot be told; those that there are stay';

const serviceOf = ({ code }: Resource): string => conceptKey(code) ?? '';

/** RP names the order that goes, RO the one that comes. */
function hasReplacement({ message }: Mapping): boolean {
  return message.segments.some((segment) => segment.name === 'ORC' && segment.field(1).text?.toUpperCase() === 'RO');
}
