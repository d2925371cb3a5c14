// A program: writes hl7v2-dictionary's tables as JSON, a line a version, for dictionary.ts
import { dictionaries } from 'hl7v2-dictionary';

for (const [version, { segments, types, messages }] of Object.entries(dictionaries)) {
  process.stdout.write(`${JSON.stringify({ version, segments, types, messages })}\n`);
}
