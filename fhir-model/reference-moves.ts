// What merges of patients and moves of their visits need beside a ResourceWriter: https://hl7.org/fhir/R4/patient.html#merge
import type { Tx } from '#platform';
import type { AccessScope } from './ports.ts';

/** References to one patient that become those to another, in the transaction of another write. */
export interface ReferenceMover {
  /** In the transaction of another write (WriteContext.within). Throws CerebraError `forbidden` for what is out of scope. */
  moveReferences(tx: Tx, move: ReferenceMove, scope: AccessScope): Promise<MovedReferences>;
  /**
   * Takes back what a move has done, where the resource is still of the version that the move made; yields what was
   * changed, with its versions now. In the transaction of another write, as above.
   */
  restoreReferences(tx: Tx, restore: ReferenceRestore, scope: AccessScope): Promise<MovedReference[]>;
}

/** References to one patient that become references to another. */
export interface ReferenceMove {
  /** Ids of patients. The two themselves are left alone. */
  from: string;
  to: string;
  /** Only in resources that refer to this one as well: `Encounter/1`. */
  about?: string;
  /** So many resources at most are changed. */
  resourcesMax: number;
  /** Yields how many are left, too. */
  countLeft?: boolean;
}

/** A resource whose references were moved. */
export interface MovedReference {
  type: string;
  id: string;
  /** That the move made. */
  version: number;
  /** FHIRPath of each reference: `Observation.subject.reference`. */
  paths: string[];
}

export interface MovedReferences {
  /** Resources that were changed. */
  moved: MovedReference[];
  /** There are more of them. */
  more: boolean;
  /** So many more, if that was asked. */
  left?: number;
}

export interface ReferenceRestore {
  /** Ids of patients: whom the references are to now, and whom they are to be to. */
  from: string;
  to: string;
  resources: readonly MovedReference[];
}
