// `cerebra load-terminology`; what loads is imported once the arguments are known to be good.
import { loader } from '../load/loader.ts';
import { terminologyArguments, terminologyUsage } from '../load/terminology-options.ts';

export const run = loader(terminologyArguments, terminologyUsage, async (...asked) =>
  (await import('../load/terminology.ts')).runLoadTerminology(...asked),
);
