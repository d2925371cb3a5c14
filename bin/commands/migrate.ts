// `cerebra migrate`
import { withDatabase } from '../database.ts';
import { configOrExit, fail, logOf, takesNothing } from './begin.ts';

export async function run(args: string[]): Promise<void> {
  takesNothing(args);
  const config = configOrExit();
  try {
    await withDatabase(config, logOf(config), 2, async () => undefined);
    console.log('The database is up to date.');
  } catch (error) {
    fail('The database was not brought up to date', error, config);
  }
}
