// What a Bundle has to keep to beyond its invariants (bdl-1 to bdl-12): https://hl7.org/fhir/R4/bundle.html
import { isAbsolute, type JsonObject, restfulUrl } from '#fhir-model';
import { isObject, objectsOf, textOf } from '../json.ts';
import { shown } from '../report.ts';
import { linkFaults } from './bundle-links.ts';
import { type Entry, entriesOf } from './bundle-references.ts';
import { requestFaults } from './bundle-requests.ts';
import { type Fault, fault } from './fault.ts';
import { narrativeLinkFaults } from './narrative-links.ts';
import { shownValue } from './place.ts';

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const oid = /^[0-2](?:\.(?:0|[1-9]\d*))+$/;

/** Of one link each: https://www.iana.org/assignments/link-relations */
const onceOnly = new Set(['self', 'first', 'previous', 'prev', 'next', 'last']);
const ofPages = new Set(['first', 'previous', 'prev', 'next', 'last']);

function relationFaults(bundle: JsonObject, type: string, at: string): Fault[] {
  const faults: Fault[] = [];
  const seen = new Set<string>();
  objectsOf(bundle.link).forEach(({ relation }, index) => {
    const place = `${at}.link[${index}].relation`;
    if (typeof relation !== 'string') return;
    if (onceOnly.has(relation) && seen.has(relation)) {
      faults.push(
        fault('error', 'invalid', 'bundle-link-repeated', place, `a Bundle has one link '${relation}' at most`),
      );
    }
    if (ofPages.has(relation) && type !== 'searchset' && type !== 'history') {
      faults.push(
        fault(
          'error',
          'invalid',
          'bundle-link-paging',
          place,
          `a ${shown(type)} has no pages, so no link '${relation}'`,
        ),
      );
    }
    seen.add(relation);
  });
  if (type === 'searchset' && !seen.has('self')) {
    faults.push(
      fault('warning', 'required', 'bundle-link-self', `${at}.link`, "a searchset tells its search by a link 'self'"),
    );
  }
  return faults;
}

function urnFault(fullUrl: string, at: string): Fault | undefined {
  if (fullUrl.startsWith('urn:uuid:') && !uuid.test(fullUrl.slice(9))) {
    const severity = uuid.test(fullUrl.slice(9).toLowerCase()) ? 'warning' : 'error';
    return fault(severity, 'value', 'bundle-fullurl-uuid', at, `'${shown(fullUrl)}' is no UUID in lower case`);
  }
  if (fullUrl.startsWith('urn:oid:') && !oid.test(fullUrl.slice(8))) {
    return fault('error', 'value', 'bundle-fullurl-oid', at, `'${shown(fullUrl)}' is no OID`);
  }
  return undefined;
}

/** What a search yields comes from elsewhere, and published examples have it wrong: it can be read all the same. */
const severityOf = (type: string): 'error' | 'warning' => (type === 'searchset' ? 'warning' : 'error');

/** "The fullUrl SHALL NOT disagree with the id in the resource." */
function idFault(
  { resource, fullUrl = '' }: Entry,
  bundleType: string,
  at: string,
  rules: BundleRules,
): Fault | undefined {
  const { type, id } = restfulUrl(fullUrl) ?? {};
  if (type === undefined || resource === undefined || !rules.isResourceType(type)) return undefined;
  const fits = type === resource.resourceType && (resource.id === undefined || resource.id === id);
  if (fits) return undefined;
  const name = `${shownValue(resource.resourceType)}/${shownValue(resource.id ?? id)}`;
  const message = `'${shown(fullUrl)}' does not fit the resource, ${name}`;
  return fault(severityOf(bundleType), 'invalid', 'bundle-fullurl-id', at, message);
}

/** Types whose entries SHALL have a fullUrl; results of others "might involve resources that are not identified". */
const needsFullUrl: ReadonlyMap<string, 'error' | 'warning'> = new Map([
  ['document', 'error'],
  ['message', 'error'],
  ['collection', 'warning'],
  ['history', 'warning'],
]);

function fullUrlFaults(entry: Entry, type: string, rules: BundleRules): Fault[] {
  const at = `${entry.at}.fullUrl`;
  const { fullUrl, resource } = entry;
  if (fullUrl === undefined) {
    const severity = resource === undefined ? undefined : needsFullUrl.get(type);
    if (severity === undefined) return [];
    return [fault(severity, 'required', 'bundle-fullurl-absent', at, `an entry of a ${type} has a fullUrl`)];
  }
  if (!isAbsolute(fullUrl)) {
    const message = `a fullUrl is absolute, found '${shown(fullUrl)}'`;
    return [fault(severityOf(type), 'invalid', 'bundle-fullurl-absolute', at, message)];
  }
  return [urnFault(fullUrl, at), idFault(entry, type, at, rules)].filter((one) => one !== undefined);
}

/** https://hl7.org/fhir/R4/bundle.html#searchset */
function searchFaults(entry: JsonObject, at: string): Fault[] {
  const mode = isObject(entry.search) ? entry.search.mode : undefined;
  const type = isObject(entry.resource) ? textOf(entry.resource.resourceType) : undefined;
  const faults: Fault[] = [];
  if (type === undefined) {
    faults.push(
      fault('error', 'required', 'bundle-search-resource', `${at}.resource`, 'an entry of a searchset has a resource'),
    );
  } else if (mode === 'outcome' && type !== 'OperationOutcome') {
    const message = `the mode outcome is for an OperationOutcome, found ${shown(type)}`;
    faults.push(fault('error', 'invalid', 'bundle-search-mode', `${at}.search.mode`, message));
  } else if (mode !== undefined && mode !== 'outcome' && type === 'OperationOutcome') {
    const message = `an OperationOutcome that tells of the search has the mode outcome, found ${shownValue(mode)}`;
    faults.push(fault('warning', 'invalid', 'bundle-search-mode', `${at}.search.mode`, message));
  }
  return faults;
}

export interface BundleRules {
  isResourceType(name: string): boolean;
}

/** At most; a hostile Bundle could have a fault for each of 100,000 references. */
const faultsMax = 200;

/** `at` is the path of the Bundle, `Bundle` or `Parameters.parameter[0].resource`. */
export function bundleFaults(bundle: JsonObject, at: string, rules: BundleRules): Fault[] {
  const type = textOf(bundle.type) ?? '';
  const entries = entriesOf(bundle, at);
  const faults = relationFaults(bundle, type, at);
  if ((type === 'document' || type === 'message') && entries.all.length === 0) {
    faults.push(fault('error', 'required', 'bundle-empty', `${at}.entry`, `a ${type} has entries`));
  }
  for (const entry of entries.all) faults.push(...fullUrlFaults(entry, type, rules));
  objectsOf(bundle.entry).forEach((entry, index) => {
    const place = `${at}.entry[${index}]`;
    if (type === 'searchset') faults.push(...searchFaults(entry, place));
    else faults.push(...requestFaults(entry, type, place));
  });
  faults.push(...linkFaults(entries, type), ...narrativeLinkFaults(entries));
  return faults.slice(0, faultsMax);
}
