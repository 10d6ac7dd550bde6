/** Buildah as the oracle of builds: the same fixture, its config and its files. */
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import type { ContainerConfig } from '../../lib/oci/container-config.js';
import { runProgram } from '../helpers/cli.js';
import { writeBusyboxTar } from '../helpers/image.js';
import { baseExtras, lines } from './builder.js';

export type OracleImage = { readonly config: ContainerConfig; readonly tree: readonly string[] };

export class Buildah {
  readonly #directory: string;
  readonly #options: readonly string[];

  private constructor(directory: string) {
    this.#directory = directory;
    this.#options = [
      '--root',
      join(directory, 'root'),
      '--runroot',
      join(directory, 'run'),
      '--storage-driver',
      'overlay',
    ];
  }

  /** A Buildah with a store in `directory` that holds the base image. */
  static async open(directory: string): Promise<Buildah> {
    const buildah = new Buildah(directory);
    writeBusyboxTar(join(directory, 'base.tar'), baseExtras);
    const container = (await buildah.#run(['from', 'scratch'])).trim();
    await buildah.#run(['add', '--quiet', container, join(directory, 'base.tar'), '/']);
    await buildah.#run(['config', '--env', 'PATH=/usr/bin:/bin', '--cmd', 'sh', container]);
    await buildah.#run(['config', '--cmd', '["sh"]', container]);
    await buildah.#run([
      'commit',
      '--quiet',
      '--format',
      'docker',
      '--identity-label=false',
      container,
      'localhost/busybox',
    ]);
    return buildah;
  }

  /** Builds a prepared fixture. Without `files` its tree is left out, which takes as long again. */
  async build(
    context: string,
    name: string,
    { options = [], files = true }: { readonly options?: readonly string[]; readonly files?: boolean } = {},
  ): Promise<OracleImage> {
    const fixed = [
      '--quiet',
      '--layers',
      '--isolation',
      'chroot',
      '--format',
      'docker',
      '--identity-label=false',
      '--pull=never',
    ];
    await this.#run(['build', ...fixed, ...options, '--tag', `localhost/${name}`, context]);
    const inspected = await this.#run(['inspect', '--type', 'image', `localhost/${name}`]);
    const { Docker } = JSON.parse(inspected) as { readonly Docker: { readonly config: ContainerConfig } };
    if (!files) return { config: Docker.config, tree: [] };
    const container = (await this.#run(['from', '--pull=never', `localhost/${name}`])).trim();
    const file = join(this.#directory, `${name}.tar`);
    const script = `m=$(buildah ${this.#options.join(' ')} mount ${container}) && tar --xattrs --xattrs-include='*' --numeric-owner --format=pax -C "$m" -cf ${file} .`;
    await this.#run(['unshare', 'sh', '-e', '-c', script]);

    return { config: Docker.config, tree: await lines(createReadStream(file)) };
  }

  async #run(args: readonly string[]): Promise<string> {
    const outcome = await runProgram('buildah', [...this.#options, ...args], {
      env: { HOME: this.#directory, XDG_RUNTIME_DIR: undefined, CONTAINERS_REGISTRIES_CONF: '/dev/null' },
      timeout: 120_000,
    });
    if (outcome.code === 0) return outcome.stdout;
    throw new Error(`buildah ${args.join(' ')}: exit ${outcome.code}\n${outcome.stderr}`);
  }
}
