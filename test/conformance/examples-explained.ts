// Official examples that break the rules they stand for: the example is at fault, not the validator. docs/conformance.md
// tells of them.
import { type ConformanceResult, result } from '#platform/testing';

interface Explanation {
  /** Examples: the beginning of their file names; any without it. */
  name?: RegExp;
  /** What the fault's line says. */
  fault: RegExp;
  why: string;
}

const explanations: readonly Explanation[] = [
  {
    fault: /: a canonical is an absolute URL or a fragment, found '/,
    why: 'a canonical that is a relative reference (https://hl7.org/fhir/R4/datatypes.html#canonical)',
  },
  {
    fault: /: '[^']+' is no unit of UCUM$/,
    why: 'a code that says it is of UCUM and is not (mEq, ea, drop, TAB, month; Synthea: (score))',
  },
  { fault: /\.text\.div: txt-2: /, why: 'a narrative that has only white space (txt-2)' },
  { fault: /: may lead to /, why: 'a reference to a type that the element does not allow' },
  { fault: /: leads to a \w+; may lead to /, why: 'a reference to a type that the element does not allow' },
  { fault: /: the system says that this is a URI, found '/, why: 'an identifier of urn:ietf:rfc:3986 that is no URI' },
  { fault: /: the modifier extension http:\/\/example\.org\//, why: 'a modifierExtension that nobody knows' },
  { fault: /\.fullUrl: '[^']+' does not fit the resource/, why: 'a fullUrl with another id than the resource' },
  { fault: /\.response\.status: a status starts with the three digits/, why: 'a response without a status code' },
  { fault: /^Bundle: bdl-7: /, why: 'a fullUrl that stands more than once (bdl-7)' },
  {
    name: /^(?:ImplementationGuide|ig-r4)/,
    fault: /: required$|: a relative reference is \[type\]\/\[id\], found '/,
    why: 'required elements that are not there, a reference to an id that is none',
  },
  {
    name: /^SearchParameter-/,
    fault: /: required$|: must be 1 to 64 of /,
    why: 'required elements that are not there, or an id that is none',
  },
  { name: /^Questionnaire-qs1/, fault: /./, why: 'items without linkId' },
  { name: /^Media-sound/, fault: /: the image '#11' is not among/, why: 'an image that is not contained' },
  {
    name: /^StructureDefinition-(?:Definition|Event|FiveWs|Request)\./,
    fault: /: sdf-4: /,
    why: 'patterns without baseDefinition that are not abstract (sdf-4)',
  },
  {
    name: /^(?:CodeSystem-snomedct|Bundle-valuesets)/,
    fault: /: a property is defined already with the /,
    why: 'properties of SNOMED CT that are defined twice',
  },
  {
    name: /^Bundle-valueset-expansions/,
    fault: /\.expansion\.contains.*structuredefinition|StructureDefinition\/translation is for /i,
    why: 'a translation of the concept instead of its display',
  },
  {
    name: /^PlanDefinition-example-cardiology-os/,
    fault: /answerValueSet: '#CardiologyReferralReasonValues' is not among/,
    why: 'a value set that is not contained',
  },
  {
    name: /^(?:ValueSet-example-hierarchical|Bundle-valuesets)/,
    fault: /'#hacked'/,
    why: 'a code system that is named by a fragment',
  },
  {
    name: /^DiagnosticReport-cardiology-report/,
    fault: /\.hash: must be base64 text/,
    why: 'a hash that is no base64 (US Core 3.1.1)',
  },
  {
    name: /^Observation-satO2-fiO2/,
    fault: /#L\/min is not of the value set http:\/\/hl7\.org\/fhir\/ValueSet\/ucum-vitals-common/,
    why: 'the profile wants L/min of its flow rate and binds it to a value set without L/min, by R4’s vital signs (US Core 3.1.1)',
  },
];

/** Why the example's faults are none of the validator's; undefined unless each of them is explained. */
function explanationOf(name: string, faults: readonly string[]): string | undefined {
  const explains = (one: Explanation, fault: string): boolean =>
    one.fault.test(fault) && (one.name === undefined || one.name.test(name));
  const found = faults.map((fault) => explanations.find((one) => explains(one, fault)));
  if (found.some((one) => one === undefined)) return undefined;
  return [...new Set(found.map((one) => one!.why))].join('; ');
}

/** Passed without faults, passed over where each of them is explained. */
export function exampleResult(name: string, faults: readonly string[]): ConformanceResult {
  if (faults.length === 0) return result(name, undefined);
  const why = explanationOf(name, faults);
  if (why !== undefined) return { name, outcome: 'passed over', why };
  return result(name, `${faults.length}: ${faults.slice(0, 2).join('; ')}`.slice(0, 300));
}
