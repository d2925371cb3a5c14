// What the tidy test needs to know of a TypeScript file: its imports and how long its functions are.
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import path from 'node:path';

export interface SourceFile {
  /** Relative to the project's root, with forward slashes. */
  file: string;
  text: string;
  lines: number;
}

export interface FunctionSpan {
  /** First line, counted from 1. */
  line: number;
  lines: number;
}

export function readSource(root: string, file: string): SourceFile {
  const text = readFileSync(path.join(root, file), 'utf8');
  return { file: file.replaceAll(path.sep, '/'), text, lines: text.split('\n').length - 1 };
}

const importPattern =
  /(?:^|\n)\s*(?:import|export)\b[^'"`;]*?\bfrom\s*'([^']+)'|(?:^|\n)\s*import\s*'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/g;

/** Every module specifier that the file imports or re-exports, types included. */
export function importsOf(text: string): string[] {
  const withoutComments = text.replace(/^\s*(\/\/|\*|\/\*).*$/gm, '');
  return [...withoutComments.matchAll(importPattern)].map(([, from, bare, dynamic]) => (from ?? bare ?? dynamic)!);
}

/** Only those that are loaded when the file is: no type imports, no import(). */
export function loadedImportsOf(text: string): string[] {
  return importsOf(stripTypeScriptTypes(text).replace(/\bimport\(/g, 'later('));
}

/**
 * The bodies of all functions, methods and arrow functions. `lines` leaves out functions within: a factory that
 * returns closures is measured like a class, by its own code.
 */
export function functionsOf(text: string): FunctionSpan[] {
  const code = blank(stripTypeScriptTypes(text));
  const spans: FunctionSpan[] = [];
  const open: { line: number; isFunction: boolean; inner: number }[] = [];
  let line = 1;
  for (let at = 0; at < code.length; at++) {
    const character = code[at];
    if (character === '\n') line++;
    if (character === '{') open.push({ line, isFunction: opensFunction(code, at), inner: 0 });
    if (character === '}') {
      const block = open.pop();
      if (!block) continue;
      const lines = line - block.line + 1;
      if (block.isFunction) spans.push({ line: block.line, lines: lines - block.inner });
      const around = open.at(-1);
      // The line on which an inner function opens belongs to the outer one.
      if (around) around.inner += block.isFunction ? lines - 1 : block.inner;
    }
  }
  return spans;
}

/** Types being stripped, a function's body follows `=>` or a parameter list. */
function opensFunction(code: string, at: number): boolean {
  const before = code.slice(0, at).trimEnd();
  if (before.endsWith('=>')) return true;
  if (!before.endsWith(')')) return false;
  const parameters = matchingParenthesis(before);
  const word = /([\w$]+)\s*$/.exec(before.slice(0, parameters))?.[1];
  return !['if', 'for', 'while', 'switch', 'catch', 'with', 'await'].includes(word ?? '');
}

function matchingParenthesis(code: string): number {
  let depth = 0;
  for (let at = code.length - 1; at >= 0; at--) {
    if (code[at] === ')') depth++;
    if (code[at] === '(' && --depth === 0) return at;
  }
  return 0;
}

const tokens = new RegExp(
  [
    String.raw`\/\/[^\n]*`,
    String.raw`\/\*[\s\S]*?\*\/`,
    String.raw`'(?:\\.|[^'\\\n])*'`,
    String.raw`"(?:\\.|[^"\\\n])*"`,
    String.raw`\x60(?:\\.|\$\{(?:[^{}]|\{[^{}]*\})*\}|[^\x60\\])*\x60`,
    // A regular expression stands where a value is expected; elsewhere `/` divides.
    String.raw`(?<=(?:^|[(,=:[!&|?{};+\-*%~^<>]|\breturn|\bcase)\s*)\/(?![*\/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^\/\\\n[])+\/\w*`,
  ].join('|'),
  'g',
);

/** Comments, strings and regular expressions become blanks; lines and columns stay. */
function blank(code: string): string {
  return code.replace(tokens, (token) => token.replace(/[^\n]/g, ' '));
}
