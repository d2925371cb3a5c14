// `cerebra load`; what loads is imported once the arguments are known to be good.
import { loader } from '../load/loader.ts';
import { loadArguments, loadUsage } from '../load/options.ts';

export const run = loader(loadArguments, loadUsage, async (...asked) =>
  (await import('../load/run.ts')).runLoad(...asked),
);
