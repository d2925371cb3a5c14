// What the resources of a FHIR message mean in this store: https://hl7.org/fhir/R4/messaging.html#4.2.2.2. Ids of another server are
// not ours: `Patient/1` there and here are two people.
import { type Json, type JsonObject, type Resource, restfulUrl, type TransactionEntry, urlInEntry } from '#fhir-model';
import { CerebraError } from '#platform';
import { derivedId } from '../mapping/derived-id.ts';
import { tokenCriterion } from '../mapping/identifiers.ts';
import { isObject, objects, text } from './building.ts';

/** About a message, not its content. */
const envelope = new Set(['MessageHeader', 'OperationOutcome', 'Parameters', 'MessageDefinition']);

/** What messages name and do not tell: of one that is here already nothing is changed, unless it is the focus. */
const supporting = new Set([
  ...['Patient', 'RelatedPerson', 'Practitioner', 'PractitionerRole', 'Organization', 'Location'],
  ...['HealthcareService', 'Device', 'Medication', 'Endpoint'],
]);

export interface MessageContent {
  header: Resource;
  /** Of the header: where references within it begin. */
  fullUrl: string | undefined;
  entries: TransactionEntry[];
  /** Where each of them stands in the message: before them is the header, and maybe more. */
  places: number[];
}

const fault = (words: string, where: string, code: 'invalid' | 'required' = 'invalid'): CerebraError =>
  new CerebraError(code, words, { expression: [where] });

/** Throws CerebraError for a Bundle that is no message. */
export function messageContent(bundle: Resource, baseUrl: string): MessageContent {
  if (bundle.type !== 'message') throw fault("Bundle.type must be 'message'", 'Bundle.type');
  const entries = objects(bundle.entry);
  const [first] = entries;
  const header = isObject(first?.resource) ? (first.resource as Resource) : undefined;
  if (header?.resourceType !== 'MessageHeader') {
    throw fault('The first entry of a message is its MessageHeader', 'Bundle.entry[0].resource');
  }
  const fullUrl = text(first!.fullUrl);
  const known = new Set(entries.flatMap(({ fullUrl: url }) => text(url) ?? []));
  const focus = new Set(
    objects(header.focus).flatMap(({ reference }) => {
      const name = text(reference);
      return name === undefined ? [] : (absolute(name, { fullUrl, known, baseUrl }) ?? name);
    }),
  );
  const places: number[] = [];
  const content = entries.flatMap((entry, index): TransactionEntry[] => {
    const resource = entry.resource as Resource | undefined;
    if (resource === undefined || envelope.has(resource.resourceType)) return [];
    const url = text(entry.fullUrl);
    if (url === undefined) {
      const words = 'An entry of a message needs its fullUrl: without it nobody knows what refers to it';
      throw fault(words, `Bundle.entry[${index}].fullUrl`, 'required');
    }
    const around: Around = { fullUrl: url, known, baseUrl };
    places.push(index);
    return [entryOf(meant(resource, around, ['Bundle', 'entry', index, 'resource']), url, focus.has(url), baseUrl)];
  });
  assertFocus(header, known, content.length);
  return { header, fullUrl, entries: content, places };
}

/** What a message is about stands in it, or at an address that others can read: an `ok` for what never came would lose it. */
function assertFocus(header: Resource, known: ReadonlySet<string>, contentCount: number): void {
  for (const [index, { reference }] of objects(header.focus).entries()) {
    const name = text(reference);
    if (name === undefined || known.has(name)) continue;
    if (contentCount > 0 && !name.startsWith('urn:')) continue;
    const words = `The focus ${name.slice(0, 200)} is not in the message: what it is about comes as an entry of its own, with that fullUrl`;
    throw fault(words, `MessageHeader.focus[${index}].reference`, 'required');
  }
}

/** Ours by its address, else by its business identifier, else under an id that its fullUrl always gives. */
function entryOf(resource: Resource, fullUrl: string, isFocus: boolean, baseUrl: string): TransactionEntry {
  const { resourceType: type, id } = resource;
  if (id !== undefined && fullUrl === `${baseUrl}/${type}/${id}`)
    return { fullUrl, resource, method: 'PUT', url: `${type}/${id}` };
  const { id: _foreign, ...rest } = resource;
  const numbered = objects(resource.identifier).find(
    ({ system, value }) => text(system) !== undefined && text(value) !== undefined,
  );
  const criterion = numbered && tokenCriterion('identifier', text(numbered.system), text(numbered.value)!);
  if (criterion !== undefined && supporting.has(type) && !isFocus) {
    return { fullUrl, resource: rest as Resource, method: 'POST', url: type, ifNoneExist: criterion };
  }
  if (criterion !== undefined)
    return { fullUrl, resource: rest as Resource, method: 'PUT', url: `${type}?${criterion}` };
  const own = derivedId(type, [fullUrl]);
  return { fullUrl, resource: { ...rest, id: own } as Resource, method: 'PUT', url: `${type}/${own}` };
}

/** Where a reference stands. */
interface Around {
  fullUrl: string | undefined;
  /** All fullUrls of the message. */
  known: ReadonlySet<string>;
  baseUrl: string;
}

/** `Patient/1` as the sender means it: of the message, else of the sender's server; undefined where nothing says which that is. */
function absolute(reference: string, { fullUrl, known, baseUrl }: Around): string | undefined {
  if (known.has(reference) || !/^[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}/.test(reference)) return reference;
  return restfulUrl(fullUrl)?.server === baseUrl ? reference : urlInEntry(reference, fullUrl);
}

/** Names of members and places in lists, down to where one is: put together only for a refusal. */
type Way = (string | number)[];

const pathOf = (way: Way): string =>
  way.map((step, i) => (typeof step === 'number' ? `[${step}]` : i === 0 ? step : `.${step}`)).join('');

/** What stands in a Bundle refers to what that Bundle's own fullUrls say: it stays as it is. */
const meant = (resource: Resource, around: Around, way: Way): Resource =>
  resource.resourceType === 'Bundle' ? resource : (withReferences(resource, around, way) as Resource);

/** Throws CerebraError for a reference that could mean anybody. Numbers kept as their text stay so. */
function withReferences(value: Json, around: Around, way: Way): Json {
  if (typeof value !== 'object' || value === null) return value;
  const below = (step: string | number, inner: Json): Json => {
    way.push(step);
    const result = withReferences(inner, around, way);
    way.pop();
    return result;
  };
  if (Array.isArray(value)) return value.map((item, index) => below(index, item));
  if (!isObject(value)) return value;
  const result: JsonObject = {};
  for (const [name, inner] of Object.entries(value)) {
    if (name === 'reference' && typeof inner === 'string')
      result[name] = absolute(inner, around) ?? unknownServer(inner, pathOf([...way, name]));
    else if (inner !== undefined) result[name] = below(name, inner);
  }
  return result;
}

function unknownServer(reference: string, path: string): never {
  const words = `Nothing says of which server '${reference.slice(0, 80)}' is: refer to an entry by its fullUrl, and to what is stored by its whole address`;
  throw fault(words, path);
}
