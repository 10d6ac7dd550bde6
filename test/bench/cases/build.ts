/** Building: many small RUN steps, everything from the cache, many small files. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { against, type Bench, baseImage, type Case, present, row } from '../case.js';
import { type Command, timeCommand } from '../command.js';
import type { Store } from '../tools.js';

/** `build` as the tool's user would have it: with its layer cache. */
function buildCommand(store: Store, context: string, ...flags: readonly string[]): Command {
  const layers = store.tool === 'coracle' ? [] : ['--layers'];
  return store.command('build', '-q', ...layers, ...flags, '-t', 'localhost/built:1', context);
}

const builders = ({ tools }: Bench) => present(tools.coracle, tools.podman, tools.buildah);

export const stepsCase: Case = {
  name: 'build-steps',
  speed: 'slow',
  open: (bench) => {
    const context = stepsContext(bench);
    const { steps } = bench.scale;
    return {
      contenders: builders(bench).map((tool) => {
        const store = bench.baseStore(tool);
        return {
          label: tool.name,
          round: (record) => {
            record('default', timeCommand(buildCommand(store, context, '--no-cache')));
            record('none', timeCommand(buildCommand(store, context, '--no-cache', '--network', 'none')));
          },
        };
      }),
      rows: [
        row(`build of ${steps} RUN steps, each with its default network`, 'default', 0.35),
        row(`build of ${steps} RUN steps, \`--network none\``, 'none', 0.35),
        against('buildah', `build of ${steps} RUN steps, each with its default network`, 'default', 0.35),
      ],
    };
  },
};

export const cachedCase: Case = {
  name: 'build-cached',
  speed: 'fast',
  open: (bench) => {
    const context = stepsContext(bench);
    const { steps } = bench.scale;
    return {
      contenders: builders(bench).map((tool) => {
        const command = buildCommand(bench.baseStore(tool), context);
        return { label: tool.name, round: (record) => record('build', timeCommand(command)) };
      }),
      rows: [
        row(`build of ${steps} RUN steps, all cached`, 'build', 0.25),
        against('buildah', `build of ${steps} RUN steps, all cached`, 'build', 0.25),
      ],
    };
  },
};

function stepsContext({ workspace, scale }: Bench): string {
  const directory = join(workspace, 'steps');
  mkdirSync(directory, { recursive: true });
  const steps = Array.from({ length: scale.steps }, (_, step) => `RUN echo ${step} > /step-${step}\n`);
  writeFileSync(join(directory, 'Dockerfile'), `FROM ${baseImage}\n${steps.join('')}`);
  return directory;
}

export const copyCase: Case = {
  name: 'copy',
  speed: 'slow',
  open: (bench) => {
    const context = filesContext(bench, 'files', bench.scale.files);
    const files = bench.scale.files.toLocaleString('en');
    return {
      contenders: present(bench.tools.coracle, bench.tools.podman).map((tool) => ({
        label: tool.name,
        round: (record) => {
          const store = bench.freshStore(tool);
          const command = buildCommand(store, context);
          record('cold', timeCommand(command));
          record('cached', timeCommand(command));
        },
      })),
      rows: [
        row(`COPY of ${files} small files into an empty store`, 'cold', 0.35),
        row(`COPY of ${files} small files, cached`, 'cached', 0.1),
      ],
    };
  },
};

/** A build that finds nothing changed: what it costs to know that. */
export const contextCase: Case = {
  name: 'context',
  speed: 'slow',
  open: (bench) => {
    const context = filesContext(bench, 'context', bench.scale.context);
    const files = bench.scale.context.toLocaleString('en');
    return {
      contenders: builders(bench).map((tool) => {
        const command = buildCommand(bench.freshStore(tool), context);
        let isFilled = false;
        return {
          label: tool.name,
          round: (record) => {
            if (!isFilled) timeCommand(command);
            isFilled = true;
            record('unchanged', timeCommand(command));
          },
        };
      }),
      rows: [
        against('buildah', `build of a context of ${files} files, nothing changed`, 'unchanged', 0.1),
        row(`build of a context of ${files} files, nothing changed`, 'unchanged', 0.1),
      ],
    };
  },
};

/** Files of 0 to 8 KB, a hundred to a directory, two levels deep. */
function filesContext({ workspace }: Bench, name: string, count: number): string {
  const directory = join(workspace, name);
  const text = 'All the bytes of a small source file, more or less.\n'.repeat(160);
  for (let file = 0; file < count; file++) {
    const parent = join(
      directory,
      'src',
      `group-${Math.floor(file / 1000)}`,
      `part-${Math.floor(file / 100) % 10}`,
    );
    if (file % 100 === 0) mkdirSync(parent, { recursive: true });
    writeFileSync(join(parent, `file-${file}.txt`), `${file}\n${text.slice(0, (file * 7919) % 8192)}`);
  }
  writeFileSync(join(directory, 'Dockerfile'), 'FROM scratch\nCOPY src /src\n');
  return directory;
}

/** Two stages that do not need each other, against the slower of them alone. */
export const stagesCase: Case = {
  name: 'build-stages',
  speed: 'slow',
  open: (bench) => {
    const [tool] = present(bench.tools.coracle);
    if (tool === undefined) return { contenders: [], rows: [] };
    const command = (directory: string): Command =>
      buildCommand(bench.baseStore(tool), directory, '--no-cache', '--network', 'none');
    const both = command(stagesContext(bench, 'both', ['slow', 'quick']));
    const slowest = command(stagesContext(bench, 'slowest', ['slow']));
    return {
      contenders: [
        { label: tool.name, round: (record) => record('build', timeCommand(both)) },
        { label: 'slowest stage', round: (record) => record('build', timeCommand(slowest)) },
      ],
      rows: [against('slowest stage', 'build of two independent stages of 2 s and 1.9 s', 'build', 1.1)],
    };
  },
};

const stageSeconds = { slow: 2, quick: 1.9 };

/** Stages that wait, and a target that takes a file of each. */
function stagesContext(
  { workspace }: Bench,
  name: string,
  stages: readonly (keyof typeof stageSeconds)[],
): string {
  const directory = join(workspace, `stages-${name}`);
  mkdirSync(directory, { recursive: true });
  const made = stages.map(
    (stage) => `FROM ${baseImage} AS ${stage}\nRUN sleep ${stageSeconds[stage]} && echo ${stage} > /f\n`,
  );
  const copies = stages.map((stage) => `COPY --from=${stage} /f /${stage}\n`);
  writeFileSync(join(directory, 'Dockerfile'), `${made.join('')}FROM ${baseImage}\n${copies.join('')}`);
  return directory;
}
