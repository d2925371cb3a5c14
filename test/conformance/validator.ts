// The R4 cases of https://github.com/FHIR/fhir-test-cases/tree/master/validator: valid or not, as the HL7 Java validator's
// outcome says.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import {
  createXmlCodec,
  type Definitions,
  type Issue,
  loadCoreResources,
  loadDefinitions,
  parseSentJson,
  type Resource,
} from '#fhir-model';
import { createResourceValidator, type ProfileSource, type ValidateOptions } from '#fhir-server';
import { type ConformanceResult, type ConformanceSuite, corpusAbsent, corpusFolder, result } from '#platform/testing';

interface Case {
  name: string;
  file: string;
  module?: string;
  profiles?: string[];
  supporting?: string[];
  logical?: unknown;
  fetcher?: string;
  validateReference?: string;
  expect?: { errorCount?: number };
  outcome?: string;
}

/** Cases that nobody can decide by the resource and R4's own definitions, with what they need. */
const beyond: Record<string, string> = {
  'mr-covid-m2': 'displays of SNOMED CT',
  'vs-bad-code': 'codes of SNOMED CT',
  'bundle-duplicate-ids-not': 'displays of LOINC in German',
  'bundle-id-5': 'displays of CVX',
  'string-with-coding-async-qr': 'codes of ISO 3166',
  'vs-bad-ecl': 'the expression language of SNOMED CT',
  'uk-msg': 'codes of the UK edition of SNOMED CT',
};

const isError = ({ severity }: { severity: string }) => severity === 'error' || severity === 'fatal';

const fileOf = (name: string): string => path.join(corpusFolder('validator'), 'files', name);
const textOf = (name: string): string => readFileSync(fileOf(name), 'utf8');
const filesOf = ({ supporting = [], profiles = [] }: Case): string[] => [...supporting, ...profiles];

async function read(definitions: Definitions, name: string): Promise<Resource> {
  const text = textOf(name);
  if (name.endsWith('.xml')) return createXmlCodec(definitions).read(text);
  return parseSentJson(text).exact as Resource;
}

/** Whether the outcome has errors; undefined where the case has none, and no number of them either. */
function expected({ outcome, expect }: Case): boolean | undefined {
  if (outcome === undefined) return typeof expect?.errorCount === 'number' ? expect.errorCount === 0 : undefined;
  const file = path.join(corpusFolder('validator'), 'outcomes', outcome);
  const { issue } = JSON.parse(readFileSync(file, 'utf8')) as { issue?: Issue[] };
  return !(issue ?? []).some(isError);
}

async function issuesOf(one: Case, definitions: Definitions, core: ProfileSource): Promise<Issue[]> {
  const supporting = await Promise.all(filesOf(one).map((file) => read(definitions, file)));
  const find: ProfileSource['find'] = async (type, canonical) => {
    const [url, version] = canonical.split('|');
    const own = supporting.find((each) => each.resourceType === type && each.url === url);
    return own !== undefined && (version === undefined || own.version === version) ? own : core.find(type, canonical);
  };
  const { validateResource } = createResourceValidator({ definitions, profiles: { find } });
  let resource: Resource;
  try {
    resource = await read(definitions, one.file);
  } catch (error) {
    return [{ severity: 'fatal', code: 'structure', diagnostics: String((error as Error).message) }];
  }
  const options: ValidateOptions = {
    profiles: supporting.filter((_, index) => index >= (one.supporting?.length ?? 0)).map(({ url }) => String(url)),
    issuesMax: 1000,
  };
  if (one.validateReference?.startsWith('CHECK_EXISTS')) options.existence = async () => false;
  return validateResource(resource, options);
}

function verdict(one: Case, issues: readonly Issue[]): string | undefined {
  const errors = issues.filter(isError);
  if ((errors.length === 0) === expected(one)) return undefined;
  const found = errors.slice(0, 3).map(({ diagnostics }) => diagnostics);
  return `${one.module}: ${errors.length === 0 ? 'missed' : `false alarm: ${found.join('; ')}`}`.slice(0, 400);
}

async function* run(): AsyncGenerator<ConformanceResult> {
  const [definitions, core] = [await loadDefinitions(), await loadCoreResources()];
  const source: ProfileSource = { find: (type, canonical) => core.read(type, canonical.split('|')[0] ?? '') };
  const cases = JSON.parse(readFileSync(path.join(corpusFolder('validator'), 'cases.json'), 'utf8')) as Case[];
  for (const one of cases) {
    const reason = reasonToPass(one);
    if (reason !== undefined) yield { name: one.name, outcome: 'passed over', why: reason };
    else yield result(one.name, verdict(one, await issuesOf(one, definitions, source)));
  }
}

function reasonToPass(one: Case): string | undefined {
  if (one.logical !== undefined) return 'a logical model, not a resource';
  if (expected(one) === undefined) return 'the corpus has no outcome';
  const absent = filesOf(one).find((file) => !existsSync(fileOf(file)));
  if (absent !== undefined) return `the corpus has no ${absent}`;
  return beyond[one.name];
}

export const suites: ConformanceSuite[] = [
  {
    name: 'validator',
    title: 'Valid or not, as the HL7 Java validator says',
    absent: () => corpusAbsent('validator'),
    run,
  },
];
