/**
 * Build step: runs commands of the bundle in one process, then writes V8's code cache with every function they
 * compiled. `node warm-up.cjs BUNDLE CACHE SCRATCH COMMANDS`; COMMANDS is JSON, an array of argument arrays.
 * A command that fails (a build machine may forbid user namespaces) only leaves the cache less warm.
 */
'use strict';
const fs = require('node:fs');
const vm = require('node:vm');

const [filename, cache, scratch, commands] = process.argv.slice(2);
const script = new vm.Script(fs.readFileSync(filename, 'latin1'), { filename });
const waiting = JSON.parse(commands);
const dlopen = process.dlopen;

// A foreground command ends by execve, which would end the warm-up as well.
process.dlopen = (module, ...rest) => {
  dlopen.call(process, module, ...rest);
  module.exports = { ...module.exports, execve: refuse };
};
process.exit = refuse;
process.on('uncaughtException', () => undefined);
process.on('unhandledRejection', () => undefined);
process.on('beforeExit', runNext);
Object.assign(process.env, { HOME: scratch, XDG_RUNTIME_DIR: scratch, XDG_CACHE_HOME: `${scratch}/cache` });
process.chdir(scratch);

function refuse() {
  throw new Error('end of a warm-up command');
}

function runNext() {
  const command = waiting.shift();
  if (command === undefined) {
    process.off('beforeExit', runNext);
    fs.writeFileSync(cache, script.createCachedData());
    process.exitCode = 0;
    return;
  }
  process.argv = [process.execPath, filename, ...command];
  const directory = filename.slice(0, filename.lastIndexOf('/'));
  const module = { exports: {} };
  setImmediate(() => undefined); // beforeExit comes again only after some work
  script.runInThisContext()(module.exports, require, module, filename, directory);
}
