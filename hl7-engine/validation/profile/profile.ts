// A conformance profile: its documents compiled once, messages checked against it. HL7 v2.9 chapter 2B
import type { Hl7Message } from '../../message/message.ts';
import { checkSegment } from '../content.ts';
import type { Finding } from '../finding.ts';
import { type Severities, sinkTo } from '../model.ts';
import { checkCounts, sequence } from '../sequence.ts';
import { readRules } from './constraints.ts';
import { ProfileFault } from './profile-fault.ts';
import { type MessageModel, readMessages } from './read-profile.ts';
import { readXml, type XmlElement } from './read-xml.ts';
import { readValueSets } from './value-sets.ts';

export interface ProfileSummary {
  title: string;
  messages: { name: string; type: string; event: string; structure: string }[];
  /** Predicates, conformance statements and bindings of documents of their own. */
  rules: number;
  /** Value sets that are bound, and in no ValueSetLibrary: codes are not checked against them. */
  valueSetsMissing: string[];
}

export interface Profile extends ProfileSummary {
  check(message: Hl7Message): Finding[];
}

/** A profile says what may be there: other segments are errors. */
const severities: Severities = {
  tooLong: 'error',
  surplus: 'warning',
  unknownSegment: 'error',
  zSegment: 'warning',
  withdrawn: 'warning',
};

const roots = ['ConformanceProfile', 'ConformanceContext', 'ValueSetLibrary', 'ValueSetBindingsContext'];

/**
 * The documents of one profile in any order: one ConformanceProfile, and any number of ConformanceContext (constraints),
 * ValueSetLibrary and ValueSetBindingsContext. Documents of co-constraints and slicing may be empty. Throws ProfileFault.
 */
export function compileProfile(documents: readonly string[]): Profile {
  const elements = documents.map((text) => readXml(text)).filter((element) => !isNothing(element));
  const all = (name: string): XmlElement[] => elements.filter((element) => element.name === name);
  const other = elements.find(({ name }) => !roots.includes(name));
  if (other !== undefined)
    throw new ProfileFault(`<${other.name}>`, `can't be used: documents are ${roots.join(', ')}`);
  const [profile, ...more] = all('ConformanceProfile');
  if (profile === undefined || more.length > 0) throw new ProfileFault('', 'needs one document ConformanceProfile');
  const valueSets = readValueSets(all('ValueSetLibrary'));
  const rules = readRules(all('ConformanceContext'), all('ValueSetBindingsContext'), valueSets);
  const messages = readMessages(profile, rules, valueSets);
  const title = profile.children.find(({ name }) => name === 'MetaData')?.attributes.Name ?? messages[0]!.name;
  return {
    title,
    messages: messages.map(({ name, code, event, structure }) => ({ name, type: code, event, structure })),
    rules: rules.count,
    valueSetsMissing: [...valueSets.missing].toSorted(),
    check: (message) => check(message, title, messages),
  };
}

/** Co-constraints and slicing are written out also where a profile has none. */
function isNothing({ name, children }: XmlElement): boolean {
  return (name === 'CoConstraintContext' || name === 'ProfileSlicing') && children.every(isHollow);
}

const isHollow = ({ children, text }: XmlElement): boolean => text === '' && children.every(isHollow);

function check(message: Hl7Message, title: string, messages: readonly MessageModel[]): Finding[] {
  const findings: Finding[] = [];
  const sink = sinkTo(findings, severities);
  const model = modelOf(message, messages);
  if (model === undefined) return [otherMessage(title, messages)];
  const reading = { delimiters: message.delimiters, ...message.coding };
  const { root, segments } = sequence(model.place, message.segments, reading, sink);
  checkCounts(root, sink);
  for (const node of segments) {
    const { place } = node;
    if (place?.model !== undefined && place.usage !== 'X') checkSegment(node, place.model, sink);
  }
  return findings;
}

/** By code and event; of several the structure decides. */
function modelOf(message: Hl7Message, messages: readonly MessageModel[]): MessageModel | undefined {
  const [code, event, structure] = [1, 2, 3].map((number) => message.get(`MSH-9.${number}`));
  const fitting = messages.filter((one) => one.code === code && one.event === event);
  return fitting.find((one) => one.structure === structure) ?? fitting[0];
}

function otherMessage(title: string, messages: readonly MessageModel[]): Finding {
  const types = messages.map(({ code, event }) => `${code}^${event}`).join(', ');
  return {
    severity: 'error',
    rule: 'structure',
    condition: '200',
    location: { segment: 'MSH', sequence: 1, field: 9 },
    text: `the profile ${title} is for ${types}`,
  };
}
