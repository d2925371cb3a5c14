// A CodeSystem in itself: https://hl7.org/fhir/R4/codesystem.html
import type { JsonObject } from '#fhir-model';
import { objectsOf, textOf } from '../json.ts';
import { shown } from '../report.ts';
import type { Fault } from './fault.ts';
import { eachRepeated, type Faults, faultList } from './place.ts';

const standard = 'http://hl7.org/fhir/concept-properties#';
/** https://hl7.org/fhir/R4/codesystem-concept-properties.html, with those that later releases added. */
const standardTypes: Readonly<Record<string, string>> = {
  ...{ inactive: 'boolean', notSelectable: 'boolean', deprecated: 'dateTime', deprecationDate: 'dateTime' },
  ...{ retirementDate: 'dateTime', effectiveDate: 'dateTime', parent: 'code', child: 'code', partOf: 'code' },
  ...{ synonym: 'code', comment: 'string', itemWeight: 'decimal', status: 'code' },
};
/** Deeper than any hierarchy in use. */
const levelsMax = 90;

interface Concept {
  concept: JsonObject;
  at: string;
}

/** All concepts, each before those below it. */
function conceptsOf(codeSystem: JsonObject, at: string): Concept[] {
  const all: Concept[] = [];
  const visit = (owner: JsonObject, place: string, level: number): void => {
    if (level > levelsMax) return;
    objectsOf(owner.concept).forEach((concept, index) => {
      const here = `${place}.concept[${index}]`;
      all.push({ concept, at: here });
      if (concept.concept !== undefined) visit(concept, here, level + 1);
    });
  };
  visit(codeSystem, at, 0);
  return all;
}

function checkContent(faults: Faults, { content, supplements, count }: JsonObject, at: string, concepts: number): void {
  if (supplements !== undefined && content !== 'supplement') {
    faults.error(
      'business-rule',
      'code-system-supplement',
      `${at}.content`,
      "a supplement has the content 'supplement'",
    );
  }
  if (supplements === undefined && content === 'supplement') {
    faults.error(
      'required',
      'code-system-supplement',
      `${at}.supplements`,
      'a supplement names the code system that it supplements',
    );
  }
  if (content === 'complete' && typeof count === 'number' && count !== concepts) {
    faults.warn(
      'business-rule',
      'code-system-count',
      `${at}.count`,
      `count says ${count}, there are ${concepts} concepts`,
    );
  }
  if (content === 'not-present' && concepts > 0) {
    faults.warn(
      'business-rule',
      'code-system-content',
      `${at}.content`,
      'content says that no concepts are here, but some are',
    );
  }
}

/** csd-1 says that there are duplicates; this says which. */
function checkCodes(faults: Faults, concepts: readonly Concept[], caseSensitive: boolean): void {
  const codes = concepts.map(({ concept }) => textOf(concept.code));
  eachRepeated(codes, (code, index) => {
    faults.error(
      'invalid',
      'code-system-duplicate',
      `${concepts[index]?.at}.code`,
      `'${shown(code ?? '')}' is defined twice`,
    );
  });
  if (caseSensitive) return;
  const written = new Map<string, string | undefined>();
  concepts.forEach(({ at }, index) => {
    const code = codes[index];
    const folded = code?.toLowerCase();
    if (folded === undefined) return;
    if (written.has(folded) && written.get(folded) !== code) {
      const message = `'${shown(code ?? '')}' is there in other upper and lower case, which don't matter here`;
      faults.warn('business-rule', 'code-system-case', `${at}.code`, message);
    } else written.set(folded, code);
  });
}

