// Versions of definitions as the change stream has shown them: two transactions that touch several resources may reach it in another order
// than they changed one of them, and an older version must not take the place of a newer one. Of what is gone this is known for
// a while: such transactions are some milliseconds apart, and each deleted Subscription that is remembered for good takes 100 bytes.
export interface SeenVersions {
  /** 0 where none is known. */
  of(id: string): number;
  has(id: string): boolean;
  set(id: string, version: number): void;
  /** It has been deleted by that version, or is no definition any more. */
  setGone(id: string, version: number): void;
  clear(): void;
}

export function createSeenVersions(goneMax = 10_000): SeenVersions {
  const versions = new Map<string, number>();
  const gone = new Set<string>();
  const set = (id: string, version: number) => {
    versions.set(id, version);
    gone.delete(id);
  };
  return {
    of: (id) => versions.get(id) ?? 0,
    has: (id) => versions.has(id),
    set,
    setGone(id, version) {
      set(id, version);
      gone.add(id);
      if (gone.size <= goneMax) return;
      const [oldest = ''] = gone;
      gone.delete(oldest);
      versions.delete(oldest);
    },
    clear() {
      versions.clear();
      gone.clear();
    },
  };
}
