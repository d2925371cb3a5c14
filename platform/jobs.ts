// The queue as the rooms see it; queue.ts is it on BullMQ.

/** A job's data: JSON, small (ids and counts), without resource content. */
export type JobData = Record<string, unknown>;

export interface JobOptions {
  delayMs?: number;
  /** Runs at most; 3 unless told. Between them the wait doubles, starting at 1 s. */
  attempts?: number;
  /** A second job of the same id is not added while the first is known. */
  jobId?: string;
}

export interface Jobs {
  /** Before start(). A handler may run again after a crash: it must be harmless to repeat. */
  define(name: string, handler: (data: JobData) => Promise<void>): void;
  add(name: string, data: JobData, options?: JobOptions): Promise<void>;
  /** One schedule a name, over all servers. */
  every(name: string, intervalMs: number, data?: JobData): Promise<void>;
  start(): Promise<void>;
  /** Waits for running jobs. */
  close(): Promise<void>;
}
