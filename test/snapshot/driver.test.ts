import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { CoracleError } from '../../lib/errors.js';
import { chooseDriver, type DriverContext, type DriverProbe } from '../../lib/snapshot/driver.js';
import { rootPlan } from '../../lib/snapshot/root-plan.js';
import { temporaryDirectory } from '../helpers/host.js';

const works: DriverProbe = { works: true };
const fails: DriverProbe = { works: false, reason: 'mount is refused', fix: 'use Linux 5.11' };

function context(
  t: ExecutionContext<unknown>,
  overlay: DriverProbe,
  fuse: DriverProbe,
): DriverContext & { calls: string[] } {
  const directory = temporaryDirectory(t);
  const calls: string[] = [];
  const probe = (name: string, result: DriverProbe) => (): DriverProbe => {
    calls.push(name);
    return result;
  };
  return {
    calls,
    store: directory,
    cache: join(directory, 'cache'),
    probes: { overlay: probe('overlay', overlay), fuse: probe('fuse', fuse) },
  };
}

test('the best driver that works is taken, and says why it is not a better one', (t) => {
  t.deepEqual(chooseDriver(undefined, context(t, works, works)), { driver: 'overlay' });
  t.deepEqual(chooseDriver(undefined, context(t, fails, works)), {
    driver: 'fuse-overlayfs',
    reason: 'overlay: mount is refused',
  });
  t.deepEqual(chooseDriver(undefined, context(t, fails, fails)), {
    driver: 'copy',
    reason: 'overlay: mount is refused; fuse-overlayfs: mount is refused',
  });
});

test('each driver is tried once per boot; a damaged cache is made anew', (t) => {
  const tried = context(t, fails, works);
  chooseDriver(undefined, tried);
  chooseDriver(undefined, tried);
  t.deepEqual(tried.calls, ['overlay', 'fuse']);
  writeFileSync(join(tried.cache, 'driver-overlay.json'), '{"key":');
  chooseDriver(undefined, tried);
  t.deepEqual(tried.calls, ['overlay', 'fuse', 'overlay']);
});

test('a forced driver that cannot work says why and what would help', (t) => {
  const error = t.throws(() => chooseDriver('overlay', context(t, fails, works)), {
    instanceOf: CoracleError,
    message: /mount is refused/,
  });
  t.is(error?.code, 'HOST');
  t.regex(error?.hint ?? '', /Linux 5\.11/);
  t.deepEqual(chooseDriver('copy', context(t, fails, fails)), { driver: 'copy' });
  t.throws(() => chooseDriver('zfs', context(t, works, works)), { message: /"zfs": no such driver/ });
});

test('an overlay root names its layers topmost first, then the writable one', (t) => {
  t.deepEqual(
    rootPlan('overlay', ['/b', '/a'], { upper: '/u', work: '/w', volatile: true, readonly: true }),
    [
      ['root', 'overlay'],
      ['layer', '/b'],
      ['layer', '/a'],
      ['upper', '/u'],
      ['work', '/w'],
      ['volatile'],
      ['root-readonly'],
    ],
  );
});

test('a root by fuse-overlayfs names its program, one by copy only its tree', (t) => {
  t.deepEqual(rootPlan('fuse-overlayfs', ['/a'], { fuseProgram: '/usr/bin/fuse-overlayfs' }), [
    ['root', 'fuse'],
    ['fuse-program', '/usr/bin/fuse-overlayfs'],
    ['layer', '/a'],
  ]);
  t.deepEqual(rootPlan('copy', ['/a'], { rootdir: '/r' }), [
    ['root', 'dir'],
    ['rootdir', '/r'],
  ]);
  t.throws(() => rootPlan('copy', [], {}), { message: /rootdir is missing/ });
});
