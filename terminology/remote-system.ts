// Code systems and value sets that are not known here but at another terminology server.
// https://hl7.org/fhir/R4/codesystem-operations.html, https://hl7.org/fhir/R4/valueset-operation-validate-code.html
import { type CodeVerdict, chooseVersion, compareVersions, type JsonObject, type Resource } from '#fhir-model';
import { CerebraError } from '#platform';
import {
  type About,
  aboutOf,
  asArray,
  asObject,
  asText,
  type CodeSystem,
  type Coding,
  type Concept,
  type ConceptName,
  type Described,
  type Designation,
  defined,
  type Property,
  type Relation,
} from './code-system.ts';
import { readProperty } from './concept-properties.ts';
import { notListed, shown } from './refusals.ts';
import { isRemoteAway, type RemoteClient, type RemoteParameters } from './remote-client.ts';
import { elementValue } from './value-set-definition.ts';

/** No answer means: not known here, as without another server. */
async function orUnknown<T>(run: () => Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    if (isRemoteAway(error)) return undefined;
    throw error;
  }
}

const parametersOf = (answer: JsonObject): JsonObject[] => asArray(answer.parameter);

const named = (parameters: readonly JsonObject[], name: string): JsonObject | undefined =>
  parameters.find((parameter) => parameter.name === name);

const valueNamed = (parameters: readonly JsonObject[], name: string): unknown =>
  elementValue(named(parameters, name) ?? {});

const textOf = (parameters: readonly JsonObject[], name: string): string | undefined =>
  asText(valueNamed(parameters, name));

function designationOf(part: readonly JsonObject[]): Designation[] {
  const value = textOf(part, 'value');
  if (value === undefined) return [];
  const use = asObject(valueNamed(part, 'use'));
  const coding =
    use && defined<Coding>({ system: asText(use.system), code: asText(use.code), display: asText(use.display) });
  return [defined<Designation>({ language: textOf(part, 'language'), use: coding, value })];
}

interface Properties {
  properties: Property[];
  parents: ConceptName[];
  children: ConceptName[];
  inactive: boolean;
}

function readProperties(parameters: readonly JsonObject[]): Properties {
  const read: Properties = { properties: [], parents: [], children: [], inactive: false };
  for (const parameter of parameters) {
    if (parameter.name !== 'property') continue;
    const part = asArray(parameter.part);
    const { name: _name, ...value } = named(part, 'value') ?? {};
    const property = readProperty({ code: textOf(part, 'code') ?? '', ...value });
    if (property === undefined) continue;
    const concept = defined<ConceptName>({ code: property.value, display: textOf(part, 'description') });
    if (property.code === 'parent') read.parents.push(concept);
    else if (property.code === 'child') read.children.push(concept);
    else if (property.code === 'inactive') read.inactive = property.value === 'true';
    else read.properties.push(property);
  }
  return read;
}

function describedIn(answer: JsonObject, code: string): Described {
  const parameters = parametersOf(answer);
  const { inactive, ...details } = readProperties(parameters);
  const concept = defined<Concept>({
    ...{ n: -1, code: textOf(parameters, 'code') ?? code, inactive },
    ...{ display: textOf(parameters, 'display'), definition: textOf(parameters, 'definition') },
    abstract: valueNamed(parameters, 'abstract') === true,
  });
  const designations = parameters.flatMap((parameter) =>
    parameter.name === 'designation' ? designationOf(asArray(parameter.part)) : [],
  );
  return { concept, details: { designations, ...details } };
}

const RELATIONS: readonly string[] = ['equivalent', 'subsumes', 'subsumed-by', 'not-subsumed'];

