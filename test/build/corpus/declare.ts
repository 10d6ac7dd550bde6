/**
 * The corpus: small Dockerfiles that between them use everything, built here and by Buildah. The same success or failure, the
 * same config, the same files; where Buildah is known to do otherwise, the case says why and what ours is.
 */
import { chmodSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { CoracleError } from '../../../lib/errors.js';
import type { ContainerConfig } from '../../../lib/oci/container-config.js';
import { testWith } from '../../helpers/declare.js';
import { missingProgram, removeTree, temporaryDirectory } from '../../helpers/host.js';
import { makeTar } from '../../helpers/image.js';
import { Buildah, type OracleImage } from '../buildah.js';
import { missingForBuilds } from '../builder.js';
import { comparableConfig } from '../comparable-config.js';
import { SharedBuilders } from '../shared-builders.js';
import { type CorpusCase, contextFiles } from './case.js';

const builders = new SharedBuilders();
const noOracle = missingProgram('buildah');
let directory: string | undefined;
let oracle: Promise<Buildah> | undefined;

test.after.always('the stores are removed', async () => {
  await builders.close();
  if (directory !== undefined) removeTree(directory);
});

/** A test of each case. */
export function declareCases(cases: readonly CorpusCase[]): void {
  for (const [index, one] of cases.entries())
    testWith(missingForBuilds, one.name, async (t) => {
      t.timeout(120_000);
      const context = writeContext(join(temporaryDirectory(t), 'context'), one);
      const builder = await builders.get('overlay');
      const options = {
        buildArgs: one.args ?? {},
        ...(one.target === undefined ? {} : { target: one.target }),
      };
      const theirs = noOracle === undefined ? buildThere(index, context, one) : undefined;
      theirs?.catch(() => undefined); // looked at later, if ever
      const { fails } = one;
      if (fails !== undefined) {
        const error = await t.throwsAsync(builder.build(context, options), { instanceOf: CoracleError });
        t.regex(`${error?.message}\n${error?.excerpt}`, fails);
        if (theirs !== undefined && one.unlike === undefined) await t.throwsAsync(theirs);
        else await theirs?.catch(() => undefined);
        return;
      }
      const { image } = await builder.build(context, options);
      const ours = {
        config: image.config.config ?? {},
        tree: hasFiles(one) ? own(await builder.tree(image)) : [],
      };
      if (one.unlike !== undefined) return expectOwn(t, one, ours, theirs);
      if (theirs === undefined) return;
      const expected = await theirs;
      t.deepEqual(comparable(ours.config), comparable(expected.config));
      t.deepEqual(ours.tree, own(expected.tree));
      expectFields(t, one, ours);
    });
}

async function buildThere(index: number, context: string, one: CorpusCase): Promise<OracleImage> {
  directory ??= mkdtempSync(join(tmpdir(), 'c-'));
  oracle ??= Buildah.open(directory);
  const args = Object.entries(one.args ?? {}).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]);
  const target = one.target === undefined ? [] : ['--target', one.target];
  // Its cache does not tell builds apart that differ in arguments alone.
  const options = ['--no-cache', ...args, ...target];
  return (await oracle).build(context, `case-${index}`, { options, files: hasFiles(one) });
}

/** Of a case that Buildah does otherwise: what is said of ours, and that Buildah still does otherwise. */
async function expectOwn(
  t: ExecutionContext<unknown>,
  one: CorpusCase,
  ours: OracleImage,
  theirs: Promise<OracleImage> | undefined,
): Promise<void> {
  t.true(one.config !== undefined || one.tree !== undefined, 'it says what ours is');
  expectFields(t, one, ours);
  const built = await theirs?.catch(() => undefined);
  if (built === undefined) return;
  const difference = JSON.stringify([comparable(ours.config), ours.tree]);
  t.not(difference, JSON.stringify([comparable(built.config), own(built.tree)]), 'Buildah does the same now');
}

function expectFields(t: ExecutionContext<unknown>, one: CorpusCase, { config, tree }: OracleImage): void {
  for (const [field, value] of Object.entries(one.config ?? {}))
    t.deepEqual(
      field === 'Env' ? config.Env?.filter(isOwn) : config[field as keyof ContainerConfig],
      value as never,
      field,
    );
  if (one.tree === undefined) return;
  const inside = tree.filter((line) => !line.startsWith('out ') || one.tree?.includes(line));
  t.is(inside.length, one.tree.length, tree.join('\n'));
  for (const line of one.tree)
    t.true(
      tree.some((seen) => seen.startsWith(line)),
      `${line}\n${tree.join('\n')}`,
    );
}

/** As BuildKit has it, and Buildah has not, an image from scratch has a working directory. */
function comparable(config: ContainerConfig): object {
  return comparableConfig(config, config.WorkingDir === '/' ? ['WorkingDir'] : []);
}

/** Both give images a PATH. */
function isOwn(variable: string): boolean {
  return !variable.startsWith('PATH=');
}

/** Whether the case makes files that are compared. */
function hasFiles({ dockerfile }: CorpusCase): boolean {
  return dockerfile.includes('/out');
}

/** What the case made, which is below /out. */
function own(tree: readonly string[]): readonly string[] {
  return tree.filter((line) => /^out[ /]/.test(line));
}

function writeContext(path: string, { dockerfile, ignore }: CorpusCase): string {
  for (const [name, content] of Object.entries(contextFiles)) {
    const file = join(path, name);
    mkdirSync(dirname(file), { recursive: true });
    if (content.startsWith('-> ')) symlinkSync(content.slice(3), file);
    else writeFileSync(file, content);
    if (content.startsWith('#!')) chmodSync(file, 0o755);
  }
  const archive = makeTar([
    { name: 'in', type: 'directory', mode: 0o750 },
    { name: 'in/f', content: 'in the archive\n', mode: 0o640, uid: 3, gid: 4 },
    { name: 'in/l', type: 'symlink', link: 'f' },
  ]);
  for (const [name, bytes] of [
    ['archive.tar', archive],
    ['archive.bin', archive],
    ['archive.tar.gz', gzipSync(archive)],
    ['fake.tar', 'no archive\n'],
  ] as const)
    writeFileSync(join(path, name), bytes);
  writeFileSync(join(path, 'Dockerfile'), dockerfile);
  if (ignore !== undefined) writeFileSync(join(path, '.dockerignore'), ignore);
  return path;
}
