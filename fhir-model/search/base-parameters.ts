// The search parameters of every server: R4's, and of Subscriptions those of the Subscriptions Backport guide,
// http://hl7.org/fhir/uv/subscriptions-backport/STU1.1/artifacts.html (Search Parameters).
import type { Definitions } from '../definitions.ts';
import { backportGuide } from '../topic-basic.ts';
import { createSearchParameters, type RawSearchParameter, type SearchParameters } from './registry.ts';

const parameter = (code: string, type: string, expression: string, description: string): RawSearchParameter => ({
  ...{ url: `${backportGuide}/SearchParameter/Subscription-${code}`, base: ['Subscription'] },
  ...{ code, type, expression, description },
});

/** The extension of a primitive; `element` is its JSON name, as the compiled subset has no other way to it. */
const extension = (element: string, name: string, type: string): string =>
  `Subscription.${element}.extension('${backportGuide}/StructureDefinition/${name}').value.ofType(${type})`;

// The guide's own expressions look for the extensions at the Subscription itself, where they never are. Codings and codes are
// tokens, as its next version has them. `topic` is R4's `criteria` by another name and needs no index of its own.
const backportParameters: readonly RawSearchParameter[] = [
  parameter('topic', 'string', 'Subscription.criteria', 'The canonical URL of the topic'),
  parameter(
    'filter-criteria',
    'string',
    extension('_criteria', 'backport-filter-criteria', 'string'),
    'A filter of the events of the topic',
  ),
  parameter(
    'custom-channel',
    'token',
    extension('channel._type', 'backport-channel-type', 'Coding'),
    'A channel that R4 does not have',
  ),
  parameter(
    'payload-type',
    'token',
    extension('channel._payload', 'backport-payload-content', 'code'),
    'How much notifications tell: empty, id-only or full-resource',
  ),
];

export const baseSearchParameters = (definitions: Definitions): SearchParameters =>
  createSearchParameters(
    [...definitions.searchParameters, ...backportParameters],
    definitions.resourceTypes,
    definitions,
  );
