/** A real distribution: packages installed from its archive by a RUN with networking, then served from. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, journeyNeeds } from '../helpers/busybox.js';
import { openCli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { fixturePath, missingDevice, missingProgram } from '../helpers/host.js';
import { debianTar, missingArchive, missingDebootstrap } from '../helpers/image.js';
import { fetchText } from '../helpers/web.js';

const needs = [
  ...journeyNeeds,
  missingDebootstrap(),
  missingProgram('pasta'),
  missingDevice('/dev/net/tun'),
  missingArchive(),
];

testWith(
  needs,
  'Debian packages are installed by a rootless RUN, and what they installed serves',
  async (t) => {
    t.timeout(300_000);
    const cli = openCli(t);
    await cli.ok(['import', debianTar(), 'debian'], { timeout: 120_000 });
    const built = await cli.run(['build', '-t', 'web', '--progress', 'plain', fixturePath('debian')], {
      timeout: 240_000,
    });
    t.is(built.code, 0, built.stderr.slice(-4000));
    t.regex(built.stderr, /\/usr\/sbin\/nginx cap_net_bind_service=ep/);
    t.notRegex(built.stderr, /Operation not permitted|Invalid argument/);

    const inside = async (...words: string[]): Promise<string> =>
      cli.ok(['run', '--rm', '--network', 'none', 'web', ...words]);
    t.is(await inside('stat', '-c', '%U:%G %a', '/srv/page.html'), 'www-data:www-data 644\n');
    t.is(await inside('dpkg', '--audit'), '');
    t.regex(await inside('getcap', '/usr/sbin/nginx'), /cap_net_bind_service=ep/);
    t.is(await inside('stat', '-c', '%a %U', '/usr/bin/passwd'), '4755 root\n');

    await cli.ok(['run', '-d', '--name', 'web', '-p', '127.0.0.1::80', 'web']);
    const port = /:(\d+)/.exec(await cli.ok(['ps', '--format', '{{.Ports}}']))?.[1];
    const page = await eventually(() => fetchText(`http://127.0.0.1:${port}/`));
    t.is(page, readFileSync(join(fixturePath('debian'), 'page.html'), 'utf8'));
    await cli.ok(['stop', 'web']);

    const again = await cli.run(['build', '-t', 'web', fixturePath('debian')]);
    t.regex(again.stderr, /\(4 of 4 steps cached\)/);
  },
);
