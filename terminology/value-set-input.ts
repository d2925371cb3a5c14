// What operations on value sets are asked: which value set, in which versions and languages.
// https://hl7.org/fhir/R4/valueset-operations.html
import {
  all,
  type JsonObject,
  type OperationParameter,
  type OperationRequest,
  one,
  parseCanonical,
  parseJson,
  type Resource,
  type ResourceReader,
} from '#fhir-model';
import { CerebraError, type Queryable } from '#platform';
import { askerOf, dateInput, ecosystemInputs, input } from './asking.ts';
import { type Languages, parseLanguages } from './languages.ts';
import { shown } from './refusals.ts';
import type { Remote } from './remote-system.ts';
import { joinCanonical } from './value-set-definition.ts';
import type { Composition } from './value-set-formula.ts';
import type { Asking, ValueSets } from './value-sets.ts';

/** What the operations work with. */
export interface ValueSetParts {
  db: Queryable;
  valueSets: ValueSets;
  reader: Pick<ResourceReader, 'read'>;
  /** Instants of answers, milliseconds since 1970. */
  now(): number;
  newId(): string;
  /** The value set that an element is bound to, for `context`. */
  bindingOf(context: string): Promise<string | undefined>;
  /** Who is asked for value sets that are not known, or can't be evaluated, here. */
  remote?: Pick<Remote, 'valueSet'> | undefined;
}

const versionInputs: readonly OperationParameter[] = [
  input('system-version', 'canonical', '*', 'Version of a system where the value set names none: `system|version`'),
  input('check-system-version', 'canonical', '*', 'Version that a system must have, else the request is refused'),
  input('force-system-version', 'canonical', '*', 'Version of a system whatever the value set says'),
];

/** Inputs of $expand and $validate-code. */
export const sharedInputs: readonly OperationParameter[] = [
  input('url', 'uri', '1', 'Canonical of the value set, perhaps with |version'),
  input('context', 'uri', '1', 'The element whose binding is meant: `[StructureDefinition]#Patient.gender`'),
  input('valueSet', 'ValueSet', '1', 'The value set itself'),
  input('valueSetVersion', 'string', '1', 'Its version'),
  dateInput,
  input('displayLanguage', 'code', '1', 'Languages of displays, as in Accept-Language'),
  input('activeOnly', 'boolean', '1', 'Without inactive codes'),
  input('useSupplement', 'canonical', '*', 'Supplements of code systems that are to be made use of'),
  ...versionInputs,
  ...ecosystemInputs,
];

/** Canonicals with their version. */
function versionsIn({ input: given }: OperationRequest, name: string): string[] {
  const values = all<string>(given, name);
  for (const value of values) {
    const { url, version } = parseCanonical(value);
    if (url !== '' && version !== undefined) continue;
    const text = `'${name}' is a system and its version, as http://loinc.org|2.77, not '${shown(value)}'`;
    throw new CerebraError('invalid-parameter', text, { expression: [name] });
  }
  return values;
}

/** Throws `invalid-parameter` for a version parameter that names no version. */
export function askingOf(request: OperationRequest): Asking {
  const { input: given } = request;
  return {
    asker: askerOf(request),
    versions: {
      system: versionsIn(request, 'system-version'),
      check: versionsIn(request, 'check-system-version'),
      force: versionsIn(request, 'force-system-version'),
    },
    supplements: all<string>(given, 'useSupplement'),
  };
}

async function readInstance({ reader }: ValueSetParts, id: string, request: OperationRequest): Promise<Resource> {
  const stored = await reader.read('ValueSet', id, request.scope);
  if (stored === undefined) throw new CerebraError('not-found', `ValueSet/${id} is not known here`);
  if (stored.deleted) throw new CerebraError('deleted', `ValueSet/${id} was deleted`);
  return parseJson(stored.body).value as Resource;
}

async function contextUrl({ bindingOf }: ValueSetParts, context: string): Promise<string> {
  const url = await bindingOf(context);
  if (url !== undefined) return url;
  const text = `No value set is known that the element '${context.slice(0, 200)}' is bound to: give its URL`;
  throw new CerebraError('invalid-parameter', text, { expression: ['context'] });
}

/** The value set that is meant: of the URL of the request, posted, by canonical, or by what it is bound to. */
export async function valueSetOf(
  parts: ValueSetParts,
  request: OperationRequest,
  asking: Asking,
): Promise<Composition> {
  const { id, input: given } = request;
  const { valueSets } = parts;
  const posted = one<JsonObject>(given, 'valueSet') as Resource | undefined;
  if (posted) return valueSets.composeResource(posted, asking);
  if (id !== undefined) return valueSets.composeResource(await readInstance(parts, id, request), asking);
  const context = one<string>(given, 'context');
  const url = one<string>(given, 'url') ?? (context === undefined ? undefined : await contextUrl(parts, context));
  if (url === undefined) {
    throw new CerebraError('required', 'Which value set? Give url, valueSet or context, or call it at ValueSet/[id]', {
      expression: ['url'],
    });
  }
  const version = one<string>(given, 'valueSetVersion');
  return valueSets.compose(url.includes('|') ? url : joinCanonical(url, version), asking);
}

const badLanguage = (text: string): CerebraError =>
  new CerebraError('invalid-parameter', `'${text.slice(0, 80)}' is no list of languages such as 'de-CH, de; q=0.8'`, {
    expression: ['displayLanguage'],
  });

/** As the request says, else the value set's own wish, else the client's Accept-Language, else the value set's language. */
export function languagesFor(
  { input: given, acceptLanguage }: OperationRequest,
  { definition }: Composition,
): Languages {
  const asked = one<string>(given, 'displayLanguage');
  if (asked !== undefined) {
    const languages = parseLanguages(asked);
    if (languages === undefined) throw badLanguage(asked);
    return languages;
  }
  const own = parseLanguages(definition.parameters.get('displayLanguage') ?? '') ?? [];
  if (own.length > 0) return own;
  const accepted = parseLanguages(acceptLanguage ?? '') ?? [];
  if (accepted.length > 0) return accepted;
  const { language } = definition.resource;
  return typeof language === 'string' ? (parseLanguages(language) ?? []) : [];
}
