/** Two hundred lives of containers, four at a time, with a kill -9 somewhere in each. The seed of a run is printed: it can be had again. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingCli, missingDevice, missingProgram, missingUserNamespaces } from '../helpers/host.js';
import { missingBusybox } from '../helpers/image.js';
import {
  image,
  leftovers,
  mountsBelow,
  openStore,
  type Process,
  rolesOf,
  statusOf,
  survivors,
  until,
} from './fixture.js';
import { numbers } from './random.js';

const lives = 200;
const needs = [
  missingCli(),
  missingUserNamespaces(),
  missingBusybox(),
  missingProgram('pasta'),
  missingDevice('/dev/net/tun'),
  missingProgram('fuse-overlayfs'),
  missingDevice('/dev/fuse'),
];

type Victim = 'command' | 'supervisor' | 'infra' | 'init' | 'pasta' | 'fuse';
const victims: readonly Victim[] = ['command', 'command', 'supervisor', 'infra', 'init', 'pasta', 'fuse'];

testWith(
  needs,
  'of two hundred lives, each with a kill in it, every state is true and nothing is left',
  async (t) => {
    t.timeout(240_000);
    const { cli } = await openStore(t);
    const seed = Number(process.env.CORACLE_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
    t.log(`CORACLE_TEST_SEED=${seed}`);
    const random = numbers(seed);
    const families: Process[] = [];
    let next = 0;
    const work = async (): Promise<void> => {
      for (let index = next++; index < lives; index = next++) {
        const victim = victims[Math.floor(random() * victims.length)] ?? 'command';
        const life = { name: `l${index}`, victim, removed: random() < 0.4, moment: random() };
        families.push(...(await live(cli, life)));
      }
    };
    await Promise.all(Array.from({ length: 4 }, work));
    await until(
      () => `all processes are gone: ${JSON.stringify(survivors(families))}`,
      () => survivors(families).length === 0,
    );
    t.deepEqual(mountsBelow(cli.directory), []);
    await until(
      () => `nothing is left of ${leftovers(cli).join(', ')}`,
      async () => (await cli.ok(['ps', '-a'])) !== '' && leftovers(cli).length === 0,
    );
    t.is((await cli.ok(['run', '--rm', '--network', 'none', image, 'echo', 'works'])).trim(), 'works');
  },
);

type Life = {
  readonly name: string;
  readonly victim: Victim;
  readonly removed: boolean;
  /** When the kill comes, as a part of the time there is. */
  readonly moment: number;
};

/** The processes that there were. @throws when a state is not true. */
async function live(cli: Cli, { name, victim, removed, moment }: Life): Promise<readonly Process[]> {
  const driver = victim === 'fuse' ? 'fuse-overlayfs' : 'overlay';
  const flags = ['-d', '--name', name, '--network', victim === 'pasta' ? 'pasta' : 'none'];
  const run = [
    '--storage-driver',
    driver,
    'run',
    ...flags,
    ...(removed ? ['--rm'] : []),
    image,
    'sleep',
    '1000',
  ];
  if (victim === 'command') {
    const child = cli.start(run);
    const ended = new Promise((resolve) => child.once('close', resolve));
    await sleep(moment * 200);
    child.kill('SIGKILL');
    await ended;
    await cli.run(['rm', '-f', '-t', '0', name]);
    return [];
  }
  const roles = rolesOf(cli, (await cli.ok(run)).trim());
  await sleep(moment * 50);
  const pid = roles[victim];
  if (pid === undefined) throw new Error(`find the ${victim} of ${name}: ${JSON.stringify(roles)}`);
  process.kill(pid, 'SIGKILL');
  if (victim !== 'pasta') {
    const over = async (): Promise<boolean> => {
      const status = await statusOf(cli, name);
      return removed ? status === '' : /^Exited \(137\)/.test(status);
    };
    await until(`${name} without its ${victim} is told to be over`, over);
  }
  const gone = await cli.run(['rm', '-f', '-t', '0', name]);
  if (gone.code !== 0) throw new Error(`remove ${name} without its ${victim}: ${gone.stderr}`);
  return roles.all;
}
