// What a profile asks beyond R4's own type, prepared from its snapshot: https://hl7.org/fhir/R4/profiling.html. Most of a
// snapshot repeats the base, which is checked anyway: only what differs becomes part of the plan (US Core Patient: 50 of 300).
import type { Definitions, IssueSeverity, Json } from '#fhir-model';
import type { CompileInvariant, Invariant } from '../rules/invariants.ts';
import type { Matcher } from './discriminator.ts';

export interface PlanInvariant {
  readonly key: string;
  readonly severity: IssueSeverity;
  readonly human: string;
  readonly test: Invariant;
  /** Of an element of several types: the test for a value of one of them. */
  readonly testOf: ((type: string | undefined) => Invariant) | undefined;
  readonly advice: boolean;
}

export interface PlanBinding {
  readonly strength: 'required' | 'extensible';
  /** Canonical as the profile gives it. */
  readonly valueSet: string;
  /** Only a code that is there has to be of it. */
  readonly max?: boolean;
  /** Of value sets that R4's definitions list: by system. */
  readonly codes: ReadonlyMap<string, ReadonlySet<string>> | undefined;
}

export interface SlicePlan extends ElementPlan {
  readonly sliceName: string;
  /** Undefined where the discriminators can't be evaluated. */
  readonly matches: Matcher | undefined;
  /** It repeats all that is asked of the element that it is a slice of, as snapshots do. */
  readonly whole: boolean;
}

export interface SlicingPlan {
  readonly rules: 'open' | 'closed' | 'openAtEnd';
  readonly ordered: boolean;
  readonly slices: readonly SlicePlan[];
  /** The slice `@default`: what is of no other. */
  readonly rest: SlicePlan | undefined;
}

/** A name that the element has in JSON, and the type of the value that stands there. */
export interface JsonName {
  readonly json: string;
  readonly type: string;
}

export interface ElementPlan {
  /** The element's id, `Patient.extension:race`. */
  readonly label: string;
  readonly name: string;
  readonly names: readonly JsonName[];
  /** The profile that asks, `url|version`. */
  readonly source: string;
  readonly min: number;
  readonly max: number;
  /** Type codes, where fewer are allowed than R4 allows. */
  readonly types: ReadonlySet<string> | undefined;
  /** Profiles of the type, of which one is to be kept; by type code. */
  readonly profiles: ReadonlyMap<string, readonly string[]> | undefined;
  /** Profiles of which a Reference's target is to keep one. */
  readonly targets: readonly string[] | undefined;
  /** How a Reference may lead to its target: `contained`, `bundled`, `referenced`. */
  readonly aggregation: ReadonlySet<string> | undefined;
  readonly fixed: Json | undefined;
  readonly pattern: Json | undefined;
  readonly minValue: Json | undefined;
  readonly maxValue: Json | undefined;
  readonly maxLength: number | undefined;
  readonly bindings: readonly PlanBinding[];
  readonly invariants: readonly PlanInvariant[];
  readonly mustSupport: boolean;
  readonly children: readonly ElementPlan[];
  readonly slicing: SlicingPlan | undefined;
  /** What an element with a contentReference borrows its children of; `plan` is there once all is compiled. */
  readonly content: { plan: ElementPlan | undefined } | undefined;
}

export interface ExtensionContext {
  readonly type: 'fhirpath' | 'element' | 'extension';
  readonly expression: string;
}

export interface ProfilePlan {
  readonly url: string;
  /** `url|version` */
  readonly canonical: string;
  /** `Patient`, `Extension`, … */
  readonly type: string;
  readonly root: ElementPlan;
  /** Of an extension: how often it may stand at one element. */
  readonly max: number;
  readonly abstract: boolean;
  /** Of a definition of an extension. */
  readonly contexts: readonly ExtensionContext[];
  readonly contextInvariants: readonly { expression: string; testOf: (type: string) => Invariant }[];
  readonly modifier: boolean;
}

/** What a plan is compiled with. */
export interface PlanSource {
  readonly definitions: Definitions;
  readonly invariant: CompileInvariant;
  /** mustSupport elements become part of the plan. */
  readonly mustSupport: boolean;
}
