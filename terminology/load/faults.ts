// What a release's files have that can't be loaded, told with file and line.
import type { CerebraError } from '#platform';

/** Where it stands and what is wrong. `line` from 1; none where the whole file is meant. */
export interface LoadFault {
  file: string;
  line?: number;
  text: string;
}

export interface Faults {
  tell(file: string, line: number | undefined, text: string): void;
  /** Something that whoever loads should know, though nothing is left out for it. */
  note(file: string, line: number | undefined, text: string): void;
  count(): number;
}

/** What is quoted of a faulty value. */
const QUOTED_CHARACTERS_MAX = 80;

export const quoted = (value: string): string =>
  `'${value.length > QUOTED_CHARACTERS_MAX ? `${value.slice(0, QUOTED_CHARACTERS_MAX)}…` : value}'`;

const faultOf = (file: string, line: number | undefined, text: string): LoadFault =>
  line === undefined ? { file, text } : { file, line, text };

export function createFaults(onFault: (fault: LoadFault) => void, onNote: (note: LoadFault) => void): Faults {
  let told = 0;
  return {
    tell(file, line, text) {
      told++;
      onFault(faultOf(file, line, text));
    },
    note: (file, line, text) => onNote(faultOf(file, line, text)),
    count: () => told,
  };
}

/** What ended the reading of one file among several; its message may begin with the file, perhaps with a line. */
export function tellError(faults: Faults, file: string, { message }: CerebraError): void {
  const rest = message.startsWith(`${file}:`) ? message.slice(file.length + 1) : message;
  const [, line, text = ''] = /^(?:(\d+):)? ?(.*)$/s.exec(rest)!;
  faults.tell(file, line === undefined ? undefined : Number(line), text);
}
