// $batch-validate-code: many validations in one request. https://build.fhir.org/ig/HL7/fhir-tx-ecosystem-ig/
import {
  all,
  issuesOf,
  type JsonObject,
  type OperationInput,
  type OperationParameter,
  type OperationRequest,
  type OperationSpec,
  type OperationValue,
  operationOutcome,
  parametersOf,
  type Resource,
} from '#fhir-model';
import { CerebraError, isCerebraError } from '#platform';
import { ecosystemInputs } from './asking.ts';
import { asArray, asObject } from './code-system.ts';
import { isRemoteAway } from './remote-client.ts';
import { elementValue } from './value-set-definition.ts';

const VALIDATIONS_MAX = 1_000;
/** Under way at a time: their look-ups share statements. */
const LANES = 20;

/** What may be said once for all. */
const SHARED = new Set(['url', 'displayLanguage', 'abstract', 'lenient-display-validation', 'useSupplement']);

const COMPLEX = new Set(['Coding', 'CodeableConcept', 'Resource', 'CodeSystem', 'ValueSet']);

function fits(type: string | undefined, value: unknown): value is OperationValue {
  if (type === 'boolean') return typeof value === 'boolean';
  if (type !== undefined && COMPLEX.has(type)) return asObject(value) !== undefined;
  return typeof value === 'string';
}

function bad(text: string, expression: string): CerebraError {
  return new CerebraError('invalid-parameter', text, { expression: [expression] });
}

/** The parameters of one validation, as the operation itself would have been given them. */
function inputOf(
  known: readonly OperationParameter[],
  validation: JsonObject,
  at: string,
): Map<string, OperationValue[]> {
  const input = new Map<string, OperationValue[]>();
  asArray(validation.parameter).forEach((given, i) => {
    const place = `${at}.parameter[${i}]`;
    const parameter = known.find(({ use, name }) => use === 'in' && name === given.name);
    if (parameter === undefined) throw bad(`There is no parameter '${String(given.name).slice(0, 80)}'`, place);
    const value = given.resource ?? elementValue(given);
    if (!fits(parameter.type, value)) throw bad(`'${parameter.name}' must be a ${parameter.type}`, place);
    const values = input.get(parameter.name);
    if (values === undefined) input.set(parameter.name, [value]);
    else if (parameter.max === '1') throw bad(`'${parameter.name}' is taken once at most`, place);
    else values.push(value);
  });
  return input;
}

/** Of the whole request: counts for each validation that does not say otherwise. */
function withShared(own: Map<string, OperationValue[]>, shared: OperationInput): OperationInput {
  for (const [name, values] of shared) {
    if (name === 'validation') continue;
    if (name === 'tx-resource') own.set(name, [...(own.get(name) ?? []), ...values]);
    else if (!own.has(name)) own.set(name, [...values]);
  }
  return own;
}

async function validateOne(spec: OperationSpec, request: OperationRequest, validation: JsonObject, at: string) {
  try {
    const input = withShared(inputOf(spec.parameters, validation, at), request.input);
    const answer = await spec.run({ ...request, input });
    if ('resource' in answer) return answer.resource;
    throw new CerebraError('internal', `$${spec.name} has answered with no resource`);
  } catch (error) {
    // What the other terminology server does not tell is of this one code; a database that is away is not.
    if (!isCerebraError(error) || (error.status >= 500 && !isRemoteAway(error))) throw error;
    return operationOutcome(issuesOf(error));
  }
}

async function validateAll(spec: OperationSpec, request: OperationRequest): Promise<Resource[]> {
  const validations = all<JsonObject>(request.input, 'validation');
  if (validations.length > VALIDATIONS_MAX) {
    throw new CerebraError('too-costly', `A request has at most ${VALIDATIONS_MAX} validations`, {
      expression: ['validation'],
    });
  }
  const results: Resource[] = new Array(validations.length);
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let i = next++; i < validations.length; i = next++) {
      results[i] = await validateOne(spec, request, validations[i]!, `validation[${i}].resource`);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return results;
}

/** Many calls of a $validate-code: of code systems or of value sets. */
export function batchOf(spec: OperationSpec, id: string): OperationSpec {
  const shared = spec.parameters.filter(({ use, name }) => use === 'in' && SHARED.has(name));
  return {
    name: 'batch-validate-code',
    title: `${spec.title}, many at a time`,
    description: 'What $validate-code answers to each of many requests, in their order',
    url: `http://hl7.org/fhir/OperationDefinition/${id}`,
    type: spec.type,
    ...{ system: false, typeLevel: true, instanceLevel: false, affectsState: false },
    parameters: [
      {
        ...{ name: 'validation', use: 'in', min: 1, max: '*', type: 'Resource' },
        documentation: 'The Parameters of one $validate-code',
      },
      ...shared,
      ...ecosystemInputs,
      {
        ...{ name: 'validation', use: 'out', min: 1, max: '*', type: 'Resource' },
        documentation: 'The Parameters that $validate-code returns, or an OperationOutcome where it refuses',
      },
    ],
    run: async (request) => ({
      resource: parametersOf(
        (await validateAll(spec, request)).map((resource) => ({
          name: 'validation',
          resource: resource as JsonObject,
        })),
      ),
    }),
  };
}
