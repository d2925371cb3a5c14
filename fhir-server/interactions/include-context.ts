// What _include and _revinclude need to know of the parameters.
import { compileExtractor, type Extractor, type SearchParam } from '#fhir-model';
import type { IncludeContext } from '../search/includes.ts';
import type { PageContext } from '../search/page.ts';
import type { Core } from './core.ts';

/** Extractors of single parameters: those of a whole type extract some 30 values more than an include needs. */
const extractors = new WeakMap<SearchParam, Extractor>();

function extractorOf(core: Core, param: SearchParam): Extractor {
  const known = extractors.get(param) ?? compileExtractor([param], { baseUrl: core.baseUrl });
  extractors.set(param, known);
  return known;
}

export function includeContext(core: Core, page: PageContext): IncludeContext {
  return {
    ...page,
    references: (resource, param) =>
      param === undefined
        ? core.store.extract(resource).filter((value) => !value.param.contained)
        : extractorOf(core, param)(resource),
    referenceParams: (type) => core.parameters.list(type).filter((param) => param.type === 'reference'),
    urlParam(type) {
      const param = core.parameters.get(type, 'url');
      return param?.type === 'uri' ? param : undefined;
    },
  };
}
