// The way into fhir-model/: the R4 model and what every other room says in it.

export { chooseVersion, compareVersions, isWithin, parseCanonical } from './canonical.ts';
export { choiceName, jsonNames } from './choice-names.ts';
export { type CoreResources, loadCoreResources } from './core-resources.ts';
export {
  type CompartmentDefinition,
  type ConstraintDefinition,
  type Definitions,
  type ElementDefinition,
  loadDefinitions,
  type SearchParameterDefinition,
  type TypeDefinition,
  type ValueSetCodes,
} from './definitions.ts';
export { entriesByReference, isAbsolute, restfulUrl, urlInEntry, withoutVersion } from './entry-references.ts';
export { compileFhirPath, type FhirPath } from './expression.ts';
export { forLibrary, withoutObjectWords } from './fhirpath-library.ts';
export {
  decimalText,
  depthMax,
  isNumber,
  isObject,
  isRawJson,
  objectsOf,
  type ParsedJson,
  parseJson,
  parseSentJson,
  type RawJson,
  rawJson,
  stringify,
} from './json.ts';
export { endOfString } from './json-sent.ts';
export { issuesOf, operationOutcome } from './operation-outcome.ts';
export { all, one, parametersOf } from './operation-values.ts';
export type {
  AccessScope,
  Alias,
  Canonicals,
  Change,
  ChangeCursor,
  ChangeFeed,
  Choice,
  CodeSet,
  CodeToValidate,
  CodeVerdict,
  EntryResult,
  MessageChannel,
  MessageNotification,
  MessageTarget,
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
  Terminology,
  TerminologyContext,
  TransactionEntry,
  Validator,
  VersionKey,
  WriteContext,
} from './ports.ts';
export type {
  MovedReference,
  MovedReferences,
  ReferenceMove,
  ReferenceMover,
  ReferenceRestore,
} from './reference-moves.ts';
export {
  createLinks,
  isId,
  type LinkSite,
  type Links,
  type ParsedReference,
  parseReference,
  versionUrl,
} from './references.ts';
export { baseSearchParameters } from './search/base-parameters.ts';
export { compartmentCriterion, compartmentParams, compartmentTypes } from './search/compartments.ts';
export type { RawComponent } from './search/composite.ts';
export { containedIn, containedParam, containedTypes, createExtractor } from './search/contained.ts';
export { checkExpression } from './search/custom-expression.ts';
export {
  type CustomParameter,
  compositeFits,
  customKeys,
  type KnownCustom,
  keyHolders,
  withCustomParameters,
} from './search/custom-parameters.ts';
export { type DateRange, parseDateRange } from './search/dates.ts';
export { compareDecimals } from './search/decimals.ts';
export { escapeValue, splitUnescaped, unescapeValue } from './search/escapes.ts';
export { compileExtractor, type Extractor, type ExtractorOptions, extractUpTo } from './search/extract.ts';
export { familyParts, familyPartsKey } from './search/family-parts.ts';
export { foldString } from './search/fold.ts';
export { assertMatchable, matches } from './search/match.ts';
export { type NamedQuery, namedQueries } from './search/named-queries.ts';
export { EARTH_RADIUS_M, POSITION_SLACK_M } from './search/near.ts';
export { parseSearch, type SearchOptions, selfLinkQuery } from './search/parse.ts';
export { filterOperators } from './search/parse-filter.ts';
export { linkParam, placedCriterion, placesMax } from './search/places.ts';
export { inUnit, meansUnit } from './search/quantity-units.ts';
export {
  appliesTo,
  createSearchParameters,
  narrowExpression,
  type RawSearchParameter,
  type SearchParameters,
  withExtensionValues,
} from './search/registry.ts';
export { elementsMax, joinDepthMax, textCharactersMax } from './search/search-limits.ts';
export { isSingle } from './search/single.ts';
export { canonicalPaths, displayPaths, sortPaths, urlPaths } from './search/sort-paths.ts';
export type { TextQuery } from './search/text-query.ts';
export { tokenCode, UCUM } from './search/token-code.ts';
export type {
  Composite,
  Criterion,
  Include,
  IndexValue,
  Prefix,
  SearchParam,
  SearchParamType,
  SearchQuery,
  SearchValue,
} from './search/types.ts';
export { compareConverted, convertDecimal } from './search/units.ts';
export { narrativeWords, wordsOf } from './search/words.ts';
export { generateSnapshot } from './snapshot/generate.ts';
export { isElement, isSubset, type Subset, subsetText } from './subset.ts';
export { backportGuide, isTopicBasic, topicCode, topicElementOf, topicPartOf } from './topic-basic.ts';
export type { Issue, IssueSeverity, Json, JsonObject, Meta, Resource } from './types.ts';
export { type UcumUnit, ucumUnit } from './ucum.ts';
export { listCodes, type Terminologies } from './value-sets-list.ts';
export { createXmlCodec, type XmlCodec } from './xml/codec.ts';
