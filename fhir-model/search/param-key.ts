// The numbers that index rows carry for their parameters.

/** FNV-1a over UTF-16 units with a final mix: stable for ever, index rows carry it. Signed 32 bits. */
export function paramKey(resourceType: string, code: string): number {
  let hash = 0x811c9dc5;
  const text = `${resourceType}.${code}`;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
