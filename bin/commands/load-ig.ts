// `cerebra load-ig`; what loads is imported once the arguments are known to be good.
import { loader } from '../load/loader.ts';
import { packageArguments, packagesUsage } from '../load/packages-options.ts';

export const run = loader(packageArguments, packagesUsage, async (...asked) =>
  (await import('../load/packages.ts')).runLoadPackages(...asked),
);
