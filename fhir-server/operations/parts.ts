// What operations need besides the core.
import type { Jobs, Log } from '#platform';

export interface OperationParts {
  log: Log;
  /** Whether $expunge may remove anything. */
  expunge?: boolean;
  /** The only address that $load-package takes packages from; without it they are sent along. */
  packageRegistry?: string | undefined;
  /** Where $reindex runs. */
  jobs?: Jobs;
}