function systemOf(client: RemoteClient, about: About): CodeSystem {
  const { url: system, version } = about;
  const described = async (code: string): Promise<Described | undefined> => {
    const answer = await client.get('CodeSystem/$lookup', { system, version, code });
    return answer && describedIn(answer, code);
  };
  const known = async ({ code }: Concept): Promise<Described> => {
    const found = await described(code);
    if (found) return found;
    throw new CerebraError('unavailable', `The terminology server knows '${shown(code)}' no more`);
  };
  return {
    ...{ about, remote: true },
    concept: async (code) => (await described(code))?.concept,
    described,
    details: async (concept) => (await known(concept)).details,
    designations: async (concept) => (await known(concept)).details.designations,
    async relation(a, b) {
      const answer = await client.get('CodeSystem/$subsumes', { system, version, codeA: a.code, codeB: b.code });
      const outcome = answer && textOf(parametersOf(answer), 'outcome');
      if (outcome !== undefined && RELATIONS.includes(outcome)) return outcome as Relation;
      throw new CerebraError(
        'unsupported',
        `What '${shown(a.code)}' is to '${shown(b.code)}' the terminology server can't tell`,
      );
    },
    relatives: () => Promise.reject(notListed(system)),
  };
}

export interface Remote {
  /** Undefined where the other server has no such system, or does not answer. */
  system(url: string, version: string | undefined): Promise<CodeSystem | undefined>;
  /** Undefined where it can't tell. */
  member(valueSet: string, coding: Coding): Promise<CodeVerdict | undefined>;
  /**
   * The answer of an operation on a value set, as it is; undefined where the other server has none. Throws `too-costly` for one
   * that is too large.
   */
  valueSet(operation: '$expand' | '$validate-code', parameters: RemoteParameters): Promise<Resource | undefined>;
}

/** Systems that this server makes up for itself: no other one knows them. */
const isOwn = (url: string | undefined): boolean => url?.startsWith('urn:cerebra:') ?? false;

const RESULTS = { $expand: 'ValueSet', '$validate-code': 'Parameters' };

const SEEN = 'url,version,name,title,caseSensitive,content,hierarchyMeaning,language,status,date';

async function findAbout(client: RemoteClient, url: string, version: string | undefined): Promise<About | undefined> {
  const answer = await client.get('CodeSystem', { url, _elements: SEEN, _count: '50' });
  const found = asArray(answer?.entry)
    .map(({ resource }) => asObject(resource) as Resource | undefined)
    .filter((resource) => resource?.resourceType === 'CodeSystem' && resource.url === url)
    .map((resource) => ({ resource: resource!, version: asText(resource!.version) ?? '' }))
    .toSorted((a, b) => compareVersions(b.version, a.version));
  const chosen = chooseVersion(found, version)?.resource;
  // What is listed there is no question here: the server answers for the system as a whole.
  return chosen && { ...aboutOf(chosen), content: 'complete' };
}

function verdictOf(answer: JsonObject): CodeVerdict | undefined {
  const parameters = parametersOf(answer);
  const result = valueNamed(parameters, 'result');
  if (typeof result !== 'boolean') return undefined;
  const message = result
    ? undefined
    : (textOf(parameters, 'message') ?? 'The terminology server says that it is not valid');
  return defined<CodeVerdict>({
    result: result ? 'valid' : 'invalid',
    message,
    display: textOf(parameters, 'display'),
  });
}

export function createRemote(client: RemoteClient): Remote {
  return {
    system: (url, version) =>
      orUnknown(async () => {
        if (isOwn(url)) return undefined;
        const about = await findAbout(client, url, version);
        return about && systemOf(client, about);
      }),
    member: (valueSet, { system, version, code }) =>
      orUnknown(async () => {
        if (isOwn(system) || isOwn(valueSet)) return undefined;
        const bar = valueSet.indexOf('|');
        const url = bar === -1 ? valueSet : valueSet.slice(0, bar);
        const valueSetVersion = bar === -1 ? undefined : valueSet.slice(bar + 1);
        const of = system === undefined ? { inferSystem: 'true' } : { system, systemVersion: version };
        const answer = await client.get('ValueSet/$validate-code', { url, valueSetVersion, code, ...of });
        return answer && verdictOf(answer);
      }),
    async valueSet(operation, parameters) {
      if (isOwn(String(parameters.url)) || isOwn(String(parameters.system))) return undefined;
      try {
        const answer = await client.get(`ValueSet/${operation}`, parameters);
        return answer?.resourceType === RESULTS[operation] ? (answer as Resource) : undefined;
      } catch (error) {
        if (isRemoteAway(error) && error.code !== 'too-costly') return undefined;
        throw error;
      }
    },
  };
}
