// $convert-data: a message as the transaction that it would become, and resources as a message; nothing is stored. The name and
// the inputs are those of Azure's FHIR service: https://learn.microsoft.com/azure/healthcare-apis/fhir/convert-data-overview
import {
  type OperationRequest,
  type OperationSpec,
  one,
  parametersOf,
  parseJson,
  type Resource,
  restfulUrl,
  urlInEntry,
} from '#fhir-model';
import { CerebraError, type Clock, ownValue, uuidv7 } from '#platform';
import { namedZone } from '../mapping/datetime.ts';
import { mapMessage } from '../mapping/map.ts';
import { transactionBundle } from '../mapping/transaction-bundle.ts';
import { checkHeader } from '../message/header.ts';
import { type Hl7Message, parseMessage } from '../message/message.ts';
import { Refusal } from '../message/refusal.ts';
import { fromXml } from '../message/v2xml/read.ts';
import { buildableTypes, buildFrom, messageFor, versions, type WantedMessage, wantedMessage } from './build.ts';
import { isObject, objects, text } from './building.ts';
import { parseDecoded } from './decoded-text.ts';
import { createGraph, type OpenGraph, withReferences } from './graph.ts';
import { buildTarget, type SenderConfig } from './target.ts';

export interface ConvertDataParts {
  clock: Clock;
  /** Our own FHIR base. */
  baseUrl: string;
  config: SenderConfig & { timeZone?: string };
}

/** Azure's names of what converts there: here the maps are the engine's own. */
const ignored = ['rootTemplate', 'templateCollectionReference'];

const dataTypes = ['Hl7v2', 'Hl7v2xml', 'Fhir'] as const;
type DataType = (typeof dataTypes)[number];

/** The type of a body, where it is the message itself. */
const bodyDataTypes: Readonly<Record<string, DataType>> = {
  'text/plain': 'Hl7v2',
  'application/hl7-v2': 'Hl7v2',
  'application/hl7-v2+er7': 'Hl7v2',
  'x-application/hl7-v2+er7': 'Hl7v2',
  'application/hl7-v2+xml': 'Hl7v2xml',
  'x-application/hl7-v2+xml': 'Hl7v2xml',
};

interface Asked {
  data: string;
  /** In place of it, as they came: in the set that MSH-18 names. */
  bytes?: Buffer | undefined;
  type: DataType;
}

function askedOf({ body, input }: OperationRequest): Asked {
  const ofBody = body && ownValue(bodyDataTypes, body.type.split(';')[0]!.trim().toLowerCase());
  if (body !== undefined && ofBody !== undefined) return { data: body.text, bytes: body.bytes, type: ofBody };
  const data = one<string>(input, 'inputData');
  if (data === undefined) {
    throw new CerebraError('required', "$convert-data needs the parameter 'inputData', or a message as its body", {
      expression: ['inputData'],
    });
  }
  const named = one<string>(input, 'inputDataType') ?? 'Hl7v2';
  const type = dataTypes.find((known) => known.toLowerCase() === named.toLowerCase());
  if (type !== undefined) return { data, type };
  throw new CerebraError('invalid-parameter', `inputDataType is one of ${dataTypes.join(', ')}`, {
    expression: ['inputDataType'],
  });
}

/** A Refusal as an OperationOutcome that names the place in the message: `PID-3`. */
function refused(refusal: Refusal): CerebraError {
  const { location, message } = refusal;
  const place = location === undefined ? undefined : hl7Path(location);
  return new CerebraError('business-rule', message, place === undefined ? {} : { expression: [place] });
}

function hl7Path({ segment, sequence, field, repetition, component }: NonNullable<Refusal['location']>): string {
  const which = sequence === undefined || sequence === 1 ? '' : `[${sequence}]`;
  const again = repetition === undefined || repetition === 1 ? '' : `[${repetition}]`;
  const within = component === undefined ? '' : `.${component}`;
  return `${segment}${which}${field === undefined ? '' : `-${field}${again}${within}`}`;
}

/** A message whose line ends were lost on the way through JSON editors. */
const withReturns = (text: string): string => text.replaceAll(/\r\n|\n/g, '\r');

interface Converted {
  bundle: Resource;
  warnings: readonly string[];
}

function messageOf({ data, bytes, type }: Asked): Hl7Message {
  if (type === 'Hl7v2xml') return fromXml(bytes ?? Buffer.from(data, 'utf8'));
  return bytes === undefined ? parseDecoded(withReturns(data)) : parseMessage(bytes);
}

function toBundle(asked: Asked, { config }: ConvertDataParts): Converted {
  const message = messageOf(asked);
  checkHeader(message);
  const zone = namedZone(config.timeZone ?? 'UTC');
  const mapped = mapMessage(message, '0', { zone, identifierSystems: config.identifierSystems ?? {} });
  return { bundle: transactionBundle(mapped.entries), warnings: mapped.warnings };
}

/** A Bundle has no place of its own for warnings: they stand in its meta. */
function withWarnings({ bundle, warnings }: Converted): Resource {
  if (warnings.length === 0) return bundle;
  const { resourceType, ...rest } = bundle;
  const extension = warnings.map((valueString) => ({ url: 'urn:cerebra:hl7v2-warning', valueString }));
  return { resourceType, meta: { extension }, ...rest };
}

/** A resource or a Bundle. Throws CerebraError for what is neither. */
function readRoot(data: string): Resource {
  const { exact } = parseJson(data);
  if (!isObject(exact) || typeof exact.resourceType !== 'string') {
    throw new CerebraError('structure', 'inputData of type Fhir is a resource or a Bundle as JSON', {
      expression: ['inputData'],
    });
  }
  return exact as Resource;
}

