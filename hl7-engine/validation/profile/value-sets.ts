// Value sets of conformance profiles and what they are bound to: NIST's ValueSets.xsd, ValueSetBindings and Binding attributes
import type { Severity } from '../finding.ts';
import { type ContextRule, found } from '../model.ts';
import { type DataNode, isNull, type Node, textOf } from '../node.ts';
import { type Path, readSteps, resolve } from './path.ts';
import { ProfileFault } from './profile-fault.ts';
import { attribute, childOf, childrenOf, type XmlElement } from './read-xml.ts';
import { type Matches, wholeMatch } from './regex.ts';

export interface ValueSet {
  id: string;
  /** Code -> the names of its code systems. */
  codes: ReadonlyMap<string, ReadonlySet<string>>;
  /** Codes that must not be used. */
  excluded: ReadonlySet<string>;
  /** Codes of a form: `99zzz`, a coding system of the sender's own. */
  forms: readonly CodeForm[];
  /** Other codes are possible. */
  isOpen: boolean;
}

interface CodeForm {
  matches: Matches;
  /** The name of its code system, '' without. */
  system: string;
  isExcluded: boolean;
}

export interface ValueSets {
  /** Undefined: not known, or without codes of its own: not checked. */
  find(id: string): ValueSet | undefined;
  /** Identifiers that were asked for and are in no library. */
  readonly missing: ReadonlySet<string>;
}

/** `libraries`: ValueSetLibrary elements. */
export function readValueSets(libraries: readonly XmlElement[]): ValueSets {
  const sets = new Map<string, ValueSet | undefined>();
  for (const library of libraries) {
    for (const definitions of childrenOf(library, 'ValueSetDefinitions')) {
      for (const definition of childrenOf(definitions, 'ValueSetDefinition')) {
        const set = readValueSet(definition);
        sets.set(set.id, isEmpty(set) ? undefined : set);
      }
    }
    for (const { text } of childrenOf(childOf(library, 'NoValidation'), 'BindingIdentifier')) sets.set(text, undefined);
  }
  const missing = new Set<string>();
  const find = (id: string): ValueSet | undefined => {
    if (!sets.has(id)) missing.add(id);
    return sets.get(id);
  };
  return { missing, find };
}

const isEmpty = ({ codes, excluded, forms }: ValueSet): boolean =>
  codes.size === 0 && excluded.size === 0 && forms.length === 0;

/** Table 0396 has two codes that are no codes but forms of some. */
const formsOf0396: Readonly<Record<string, string>> = { HL7nnnn: 'HL7[0-9]{4}', '99zzz': '99[a-zA-Z0-9]{3}' };

function readValueSet(definition: XmlElement): ValueSet {
  const id = attribute(definition, 'BindingIdentifier');
  const codes = new Map<string, Set<string>>();
  const excluded = new Set<string>();
  const forms: CodeForm[] = [];
  for (const element of childrenOf(definition, 'ValueElement')) {
    const code = attribute(element, 'Value');
    const { Usage: usage, CodeSystem: system = '', CodePattern: pattern } = element.attributes;
    const isExcluded = usage === 'E';
    const form = pattern || (id.includes('0396') && Object.hasOwn(formsOf0396, code) ? formsOf0396[code] : undefined);
    if (form !== undefined) forms.push({ matches: wholeMatch(form), system, isExcluded });
    else if (isExcluded) excluded.add(code);
    else codes.set(code, (codes.get(code) ?? new Set<string>()).add(system));
  }
  return { id, codes, excluded, forms, isOpen: definition.attributes.Extensibility === 'Open' };
}

/** `system`: undefined where nobody asks for it. */
export function isListed(set: ValueSet, code: string, system: string | undefined): boolean {
  const forms = set.forms.filter(({ matches }) => matches(code));
  if (set.excluded.has(code) || forms.some(({ isExcluded }) => isExcluded)) return false;
  const systems = new Set([...(set.codes.get(code) ?? []), ...forms.map((form) => form.system)]);
  if (systems.size === 0) return set.isOpen;
  return system === undefined || systems.has(system) || systems.has('') || set.isOpen;
}

/** Where in the bound element the code stands, and its system. */
interface CodeLocation {
  code: Path;
  system: Path | undefined;
}

interface Binding {
  target: Path;
  locations: readonly CodeLocation[];
  severity: Severity;
  /** Told where no code holds. */
  wanted: string;
  holds(code: string, system: string | undefined): boolean;
}

