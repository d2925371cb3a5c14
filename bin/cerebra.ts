#!/usr/bin/env node
// The command line: cerebra start | load | load-ig | load-terminology | migrate | docs | help.
import { enableCompileCache } from 'node:module';
import path from 'node:path';
import { setFlagsFromString } from 'node:v8';
import packageJson from '../package.json' with { type: 'json' };
import { commands, usage } from './commands.ts';

// From the second start on modules come compiled and without the compiler of types: half the time until it is ready, and 28 MB
// less for `load-ig`. Beside the packages, so that nobody can write there who could not change the program itself; where the
// server can't, it does without.
enableCompileCache(path.join(import.meta.dirname, '../node_modules/.cache/cerebra'));

const [name = 'help', ...rest] = process.argv.slice(2);
const major = Number(process.versions.node.split('.')[0]);

if (major < 24) {
  console.error(
    `Cerebra runs on Node 24 or newer, this is ${process.version}. 'npm install' brings Node 24 along: use 'npm start', which takes it.`,
  );
  process.exitCode = 1;
} else if (name === 'help' || name === '--help' || name === '-h') {
  console.log(usage());
} else if (name === '--version' || name === '-v') {
  console.log(`Cerebra ${packageJson.version}, FHIR R4 (4.0.1), Node ${process.versions.node}`);
} else {
  const command = commands.find((one) => one.name === name);
  if (!command) {
    console.error(`There is no command '${name}'.\n\n${usage()}`);
    process.exitCode = 2;
  } else if (command.usage && (rest.includes('--help') || rest.includes('-h'))) {
    console.log(command.usage);
  } else {
    // Before the first module is read: a guide is then loaded in 145 MB of resident memory instead of 190.
    if (command.sparing) setFlagsFromString('--optimize-for-size --semi-space-growth-factor=1');
    const { run } = await command.module();
    await run(rest);
  }
}
