/**
 * Build step: runs commands of the program in one process, then writes which chunks they loaded (`trace`), or V8's code
 * caches with every function they compiled (`caches`). `node warm-up.cjs REQUEST`; REQUEST is JSON: { directory, scratch,
 * commands: [[word...]...], trace?: file, caches?: directory }. A command that fails (a build machine may forbid user
 * namespaces) only leaves the cache less warm. `['@running', ROOT]` has the store's containers look as if they ran.
 */
'use strict';
const fs = require('node:fs');
const vm = require('node:vm');

const { directory, scratch, commands: waiting, trace, caches } = JSON.parse(process.argv[2]);
const scripts = new Map();
const touched = new Set();
const dlopen = process.dlopen;
let pretended = false;

// A foreground command ends by execve, which would end the warm-up as well.
process.dlopen = (module, ...rest) => {
  dlopen.call(process, module, ...rest);
  const { ofdLockHeld } = module.exports;
  module.exports = {
    ...module.exports,
    execve: refuse,
    ofdLockHeld: (path) => pretended || ofdLockHeld(path),
  };
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
    if (trace !== undefined) fs.writeFileSync(trace, JSON.stringify([...touched]));
    for (const [part, script] of caches === undefined ? [] : scripts) {
      fs.writeFileSync(`${caches}/${part}.cache`, script.createCachedData());
    }
    process.exitCode = 0;
    return;
  }
  setImmediate(() => undefined); // beforeExit comes again only after some work
  if (command[0] === '@running') return pretendRunning(`${command[1]}/containers`);
  process.argv = [process.execPath, `${directory}/main.cjs`, ...command];
  start();
}

/** As if this process were the supervisor: nobody can run a container where this is built. */
function pretendRunning(containers) {
  const stat = fs.readFileSync('/proc/self/stat', 'latin1');
  const start = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  const boot = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  const who = { sv: process.pid, svStart: start, pid: process.pid, pidStart: start };
  const live = { v: 1, ...who, boot, started: new Date().toISOString(), restarts: 0, netns: 0 };
  for (const id of fs.readdirSync(containers).filter((name) => !name.startsWith('.'))) {
    fs.writeFileSync(`${containers}/${id}/live`, JSON.stringify(live));
  }
  pretended = true;
}

/** As the loader does, with modules of its own for each command. */
function start() {
  const loaded = new Map();
  const parts = {};
  const load = (part) => {
    const filename = `${directory}/${part}.cjs`;
    if (!scripts.has(part))
      scripts.set(part, new vm.Script(fs.readFileSync(filename, 'latin1'), { filename }));
    return scripts.get(part).runInThisContext()(undefined, requireChunk, filename, directory);
  };
  const requireChunk = (name) => {
    if (name[0] !== '.') return require(name);
    if (!loaded.has(name)) {
      touched.add(name);
      if (parts.hot.chunks[name] === undefined) parts.cold ??= load('cold');
      loaded.set(name, (parts.hot.chunks[name] ?? parts.cold.chunks[name])(requireChunk));
    }
    return loaded.get(name);
  };
  parts.hot = load('hot');
  requireChunk(parts.hot.entry);
}
