// The way into fhir-model/: the R4 model and what every other room says in it.
export {
  type CompartmentDefinition,
  type Definitions,
  type ElementDefinition,
  loadDefinitions,
  type SearchParameterDefinition,
  type TypeDefinition,
  type ValueSetCodes,
} from './definitions.ts';
export {
  decimalText,
  depthMax,
  isNumber,
  isRawJson,
  type ParsedJson,
  parseJson,
  type RawJson,
  rawJson,
  stringify,
} from './json.ts';
export { issuesOf, operationOutcome } from './operation-outcome.ts';
export type {
  AccessScope,
  Change,
  ChangeCursor,
  ChangeFeed,
  EntryResult,
  OperationAnswer,
  OperationInput,
  OperationParameter,
  OperationRequest,
  OperationSpec,
  OperationValue,
  ResourceReader,
  ResourceWriter,
  SearchPage,
  StoredVersion,
  TransactionEntry,
  Validator,
  WriteContext,
} from './ports.ts';
export { createLinks, isId, type LinkSite, type Links, type ParsedReference, parseReference } from './references.ts';
export { type DateRange, parseDateRange } from './search/dates.ts';
export { compareDecimals, numberRange } from './search/decimals.ts';
export { compileExtractor, type Extractor, type ExtractorOptions } from './search/extract.ts';
export { foldString } from './search/fold.ts';
export { assertMatchable, matches } from './search/match.ts';
export { parseSearch, type SearchOptions, selfLinkQuery } from './search/parse.ts';
export { createSearchParameters, type RawSearchParameter, type SearchParameters } from './search/registry.ts';
export type {
  Criterion,
  Include,
  IndexValue,
  Prefix,
  SearchParam,
  SearchParamType,
  SearchQuery,
  SearchValue,
} from './search/types.ts';
export type { Issue, IssueSeverity, Json, JsonObject, Meta, Resource } from './types.ts';
