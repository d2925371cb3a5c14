// What was looked up last, bounded by the length of its JSON text.

export interface TextCache<V> {
  get(key: string): V | undefined;
  set(key: string, value: V, characters: number): void;
  /** If it is that value. */
  drop(key: string, value: V): void;
  clear(): void;
}

/** Least recently used go first; what alone is longer than the whole is not kept. `entriesMax` bounds the rest. */
export function createTextCache<V>(charactersMax: number, entriesMax: number): TextCache<V> {
  const entries = new Map<string, { value: V; characters: number }>();
  let total = 0;
  const drop = (key: string): void => {
    total -= entries.get(key)?.characters ?? 0;
    entries.delete(key);
  };
  return {
    get(key) {
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      entries.delete(key);
      entries.set(key, entry);
      return entry.value;
    },
    set(key, value, characters) {
      drop(key);
      if (characters > charactersMax) return;
      entries.set(key, { value, characters });
      total += characters;
      while (total > charactersMax || entries.size > entriesMax) drop(entries.keys().next().value!);
    },
    drop(key, value) {
      if (entries.get(key)?.value === value) drop(key);
    },
    clear() {
      entries.clear();
      total = 0;
    },
  };
}
