/** The library as programs use it, with no command line in between. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BuildEvent, CoracleError, openCoracle } from '../../lib/index.js';
import { testWith } from '../helpers/declare.js';
import { missingUserNamespaces, temporaryDirectory } from '../helpers/host.js';
import { missingBusybox, writeBusyboxTar } from '../helpers/image.js';

const needs = [missingUserNamespaces(), missingBusybox()];

testWith(needs, 'a program builds, runs, reads, waits and removes', async (t) => {
  const directory = temporaryDirectory(t);
  const env = { ...process.env, HOME: directory, XDG_RUNTIME_DIR: directory };
  const coracle = openCoracle({ root: join(directory, 'root'), env });
  t.teardown(() => coracle.close());
  const base = await coracle.importImage(writeBusyboxTar(join(directory, 'tar')), { reference: 'busybox' });
  const context = join(directory, 'context');
  mkdirSync(context);
  writeFileSync(
    join(context, 'Dockerfile'),
    'FROM busybox\nRUN echo built > /f\nCMD ["cat", "/f", "/none"]\n',
  );
  const events: BuildEvent[] = [];
  const { image, steps } = await coracle.build({
    context,
    tags: ['made'],
    onEvent: (event) => events.push(event),
  });
  t.deepEqual(image.references, ['localhost/made:latest']);
  t.is(steps, 1);
  t.is(image.config.rootfs.diff_ids[0], base.config.rootfs.diff_ids[0]);
  t.is(events.filter(({ kind }) => kind === 'planned').length, 1);

  const { id, name } = await coracle.run('made', { network: 'none', labels: { made: 'by a program' } });
  t.is(await coracle.wait(name), 1);
  const output: string[] = [];
  for await (const { stream, data } of coracle.logs(id)) output.push(`${stream}: ${data}`);
  t.is(output[0], 'stdout: built\n');
  t.regex(output[1] ?? '', /^stderr: cat: can't open '\/none'/);
  const [listed] = await coracle.containers({ all: true });
  t.deepEqual([listed?.id, listed?.exitCode, listed?.labels], [id, 1, { made: 'by a program' }]);
  t.true(await coracle.remove(name));
  t.false(await coracle.remove(name, { ignoreMissing: true }));
  const { deleted, failures } = await coracle.removeImages(['made', 'none']);
  t.deepEqual([deleted, failures.length], [[image.id], 1]);
});

testWith(needs, 'errors have codes that programs can branch on', async (t) => {
  const directory = temporaryDirectory(t);
  const env = { HOME: directory, XDG_RUNTIME_DIR: directory };
  const coracle = openCoracle({ env });
  const code = async (work: Promise<unknown>): Promise<string | undefined> => {
    const error = await t.throwsAsync(work, { instanceOf: CoracleError });
    return error?.code;
  };
  t.is(await code(coracle.run('localhost/none')), 'NOT_FOUND');
  t.is(await code(coracle.stop('none')), 'NOT_FOUND');
  t.is(await code(coracle.tag('none', 'other')), 'NOT_FOUND');
  t.is(await code(coracle.pull('some/UPPER')), 'INVALID');
  t.is(await code(coracle.pull('x', { platform: 'a/b/c/d' })), 'USAGE');
  t.is(await code(coracle.build({ context: directory })), 'NOT_FOUND');
  t.is(await code(openCoracle({ env, storageDriver: 'zfs' }).info()), 'USAGE');
  t.is(await code(openCoracle({ env: {} }).images()), 'HOST');
  t.is(await code(openCoracle({ env, root: '' }).images()), 'USAGE');
  await coracle.close();
});
