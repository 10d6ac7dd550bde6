/** A Debian image through registries on this machine, and through files. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { against, type Bench, type Case, present, type Row, transferRows } from '../case.js';
import { type Command, settle, timeCommand } from '../command.js';
import { peakMemory } from '../processes.js';
import { startRegistry } from '../registry.js';
import { type Store, storageLocation, type Tool } from '../tools.js';

const image = 'localhost/debian:1';
const plain = ['-q', '--tls-verify=false'];
/** KiB; what a pull may hold, whatever the image's size. */
const pullMemory = 150 * 1024;

const engines = ({ tools }: Bench) => present(tools.coracle, tools.podman, tools.skopeo);

/** The same deed in each tool's words. */
const deeds = {
  pull: (store: Store, reference: string): Command =>
    store.tool === 'skopeo'
      ? skopeo(store, `docker://${reference}`, storageLocation(store, image))
      : store.command('pull', ...plain, reference),
  push: (store: Store, from: string, reference: string): Command =>
    store.tool === 'skopeo'
      ? skopeo(store, storageLocation(store, image), `docker://${reference}`)
      : store.command('push', ...plain, from, reference),
  save: (store: Store, file: string): Command =>
    store.tool === 'skopeo'
      ? skopeo(store, storageLocation(store, image), `docker-archive:${file}:${image}`)
      : store.command('save', '-q', '-o', file, image),
  load: (store: Store, file: string): Command =>
    store.tool === 'skopeo'
      ? skopeo(store, `docker-archive:${file}`, storageLocation(store, image))
      : store.command('load', '-q', '-i', file),
};

function skopeo(store: Store, from: string, to: string): Command {
  return store.command('copy', '-q', '--src-tls-verify=false', '--dest-tls-verify=false', from, to);
}

/** A store with the Debian image, imported from its tar; skopeo, which imports nothing, gets it from an archive. */
function importedStore(bench: Bench, tool: Tool): Store {
  const store = bench.freshStore(tool);
  if (tool.name !== 'skopeo') {
    store.run('import', bench.inputs.debian().file, image);
    return store;
  }
  const maker = importedStore(bench, bench.tools.coracle);
  const file = join(maker.directory, 'debian-archive.tar');
  timeCommand(deeds.save(maker, file));
  timeCommand(deeds.load(store, file));
  return store;
}

/** A registry that holds the image; written by podman where it is there, so that coracle meets what the others make. */
function filledRegistry(bench: Bench): string {
  const reference = `${startRegistry(bench)}/debian:1`;
  const maker = importedStore(bench, bench.tools.podman ?? bench.tools.coracle);
  timeCommand(deeds.push(maker, image, reference));
  return reference;
}

export const pullCase: Case = {
  name: 'pull',
  speed: 'slow',
  open: (bench) => {
    const reference = filledRegistry(bench);
    const target = startRegistry(bench);
    const size = bench.inputs.debian().what;
    return {
      contenders: engines(bench).map((tool) => ({
        label: tool.name,
        round: (record, round) => {
          const store = bench.freshStore(tool);
          settle();
          record('pull', timeCommand(deeds.pull(store, reference)));
          record('push', timeCommand(deeds.push(store, reference, `${target}/${tool.name}-${round}:pulled`)));
          record('memory', peakMemory(deeds.pull(bench.freshStore(tool), reference), bench.workspace));
        },
      })),
      rows: [
        ...transferRows(`pull of ${size} from a loopback registry into an empty store`, 'pull', 0.5),
        memoryRow(`memory of that pull, all its processes together`),
        ...transferRows('push of the pulled image to another loopback registry', 'push', 0.5),
      ],
    };
  },
};

function memoryRow(title: string): Row {
  const target = { of: 'value', atMost: pullMemory } as const;
  return { title, measure: 'memory', ours: 'coracle', theirs: 'podman', unit: 'KiB', target };
}

export const pushCase: Case = {
  name: 'push',
  speed: 'slow',
  open: (bench) => {
    const target = startRegistry(bench);
    return {
      contenders: engines(bench).map((tool) => ({
        label: tool.name,
        round: (record, round) => {
          // A new one each time: what a push has compressed is known to the next.
          const store = importedStore(bench, tool);
          settle();
          record('made', timeCommand(deeds.push(store, image, `${target}/${tool.name}-${round}:made`)));
        },
      })),
      rows: transferRows('push of an image made on this machine (to be compressed first)', 'made', 0.5),
    };
  },
};

export const copyImageCase: Case = {
  name: 'copy-image',
  speed: 'slow',
  open: (bench) => {
    const reference = filledRegistry(bench);
    return {
      contenders: present(bench.tools.coracle, bench.tools.skopeo).map((tool) => ({
        label: tool.name,
        round: (record) => {
          const store = bench.freshStore(tool);
          const words = ['copy', '-q', '--src-tls-verify=false', `docker://${reference}`];
          const directory = join(store.directory, 'layout');
          settle();
          record('copy', timeCommand(store.command(...words, `oci:${directory}:1`)));
          rmSync(directory, { recursive: true });
        },
      })),
      rows: [against('skopeo', '`copy` of the same image from a registry to an OCI layout', 'copy')],
    };
  },
};

export const archiveCase: Case = {
  name: 'save-load',
  speed: 'slow',
  open: (bench) => ({
    contenders: engines(bench).map((tool) => ({
      label: tool.name,
      round: (record, round) => {
        const file = join(bench.workspace, `${tool.name}-${round}.tar`);
        const store = importedStore(bench, tool);
        settle();
        record('save', timeCommand(deeds.save(store, file)));
        const empty = bench.freshStore(tool);
        settle();
        record('load', timeCommand(deeds.load(empty, file)));
        rmSync(file);
      },
    })),
    rows: [
      ...transferRows(`save of ${bench.inputs.debian().what} as a docker-archive`, 'save', 0.4),
      ...transferRows('load of that archive into an empty store', 'load', 0.4),
    ],
  }),
};
