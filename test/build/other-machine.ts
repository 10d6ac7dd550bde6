/**
 * Makes the process that preloads it (`node --import`) see another machine: a clock that is 400 days ahead, directories listed
 * backwards, a umask that lets nobody in.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const ahead = 400 * 24 * 3600 * 1000;
const now = Date.now;
Date.now = () => now() + ahead;
globalThis.Date = new Proxy(Date, {
  construct: (target, args, self) => Reflect.construct(target, args.length === 0 ? [Date.now()] : args, self),
});

const list = fs.readdirSync;
fs.readdirSync = new Proxy(list, {
  apply: (target, self, args) => [...Reflect.apply(target, self, args)].reverse(),
});
syncBuiltinESMExports();
process.umask(0o077);
