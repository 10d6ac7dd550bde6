/** The virtual machine of vagrant/run-vm-tests.sh, driven over ssh as its unprivileged user. */
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type Outcome, runProgram } from '../helpers/cli.js';
import { busyboxEntries, makeTar } from '../helpers/image.js';

/** Of an emulated machine on a busy host: what takes a second takes a minute there at worst. */
const patience = 300_000;

export type SayOptions = {
  /** The user to log in as root of the machine, by sudo. */
  readonly root?: true;
  readonly input?: Uint8Array | string;
  readonly timeout?: number;
};

// Each launch of the tool is noted, since their number is what the tests take their time by. What is not even started ends a script.
const prelude = `set -u
coracle() {
  local code=0
  echo >>~/launches; command coracle "$@" || code=$?
  [ "$code" = 0 ] || [ "\${1:-} \${2:-}" != 'run -d' ] || exit "$code"
  return "$code"
}
until_true() { local try; for try in $(seq 120); do eval "$1" && return; sleep 0.5; done; echo "never: $1" >&2; return 1; }
cgroup_of() { echo "/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$1/cgroup")"; }
pid_of() { coracle inspect --format '{{.State.Pid}}' "$1"; }
`;

/** Runs a script of bash in a login session of the machine. */
export function said(script: string, options: SayOptions = {}): Promise<Outcome> {
  const shell = options.root ? 'sudo --set-home bash -c' : 'bash -c';
  return runProgram('ssh', ['-F', sshConfig(), 'machine', `${shell} ${quoted(prelude + script)}`], {
    timeout: options.timeout ?? patience,
    ...(options.input === undefined ? {} : { input: options.input }),
  });
}

/** The same; its standard output. @throws with all it said when its exit code is not 0. */
export async function ok(script: string, options: SayOptions = {}): Promise<string> {
  const outcome = await said(script, options);
  if (outcome.code === 0) return outcome.stdout;
  throw new Error(
    `exit ${outcome.code ?? outcome.signal} of:\n${script}\n${outcome.stdout}${outcome.stderr}`,
  );
}

/** The lines \`name=value\` of an output. */
export function facts(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    text
      .split('\n')
      .filter((line) => line.includes('='))
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1).trim()]),
  );
}

/** Ends the connection that the sessions of this run share: the user is logged out. */
export async function logOut(): Promise<void> {
  await runProgram('ssh', ['-F', sshConfig(), '-O', 'exit', 'machine']);
}

/** A command of Vagrant, such as \`reload\`. @throws with what it said when it fails. */
export async function vagrant(...words: readonly string[]): Promise<void> {
  const enter = required('VM_CHROOT');
  const outcome = await runProgram(enter, ['vagrant', ...words], {
    timeout: 600_000,
    env: { ...process.env },
  });
  if (outcome.code !== 0) throw new Error(`vagrant ${words.join(' ')}: ${outcome.stdout}${outcome.stderr}`);
}

/** Registers the making of the image \`busybox\`, before the tests of a file. */
export function useBusybox(): void {
  test.before(async (t) => {
    t.timeout(patience);
    await ok(
      `test -e ~/imported || { coracle import -c 'CMD ["sh"]' /dev/stdin busybox && touch ~/imported; }`,
      {
        input: makeTar(busyboxEntries()),
      },
    );
  });
  test.after.always(async (t) => {
    const [launches] = (await ok('wc -l <~/launches')).split('\n');
    t.log(`launches so far: ${launches}`);
  });
}

/** Declares a test that removes its containers; all of them wait long. */
export function onMachine(title: string, body: (t: ExecutionContext<unknown>) => Promise<void>): void {
  test.serial(title, async (t) => {
    t.timeout(2 * patience);
    try {
      await body(t);
    } finally {
      await said('coracle rm -fa -t 0 2>/dev/null || coracle rm -f $(coracle ps -aq)');
    }
  });
}

function sshConfig(): string {
  return join(required('CORACLE_VM_PLACE'), 'ssh_config');
}

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`find the machine: ${name} is not set; run npm run test:vm`);
  return value;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
