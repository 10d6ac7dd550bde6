/** Ten processes that make, use and remove the same few containers, networks, volumes, pods and images. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cli, Outcome } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingCli, missingUserNamespaces } from '../helpers/host.js';
import { missingBusybox } from '../helpers/image.js';
import { image, leftovers, openStore, until } from './fixture.js';
import { numbers } from './random.js';

const processes = 10;
const duration = 40_000;

/** One of the ten: it takes the names it works with by chance. */
type Worker = {
  readonly cli: Cli;
  readonly random: () => number;
  readonly context: string;
  done: number;
};

type Names = {
  readonly box: string;
  readonly other: string;
  readonly net: string;
  readonly volume: string;
  readonly pod: string;
  readonly tag: string;
  readonly context: string;
};

const words = (text: string): string[] => text.split(' ');

/** What nobody else can keep from being done. */
const certain: readonly ((names: Names) => readonly string[])[] = [
  () => [...words('run --rm --network none'), image, 'true'],
  ({ volume }) => [...words('run --rm --network none -v'), `${volume}:/d`, image, 'touch', '/d/x'],
  ({ tag, context }) => [...words('build -q --network none -t'), tag, context],
  ({ tag }) => ['tag', image, tag],
  () => words('ps -a'),
  () => words('ps -as'),
  () => words('images'),
  () => words('image prune -f'),
  () => words('container prune -f'),
  () => words('network prune -f'),
  () => words('volume prune -f'),
  () => words('system prune -f'),
  () => words('system df'),
  () => words('system check'),
  () => words('network ls'),
  () => words('volume ls'),
  () => words('pod ps'),
  () => words('stats --no-stream'),
];

/** What others may have made impossible a moment ago; `run` and `create` come more often than the rest. */
const uncertain: readonly ((names: Names) => readonly string[])[] = [
  ...Array.from({ length: 6 }, () => ({ box }: Names): string[] => [
    ...words(`run -d --network none --replace --name ${box}`),
    image,
    ...words('sleep 5'),
  ]),
  ({ box, net }) => [...words(`run -d --network ${net} --name ${box}`), image, ...words('sleep 5')],
  ({ box }) => [...words(`create --network none --name ${box}`), image, 'true'],
  ({ pod }) => [...words(`run --rm --pod ${pod}`), image, 'true'],
  ({ tag }) => [...words(`run --rm --network none --pull never ${tag}`), 'true'],
  ...words('start pause unpause kill stop rm logs inspect diff top port').map((verb) => ({ box }: Names) => [
    verb,
    ...(verb === 'stop' ? ['-t', '0'] : []),
    box,
  ]),
  ({ box }) => words(`restart -t 0 ${box}`),
  ({ box }) => words(`rm -f ${box}`),
  ({ box }) => words(`exec ${box} true`),
  // Paused at the end of the crowd, it would be waited for without end.
  ({ box }) => words(`wait --condition exited --condition paused ${box}`),
  ({ box }) => words(`inspect --size ${box}`),
  ({ box }) => words(`export -o /dev/null ${box}`),
  ({ box }) => words(`cp ${box}:/etc/passwd -`),
  ({ box }) => words(`update --restart no ${box}`),
  ({ box, other }) => words(`rename ${box} ${other}`),
  ({ box, tag }) => words(`commit -q ${box} ${tag}`),
  ({ tag }) => words(`rmi ${tag}`),
  ({ tag }) => words(`rmi -f ${tag}`),
  ({ tag }) => words(`save -o /dev/null ${tag}`),
  ({ tag }) => words(`history ${tag}`),
  ({ net }) => words(`network create ${net}`),
  ({ net }) => words(`network rm ${net}`),
  ({ net }) => words(`network rm -f ${net}`),
  ({ net, box }) => words(`network connect ${net} ${box}`),
  ({ net, box }) => words(`network disconnect ${net} ${box}`),
  ({ volume }) => words(`volume create ${volume}`),
  ({ volume }) => words(`volume rm ${volume}`),
  ({ volume }) => words(`volume inspect ${volume}`),
  ({ pod }) => words(`pod create ${pod}`),
  ({ pod }) => words(`pod rm -f ${pod}`),
];

/** What a system call says, or a defect: nobody thought of it. In words it is what was gone, or taken, or did not run. */
const unforeseen =
  /no such file|not a directory|connection re|broken pipe|input.output error|out of memory|canceled|timed out|unexpected/i;

/** Whether it is an answer that a person can do something with: one of ours, about a thing and not about a file of the store. */
function isRefusal({ directory }: Cli, { code, stderr }: Outcome): boolean {
  const isOurs = code !== null && [1, 2, 125].includes(code) && /^coracle: /m.test(stderr);
  return isOurs && !unforeseen.test(stderr) && !stderr.includes(directory);
}

async function act({ cli, random, context }: Worker): Promise<void> {
  const number = (below: number): number => Math.floor(random() * below);
  const box = number(5);
  const names = {
    box: `box${box}`,
    other: `box${(box + 1) % 5}`,
    net: `net${number(2)}`,
    volume: `vol${number(2)}`,
    pod: `pod${number(2)}`,
    tag: `localhost/tag${number(3)}`,
    context,
  };
  const isCertain = random() < 0.4;
  const deeds = isCertain ? certain : uncertain;
  const args = deeds[number(deeds.length)]?.(names) ?? [];
  const outcome = await cli.run(args);
  const { code, stdout, stderr } = outcome;
  const isKilled = args[0] === 'exec' && code === 137;
  if (code === 0 || isKilled || (!isCertain && isRefusal(cli, outcome))) return;
  throw new Error(`${args.join(' ')}: exit ${code}: ${stderr}${args.includes('check') ? stdout : ''}`);
}

testWith(
  [missingCli(), missingUserNamespaces(), missingBusybox()],
  'ten processes make, use and remove the same things at once: what fails says which of them was gone',
  async (t) => {
    t.timeout(duration * 6);
    const seed = Number(process.env.CORACLE_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
    t.log(`CORACLE_TEST_SEED=${seed}`);
    const { cli } = await openStore(t);
    const context = join(cli.directory, 'context');
    mkdirSync(context);
    writeFileSync(join(context, 'Dockerfile'), `FROM ${image}\nRUN date > /made\n`);
    const workers = Array.from(
      { length: processes },
      (_, number): Worker => ({ cli, random: numbers(seed + number), context, done: 0 }),
    );
    const end = Date.now() + duration;
    const failures: string[] = [];
    const work = async (worker: Worker): Promise<void> => {
      for (; Date.now() < end; worker.done++) {
        await act(worker).catch((error) =>
          failures.push(error instanceof Error ? error.message : `${error}`),
        );
      }
    };
    await Promise.all(workers.map(work));
    t.log(`${workers.reduce((sum, { done }) => sum + done, 0)} deeds`);
    t.deepEqual(failures, []);
    await expectNothing(t, cli);
  },
);

/** All can be taken away, and was whole until then. */
async function expectNothing(t: Parameters<typeof openStore>[0], cli: Cli): Promise<void> {
  await cli.ok(['pod', 'rm', '-fa']);
  await cli.ok(['rm', '-fa', '-t', '0']);
  const check = await cli.run(['system', 'check', '--deep', '--max', '0s']);
  t.is(check.code, 0, `${check.stdout}${check.stderr}`);
  await cli.ok(['system', 'prune', '-af', '--volumes', '--build']);
  t.is((await cli.ok(['images', '-aq'])).trim(), '');
  await until(
    () => `nothing is left: ${leftovers(cli).join(', ')}`,
    () => leftovers(cli).length === 0,
  );
}
