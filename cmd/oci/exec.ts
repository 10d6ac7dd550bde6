import { readFileSync } from 'node:fs';
import { type BundleProcess, CoracleError, ioError, parseBundleProcess } from '../../lib/index.js';
import { absolute, defineOciCommand, readPreserved } from './common.js';

export const command = defineOciCommand({
  name: 'oci exec',
  summary: 'Execute one more process in a running container',
  operands: 'CONTAINER [COMMAND...]',
  count: [1, Number.POSITIVE_INFINITY],
  stopAtOperand: true,
  completes: 'nothing',
  examples: [
    ['coracle oci exec -t box sh', 'A shell with the terminal of the caller'],
    ['coracle oci exec -d --pid-file pid --process process.json box', 'As podman calls it'],
  ],
  options: [
    {
      name: 'console-socket',
      kind: 'string',
      value: 'SOCKET',
      summary: "Gets the descriptor of the terminal's master",
    },
    { name: 'cwd', kind: 'string', value: 'DIR', summary: 'Directory to start in' },
    { name: 'env', short: 'e', kind: 'list', value: 'NAME=VALUE', summary: 'Environment variable' },
    { name: 'tty', short: 't', kind: 'switch', summary: 'Give it a terminal' },
    { name: 'user', short: 'u', kind: 'string', value: 'UID[:GID]', summary: 'Ids of user and group' },
    { name: 'additional-gids', short: 'g', kind: 'list', value: 'GID', summary: 'More groups' },
    { name: 'process', short: 'p', kind: 'string', value: 'FILE', summary: 'The process as JSON' },
    { name: 'detach', short: 'd', kind: 'switch', summary: 'Leave it running' },
    { name: 'pid-file', kind: 'string', value: 'FILE', summary: "Gets the process's pid" },
    { name: 'no-new-privs', kind: 'switch', summary: 'It cannot gain privileges' },
    { name: 'cap', short: 'c', kind: 'list', value: 'CAP', summary: 'A capability it has besides' },
    {
      name: 'preserve-fds',
      kind: 'number',
      value: 'N',
      summary: 'Give it N more descriptors of the caller, from 3 on',
    },
  ],
  refused: {
    'there are no such labels here': 'process-label apparmor',
    'it is in the cgroup of the container': 'cgroup',
    'a paused container is resumed first': 'ignore-paused',
  },
  async handler(values, [id = '', ...words], call) {
    const process = await makerOf(values, words);
    const { code, warnings } = await call.runtime.exec(id, {
      process,
      consoleSocket: absolute(values['console-socket']),
      pidFile: absolute(values['pid-file']),
      detach: values.detach,
      preserveFds: readPreserved(values['preserve-fds']),
    });
    for (const text of warnings) call.warn(text);
    return code;
  },
});

type Flags = {
  readonly process: string | undefined;
  readonly tty: boolean;
  readonly cwd: string | undefined;
  readonly env: readonly string[];
  readonly user: string | undefined;
  readonly 'additional-gids': readonly string[];
  readonly cap: readonly string[];
  readonly 'no-new-privs': boolean;
};

/** A file says everything; without one the process is the container's with what the flags change. */
async function makerOf(
  flags: Flags,
  words: readonly string[],
): Promise<(own: BundleProcess) => BundleProcess> {
  if (flags.process !== undefined) {
    const given = await parseBundleProcess(readText(flags.process), flags.process);
    return () => ({ ...given, terminal: given.terminal || flags.tty });
  }
  if (words.length === 0) throw new CoracleError('USAGE', 'oci exec: needs a command, or --process');
  return (own) => change(own, flags, words);
}

function change(own: BundleProcess, flags: Flags, words: readonly string[]): BundleProcess {
  const { capabilities: sets } = own;
  const more = flags.cap.map((name) => (name.startsWith('CAP_') ? name : `CAP_${name}`).toUpperCase());
  return {
    ...own,
    args: words,
    terminal: flags.tty,
    consoleSize: undefined,
    cwd: flags.cwd ?? own.cwd,
    env: [...own.env, ...flags.env],
    user: userOf(own, flags),
    noNewPrivileges: own.noNewPrivileges || flags['no-new-privs'],
    capabilities: {
      ...sets,
      bounding: [...sets.bounding, ...more],
      effective: [...sets.effective, ...more],
      permitted: [...sets.permitted, ...more],
    },
  };
}

function userOf(own: BundleProcess, flags: Flags): BundleProcess['user'] {
  const groups = flags['additional-gids'].map(idOf);
  const additionalGids = [...own.user.additionalGids, ...groups];
  if (flags.user === undefined) return { ...own.user, additionalGids };
  const [uid = '', gid] = flags.user.split(':');
  return { ...own.user, uid: idOf(uid), gid: gid === undefined ? own.user.gid : idOf(gid), additionalGids };
}

function idOf(text: string): number {
  if (/^\d{1,10}$/.test(text) && Number(text) <= 0x7fff_ffff) return Number(text);
  throw new CoracleError('USAGE', `read id ${JSON.stringify(text)}: it is no number of one`);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw ioError(`read process ${path}`, error);
  }
}
