// The JSON form of FHIR resources: https://hl7.org/fhir/R4/json.html

export type Json = string | number | boolean | null | JsonObject | Json[];
export interface JsonObject {
  [name: string]: Json | undefined;
}

/** https://hl7.org/fhir/R4/resource.html#Meta */
export interface Meta extends JsonObject {
  versionId?: string;
  lastUpdated?: string;
  source?: string;
  profile?: string[];
  security?: JsonObject[];
  tag?: JsonObject[];
}

/**
 * Any FHIR R4 resource. Rooms that know the type cast to the types of `@medplum/fhirtypes`.
 * A decimal whose digits a JavaScript number would lose is a `JSON.rawJSON` object here; see json.ts.
 */
export interface Resource extends JsonObject {
  resourceType: string;
  id?: string;
  meta?: Meta;
}

export type IssueSeverity = 'fatal' | 'error' | 'warning' | 'information';

/** One OperationOutcome.issue: https://hl7.org/fhir/R4/operationoutcome.html */
export interface Issue {
  severity: IssueSeverity;
  /** From http://hl7.org/fhir/issue-type, for instance `invalid`, `required`, `not-found`. */
  code: string;
  diagnostics: string;
  /** FHIRPath of the element at fault, for instance `Patient.contact[0].name`; or the parameter's name. */
  expression?: string[];
  /** Which rule it breaks, the same whatever the message says: `pat-1`, `slice-unmatched`; into issue.details.coding. */
  messageId?: string;
}
