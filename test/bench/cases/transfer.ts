/** A Debian image through a registry on this machine, and through files. */
import { join } from 'node:path';
import { type Bench, type Case, present, row } from '../case.js';
import { settle, timeCommand } from '../command.js';
import { startRegistry } from '../registry.js';
import type { Store, Tool } from '../tools.js';

const image = 'localhost/debian:1';
const plain = ['-q', '--tls-verify=false'];

const engines = ({ tools }: Bench) => present(tools.coracle, tools.podman);

/** A store with the Debian image, imported from its tar. */
function importedStore(bench: Bench, tool: Tool): Store {
  const store = bench.freshStore(tool);
  store.run('import', bench.inputs.debian().file, image);
  return store;
}

export const pullCase: Case = {
  name: 'pull-push',
  speed: 'slow',
  open: (bench) => {
    const [source, target] = [startRegistry(bench), startRegistry(bench)];
    const reference = `${source}/debian:1`;
    // Written by podman where it is there, so that coracle meets what the others make.
    importedStore(bench, bench.tools.podman ?? bench.tools.coracle).run('push', ...plain, image, reference);
    const size = bench.inputs.debian().what;
    return {
      contenders: engines(bench).map((tool) => ({
        label: tool.name,
        round: (record, round) => {
          const store = bench.freshStore(tool);
          settle();
          record('pull', timeCommand(store.command('pull', ...plain, reference)));
          const name = `${target}/${tool.name}-${round}`;
          record('push', timeCommand(store.command('push', ...plain, reference, `${name}:pulled`)));
          const imported = importedStore(bench, tool);
          settle();
          record('made', timeCommand(imported.command('push', ...plain, image, `${name}:made`)));
        },
      })),
      rows: [
        row(`pull of ${size} from a loopback registry into an empty store`, 'pull', 0.5),
        row('push of the pulled image to another loopback registry', 'push'),
        row('push of the same image made on this machine (to be compressed first)', 'made'),
      ],
    };
  },
};

export const archiveCase: Case = {
  name: 'save-load',
  speed: 'slow',
  open: (bench) => ({
    contenders: engines(bench).map((tool) => {
      const archive = (round: number): string => join(bench.workspace, `${tool.name}-${round}.tar`);
      return {
        label: tool.name,
        round: (record, round) => {
          const store = importedStore(bench, tool);
          settle();
          record('save', timeCommand(store.command('save', '-q', '-o', archive(round), image)));
          const empty = bench.freshStore(tool);
          settle();
          record('load', timeCommand(empty.command('load', '-q', '-i', archive(round))));
        },
      };
    }),
    rows: [
      row(`save of ${bench.inputs.debian().what} as a docker-archive`, 'save'),
      row('load of that archive into an empty store', 'load'),
    ],
  }),
};
