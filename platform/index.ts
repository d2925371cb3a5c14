// The way into platform/: what every room stands on.
export { readTgz, type TgzFile, type TgzLimits } from './archive/tgz.ts';
export { openZip, type ZipArchive, type ZipEntry, type ZipLimits } from './archive/zip.ts';
export { type BackoffLimits, backoffMs } from './backoff.ts';
export { bodyEncodings, readBody, readBodyOrHead, type TakeRoom } from './body.ts';
export { type Clock, systemClock } from './clock.ts';
export { isTimeZone, listOf } from './config/variable.ts';
export { type Config, configMarkdown, isLoopback, readConfig } from './config.ts';
export { type ConnectOptions, connectDb } from './db/connect.ts';
export { type FolderLock, lockFolder } from './db/embedded/lock.ts';
export {
  type EmbeddedOptions,
  type EmbeddedPostgres,
  findEmbeddedPostgres,
  startEmbeddedPostgres,
} from './db/embedded/start.ts';
export { isPassing, isWriteRace, sqlState } from './db/errors.ts';
export { createGather, type GatherOptions } from './db/gather.ts';
export { migrate } from './db/migrate.ts';
export { createRowText, field, jsonField, type RowText } from './db/row-text.ts';
export { createRuns, type RunOutcome, RunTaken, type Turn } from './db/runs.ts';
export type { Connection, Db, PoolStats, Queryable, Statement, Tx, TxOptions } from './db/types.ts';
export { createEgress, type Egress, type EgressAllow } from './egress.ts';
export { endpointFault } from './endpoint-fault.ts';
export { CerebraError, type ErrorCode, type ErrorIssue, isCerebraError } from './errors.ts';
export {
  type AdminContent,
  type AdminParameter,
  type AdminRequest,
  type AdminResponse,
  type AdminRoute,
  adminRouter,
  type JsonSchema,
  operationsRouter,
  type ReadinessProbe,
  sendError,
} from './http.ts';
export { isMadeFor, uuidv5, uuidv7 } from './ids.ts';
export type { JobData, JobOptions, Jobs } from './jobs.ts';
export { refusedParameter, withKnownQuery } from './known-query.ts';
export { createLifecycle, endOnUncaught, type Lifecycle, stopOnSignals } from './lifecycle.ts';
export { createLog, type Log, type LogOptions } from './log.ts';
export { createLoop, type Loop } from './loop.ts';
export {
  aggregateMetrics,
  type Counter,
  countsOf,
  createMetrics,
  type Gauge,
  type Histogram,
  type Metrics,
  type MetricsSnapshot,
  observePool,
  type Registry,
} from './metrics.ts';
export { openApi, openApiRoute } from './openapi.ts';
export { ownValue } from './own-value.ts';
export { compilePattern, type Pattern, patternLengthMax } from './pattern/pattern.ts';
export { unicodeSource } from './pattern/syntax.ts';
export { createJobs, type JobsOptions } from './queue.ts';
export { createRoom, type Held, newHeld, type Room } from './room.ts';
export { createSlots } from './slots.ts';
export { span } from './tracing.ts';
