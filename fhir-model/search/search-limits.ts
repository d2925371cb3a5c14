// Limits of one search string. Each violation is a 400 that names the limit.

/** Criteria of one search; a hundred are parsed and compiled in under a millisecond. */
export const criteriaMax = 100;
/** Alternatives (`a,b,c`) of one criterion. */
export const orValuesMax = 1000;
/** One alternative. The longest real ones are canonical URLs and names. */
export const valueCharactersMax = 2048;
/** A whole parameter value: 1,000 references of 64 characters each fit. */
export const parameterCharactersMax = 131_072;
export const nameCharactersMax = 256;
export const sortMax = 10;
export const includesMax = 50;
export const elementsMax = 200;
/** Types that `subject.name` without a type may stand for. */
export const chainTypesMax = 30;
/** Of a text beside a code or identifier so much is found by `:text`. */
export const textCharactersMax = 200;
/** Ten sort keys of 100 characters each, as base64 of UTF-8. */
export const cursorCharactersMax = 8192;
/** Index entries that all criteria of a search ask for; an id without its type counts once a type it may be of. */
export const lookupsMax = 20_000;
/** Links of one chain: each `.`, each `_has` and each step of a path in `_filter`. */
export const joinDepthMax = 8;
/** Types that all links of a search may lead to, each link counted for each type it may stand for. */
export const joinBranchesMax = 200;
/** Tests of all of a search's `_filter` expressions, those in brackets included. */
export const filterTestsMax = 100;
/** Parentheses and brackets within each other. */
export const filterDepthMax = 20;
/** Of a custom SearchParameter. */
export const expressionCharactersMax = 4000;