/** A rule of the context that the binding stands in. */
function bindingRule({ target, locations, severity, wanted, holds }: Binding): ContextRule<Node> {
  return (context, sink) => {
    for (const node of resolve(context, target)) {
      if (node.kind !== 'data' || isNull(node)) continue;
      const codes = locations.flatMap((location) => codeAt(node, location));
      if (codes.length === 0 || codes.some(({ code, system }) => holds(code, system))) continue;
      const { code, at } = codes[0]!;
      const text = `"${code.slice(0, 40)}" is not in ${wanted}`;
      found(sink, at.location, { severity, rule: 'binding', condition: '103', text });
    }
  };
}

function codeAt(node: DataNode, { code, system }: CodeLocation): { code: string; system?: string; at: DataNode }[] {
  const [at] = resolve(node, code);
  if (at === undefined || at.kind !== 'data') return [];
  const text = textOf(at);
  if (system === undefined) return [{ code: text, at }];
  const [systemAt] = resolve(node, system);
  return [{ code: text, system: systemAt?.kind === 'data' ? textOf(systemAt) : '', at }];
}

/** R is required; suggested and undetermined ones are worth a warning. */
const severityOf = (strength: string | undefined): Severity =>
  strength === 'R' || strength === undefined ? 'error' : 'warning';

function rulesOfSets(
  target: Path,
  locations: readonly CodeLocation[],
  ids: readonly string[],
  strength: string | undefined,
  valueSets: ValueSets,
): ContextRule<Node>[] {
  const found_ = ids.map((id) => valueSets.find(id));
  const sets = found_.filter((set) => set !== undefined);
  // One that is not checked may have the code.
  if (sets.length < ids.length || sets.length === 0) return [];
  const holds: Binding['holds'] = (code, system) => sets.some((set) => isListed(set, code, system));
  const wanted = `value set ${ids.join(', ')}`;
  return [bindingRule({ target, locations, severity: severityOf(strength), wanted, holds })];
}

/** The attributes Binding, BindingStrength and BindingLocation (`1`, `1:4`) of a Field or Component. */
export function inlineBinding(
  { attributes }: XmlElement,
  position: number,
  isPrimitive: boolean,
  valueSets: ValueSets,
): ContextRule<Node>[] {
  const { Binding: ids, BindingStrength: strength, BindingLocation: places } = attributes;
  if (ids === undefined || ids === '') return [];
  const numbers = isPrimitive ? [] : (places || '1').split(':').map(Number);
  const locations = isPrimitive
    ? [{ code: [], system: undefined }]
    : numbers.map((number) => ({ code: [{ position: number, instance: 1 }], system: undefined }));
  return rulesOfSets([{ position, instance: undefined }], locations, ids.split(':'), strength, valueSets);
}

/** A ValueSetBinding or SingleCodeBinding. */
export function readBinding(element: XmlElement, valueSets: ValueSets): ContextRule<Node>[] {
  const target = readSteps(attribute(element, 'Target'));
  const locations = (childOf(element, 'BindingLocations')?.children ?? []).map(readLocation);
  if (locations.length === 0)
    throw new ProfileFault(`<${element.name}> in line ${element.line}`, 'needs BindingLocations');
  if (element.name === 'SingleCodeBinding') return [singleCode(element, target, locations)];
  const ids = childrenOf(childOf(element, 'Bindings'), 'Binding').map((one) => attribute(one, 'BindingIdentifier'));
  return rulesOfSets(target, locations, ids, element.attributes.BindingStrength, valueSets);
}

function singleCode(element: XmlElement, target: Path, locations: readonly CodeLocation[]): ContextRule<Node> {
  const code = attribute(element, 'Code');
  const { CodeSystem: system } = element.attributes;
  const holds: Binding['holds'] = (own, ownSystem) =>
    own === code && (system === undefined || ownSystem === undefined || ownSystem === system);
  return bindingRule({ target, locations, severity: 'error', wanted: `the one code "${code}"`, holds });
}

function readLocation(element: XmlElement): CodeLocation {
  const code = readSteps(attribute(element, 'CodeLocation'));
  if (element.name === 'SimpleBindingLocation') return { code, system: undefined };
  const { CodeSystemLocation: system } = element.attributes;
  return { code, system: system === undefined ? undefined : readSteps(system) };
}
