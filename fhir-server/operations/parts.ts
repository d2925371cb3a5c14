// What operations need besides the core.
import type { Jobs, Log } from '#platform';

export interface OperationParts {
  log: Log;
  /** Whether $expunge may remove anything. */
  expunge?: boolean;
  /** Where $reindex runs. */
  jobs?: Jobs;
}