export function graphOf(root: Resource): { graph: OpenGraph; resources: Resource[] } {
  if (root.resourceType !== 'Bundle') {
    const graph = createGraph();
    return { graph, resources: [graph.add(root)] };
  }
  const entries = objects(root.entry);
  const servers = new Set(entries.flatMap(({ fullUrl }) => restfulUrl(text(fullUrl))?.server ?? []));
  // Of several servers each has a `Patient/1` of its own.
  const areSeveral = servers.size > 1;
  const graph = areSeveral ? createGraph(() => false) : createGraph();
  const resources = entries.flatMap((entry) => {
    const { resource, fullUrl, request } = entry;
    if (!isObject(resource) || typeof resource.resourceType !== 'string') return [];
    const url = isObject(request) ? text(request.url) : undefined;
    const whole = areSeveral ? atItsServer(resource as Resource, text(fullUrl)) : (resource as Resource);
    return [graph.add(whole, text(fullUrl), url)];
  });
  return { graph, resources };
}

/** With the whole address in place of `Patient/1`, where the entry's fullUrl says of which server that is. */
const atItsServer = (resource: Resource, fullUrl: string | undefined): Resource =>
  withReferences(resource, (reference) =>
    /^[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}/.test(reference) ? (urlInEntry(reference, fullUrl) ?? reference) : reference,
  ) as Resource;

function wantedIn(messageType: string | undefined, resources: readonly Resource[]): WantedMessage {
  if (messageType !== undefined) return wantedMessage(messageType);
  for (const { resourceType } of resources) {
    const wanted = messageFor(resourceType);
    if (wanted !== undefined && resourceType !== 'Patient' && resourceType !== 'Encounter') return wanted;
  }
  return wantedMessage('ADT');
}

/** A message is made of one resource and what that refers to. */
const leftOut = ({ resourceType, id }: Resource): string =>
  `${resourceType}${id === undefined ? '' : `/${id}`} is not in the message, nothing of which refers to it: convert it by itself`;

async function toMessage(
  data: string,
  { input }: OperationRequest,
  { clock, config }: ConvertDataParts,
): Promise<Resource> {
  const { graph, resources } = graphOf(readRoot(data));
  const wanted = wantedIn(one<string>(input, 'messageType'), resources);
  const { from } = wanted.builder;
  const focus = from.map((type) => resources.find(({ resourceType }) => resourceType === type)).find((one) => one);
  if (focus === undefined) {
    throw new CerebraError('business-rule', `${wanted.builder.code} is made of ${from.join(' or ')}: there is none`, {
      expression: ['inputData'],
    });
  }
  const nowMs = clock.now();
  const version = one<string>(input, 'messageVersion') ?? '2.5.1';
  const target = { ...buildTarget(config), version };
  const controlId = uuidv7(nowMs).replaceAll('-', '').slice(0, 20).toUpperCase();
  const { message, warnings, used } = await buildFrom({ wanted, focus, graph, target, controlId, nowMs });
  const others = resources.filter((one) => one !== focus && one.resourceType !== 'Provenance' && !used.has(one));
  return parametersOf([
    { name: 'outputData', valueString: message.raw.toString('utf8') },
    ...[...warnings, ...others.map(leftOut)].map((valueString) => ({ name: 'warning', valueString })),
  ]);
}

async function convert(request: OperationRequest, parts: ConvertDataParts): Promise<Resource> {
  const asked = askedOf(request);
  if (asked.type === 'Fhir') return toMessage(asked.data, request, parts);
  try {
    const converted = toBundle(asked, parts);
    const given = ignored.filter((name) => request.input.has(name));
    const told = given.map((name) => `${name} is not used: the maps are those of docs/hl7-mapping.md`);
    return withWarnings({ ...converted, warnings: [...converted.warnings, ...told] });
  } catch (error) {
    throw error instanceof Refusal ? refused(error) : error;
  }
}

const optional = (name: string, documentation: string) =>
  ({ name, use: 'in', min: 0, max: '1', type: 'string', documentation }) as const;

export const convertDataOperation = (parts: ConvertDataParts): OperationSpec => ({
  name: 'convert-data',
  title: 'Convert a message',
  description:
    'An HL7 v2 message as the transaction Bundle that it would become, or resources as a message; nothing is stored',
  url: `${parts.baseUrl}/OperationDefinition/convert-data`,
  type: [],
  ...{ system: true, typeLevel: false, instanceLevel: false, affectsState: false },
  bodyTypes: Object.keys(bodyDataTypes),
  takesBytes: true,
  parameters: [
    optional(
      'inputData',
      'The message, or the resource or Bundle as JSON text; left out where the body is the message',
    ),
    optional('inputDataType', `${dataTypes.join(', ')}; default Hl7v2`),
    optional(
      'messageType',
      `Of Fhir: which message, as ADT^A08; default by the resources (${buildableTypes.join(', ')})`,
    ),
    optional('messageVersion', `Of Fhir: ${versions.join(', ')}; default 2.5.1`),
    optional('rootTemplate', 'Accepted, not used'),
    optional('templateCollectionReference', 'Accepted, not used'),
    {
      name: 'return',
      use: 'out',
      min: 1,
      max: '1',
      type: 'Resource',
      documentation: 'The Bundle; of Fhir Parameters with outputData',
    },
  ],
  run: async (request) => ({ resource: await convert(request, parts) }),
});
