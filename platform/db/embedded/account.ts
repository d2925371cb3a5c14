// PostgreSQL refuses to run as root (https://www.postgresql.org/docs/current/postgres-user.html): root lends it another account.
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { CerebraError } from '../../errors.ts';

/** The account PostgreSQL's processes run under. */
export interface Account {
  uid: number;
  gid: number;
  name: string;
}

/** Undefined: our own account will do. As root: `postgres`, or `nobody` where there is none. */
export async function serverAccount(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = parsePasswd(await readFile('/etc/passwd', 'utf8'));
  const account = accounts.get('postgres') ?? accounts.get('nobody');
  if (!account) {
    throw new CerebraError(
      'config',
      'PostgreSQL does not run as root, and there is neither an account postgres nor nobody',
    );
  }
  return account;
}

function parsePasswd(text: string): Map<string, Account> {
  const fields = text.split('\n').map((line) => line.split(':'));
  return new Map(fields.map(([name = '', , uid, gid]) => [name, { name, uid: Number(uid), gid: Number(gid) }]));
}

/** Whether the account may enter every folder above `target` and enter or run `target` itself, by their modes. */
export async function canReach(account: Account, target: string): Promise<boolean> {
  for (let current = path.resolve(target); ; current = path.dirname(current)) {
    if (!mayEnter(account, await stat(current))) return false;
    if (current === path.dirname(current)) return true;
  }
}

function mayEnter(account: Account, { mode, uid, gid }: { mode: number; uid: number; gid: number }): boolean {
  if (uid === account.uid) return (mode & 0o100) !== 0;
  if (gid === account.gid) return (mode & 0o010) !== 0;
  return (mode & 0o001) !== 0;
}