function checkProperty(faults: Faults, property: JsonObject, at: string): void {
  const [code, uri, type] = [textOf(property.code) ?? '', textOf(property.uri), textOf(property.type)];
  if (uri?.startsWith(standard) === true) {
    const name = uri.slice(standard.length);
    const wanted = Object.hasOwn(standardTypes, name) ? standardTypes[name] : undefined;
    if (wanted !== undefined && type !== wanted) {
      faults.error(
        'business-rule',
        'code-system-property-type',
        `${at}.type`,
        `the property ${shown(uri)} is a ${wanted}, found '${shown(type ?? '')}'`,
      );
    }
    if (wanted !== undefined && code !== name && Object.hasOwn(standardTypes, code)) {
      faults.error(
        'business-rule',
        'code-system-property-code',
        `${at}.code`,
        `'${shown(code)}' means another property than ${shown(uri)}`,
      );
    }
  } else if (uri === undefined && Object.hasOwn(standardTypes, code)) {
    faults.warn(
      'business-rule',
      'code-system-property-uri',
      at,
      `'${shown(code)}' without its uri, ${standard}${code}, has no agreed meaning`,
    );
  }
}

function checkProperties(faults: Faults, codeSystem: JsonObject, at: string): ReadonlyMap<string, string | undefined> {
  const properties = objectsOf(codeSystem.property);
  properties.forEach((property, index) => {
    checkProperty(faults, property, `${at}.property[${index}]`);
  });
  for (const name of ['code', 'uri'] as const) {
    const told = properties.map((property) => textOf(property[name]));
    eachRepeated(told, (value, index) => {
      faults.error(
        'business-rule',
        'code-system-property-twice',
        `${at}.property[${index}].${name}`,
        `a property is defined already with the ${name} '${shown(value ?? '')}'`,
      );
    });
  }
  const types = new Map<string, string | undefined>();
  for (const { code, type } of properties)
    if (typeof code === 'string' && !types.has(code)) types.set(code, textOf(type));
  return types;
}

/** R4 itself defines these for every code system: https://hl7.org/fhir/R4/codesystem.html#defined-props */
const always = new Set(Object.keys(standardTypes));

function checkValues(
  faults: Faults,
  { concept, at }: Concept,
  types: ReadonlyMap<string, string | undefined>,
  codes: ReadonlySet<string>,
): void {
  objectsOf(concept.property).forEach((property, index) => {
    const place = `${at}.property[${index}]`;
    const code = textOf(property.code) ?? '';
    const type = types.get(code);
    const valueName = Object.keys(property).find((name) => name.startsWith('value'));
    const found = valueName === undefined ? undefined : valueName.charAt(5).toLowerCase() + valueName.slice(6);
    const told = found === 'coding' ? 'Coding' : found;
    if (!types.has(code) && !always.has(code)) {
      faults.warn(
        'business-rule',
        'code-system-property-unknown',
        place,
        `the property '${shown(code)}' is not defined`,
      );
    } else if (type !== undefined && told !== undefined && told !== type) {
      faults.error(
        'business-rule',
        'code-system-property-value',
        place,
        `'${shown(code)}' is defined as ${shown(type)}, found ${told}`,
      );
    }
    const related = code === 'parent' || code === 'child' ? textOf(property.valueCode) : undefined;
    if (related !== undefined && codes.size > 0 && !codes.has(related)) {
      faults.warn(
        'business-rule',
        'code-system-hierarchy',
        place,
        `'${shown(related)}' is no code of this code system`,
      );
    }
  });
}

/** `at` is the resource's path. */
export function codeSystemFaults(codeSystem: JsonObject, at: string): Fault[] {
  const faults = faultList();
  const concepts = conceptsOf(codeSystem, at);
  const codes = new Set(concepts.flatMap(({ concept }) => textOf(concept.code) ?? []));
  checkContent(faults, codeSystem, at, concepts.length);
  checkCodes(faults, concepts, codeSystem.caseSensitive !== false);
  const types = checkProperties(faults, codeSystem, at);
  const complete = codeSystem.content === 'complete' ? codes : new Set<string>();
  for (const concept of concepts) {
    if (concept.concept.property !== undefined) checkValues(faults, concept, types, complete);
  }
  return faults.list;
}
