/**
 * Lets every system call of one command on the store fail in turn and looks at the store after each. Runs as root of a user
 * namespace, as the injector asks for. Arguments: scenario, directory, injector, registry; tells on standard output.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import { openCoracle } from '../../lib/index.js';
import { type Outcome, plainEnvironment, runProgram } from '../helpers/cli.js';
import { repositoryRoot } from '../helpers/host.js';
import { prepare, type Scenario, scenarios } from './scenarios.js';
import { ageTemporaries, figureOf, layerTrees, surplus, tagsOf } from './store-state.js';

const [name = '', base = '', injector = '', registry = ''] = process.argv.slice(2);
const program = join(repositoryRoot(), 'dist', 'coracle');

/**
 * `kill` is the end of the process that calls, `crash` that of all processes of the command, `orphan` that of the command while one
 * that it started calls.
 */
const faults = ['kill', 'crash', 'orphan', 'ENOSPC', 'ENOSPC+', 'EIO', 'EMFILE'] as const;
type Fault = (typeof faults)[number];

/** What the next command makes where it is not there. */
const madeAtNeed = /^(snapshots\/init|coracle\/c)\b/;

/** What an error has to say. */
const meanings: Readonly<Record<string, RegExp>> = {
  ENOSPC: /no space left/i,
  EIO: /i\/o error|input\/output error/i,
  // The C library's words for it in a container, or the end of a child that Node was making.
  EMFILE: /too many open files|no file descriptors available|killed by SIGABRT/i,
};

/** A store of its own with what its processes need. */
class Place {
  readonly directory: string;
  readonly root: string;
  readonly env: Readonly<Record<string, string>>;

  constructor(directory: string) {
    this.directory = directory;
    this.root = join(directory, 'root');
    const [home, runtime] = [join(directory, 'home'), join(directory, 'run')];
    for (const path of [this.root, home, runtime]) mkdirSync(path, { recursive: true, mode: 0o700 });
    this.env = { ...plainEnvironment(), HOME: home, XDG_RUNTIME_DIR: runtime };
  }

  run(args: readonly string[]): Promise<Outcome> {
    return runProgram(program, ['--root', this.root, ...args], { env: this.env, cwd: base, timeout: 20_000 });
  }

  async ok(args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(args);
    if (code !== 0) throw new Error(`${args.join(' ')}: exit ${code}: ${stderr}`);
    return stdout;
  }

  /** Runs with a fault at one call, the first being 1; at 0 there is none. */
  inject(fault: Fault, at: number, args: readonly string[]): Promise<Outcome> {
    const words = [fault, `${at}`, this.root, this.trace, program, '--root', this.root, ...args];
    return runProgram(injector, words, { env: this.env, cwd: base, timeout: 20_000 });
  }

  get trace(): string {
    return join(this.directory, 'trace');
  }

  copy(to: string): Place {
    mkdirSync(to);
    const copied = spawnSync('cp', [
      '-a',
      this.root,
      join(this.directory, 'run'),
      join(this.directory, 'home'),
      to,
    ]);
    if (copied.status !== 0) throw new Error(`copy ${this.directory}: ${copied.stderr}`);
    const place = new Place(to);
    place.#relink(this.root);
    return place;
  }

  /** Sockets' directories say by a link whose they are. */
  #relink(root: string): void {
    const sockets = join(this.directory, 'run', 'coracle', 'c');
    for (const name of existsSync(sockets) ? readdirSync(sockets) : []) {
      const link = join(sockets, name, 'd');
      const target = join(this.root, relative(root, readlinkSync(link)));
      rmSync(link);
      symlinkSync(target, link);
    }
  }

  /** Takes away all that no container needs, as the library does it. */
  async prune(): Promise<void> {
    ageTemporaries(this.root);
    const coracle = openCoracle({ root: this.root, env: this.env });
    try {
      await coracle.images();
      await coracle.containers({ all: true });
      const { failures, problems } = await coracle.pruneSystem({ all: true, volumes: true });
      if (failures.length + problems.length > 0)
        throw new Error(
          `prune: ${problems.join(', ')} ${failures.map(({ error }) => error.message).join(', ')}`,
        );
    } finally {
      await coracle.close();
    }
  }

  /** What `system check --deep` has to say: of damage alone, or also of what nothing needs. */
  async findings(least: 'error' | 'notice'): Promise<readonly string[]> {
    const warnings: string[] = [];
    const onWarning = (text: string): void => void warnings.push(`warning: ${text}`);
    const coracle = openCoracle({ root: this.root, env: this.env, onWarning });
    try {
      const { findings } = await coracle.checkStore({ depth: 'deep', maxAge: 0 });
      const told = findings.filter(({ level }) => level === 'error' || least === 'notice');
      return told.map(({ level, object, problem }) => `${level}: ${object}: ${problem}`).concat(warnings);
    } finally {
      await coracle.close();
    }
  }

  figure(): readonly string[] {
    return figureOf(this.root).concat(figureOf(join(this.directory, 'run')));
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** What is right before and after the command. */
type Expected = {
  readonly before: Stage;
  readonly after: Stage;
  readonly trees: ReadonlySet<string>;
};

type Stage = {
  readonly tags: ReadonlyMap<string, string>;
  /** After everything unused was taken away. */
  readonly figure: readonly string[];
};

async function stageOf(place: Place): Promise<Stage> {
  const tags = tagsOf(place.root);
  await place.prune();
  return { tags, figure: place.figure() };
}

async function expectedOf(template: Place, scenario: Scenario): Promise<Expected> {
  const [before, after] = [template.copy(join(base, 'before')), template.copy(join(base, 'after'))];
  await after.ok(scenario.command);
  const trees = new Set([...layerTrees(before.root).values(), ...layerTrees(after.root).values()]);
  return { before: await stageOf(before), after: await stageOf(after), trees };
}

/** What is wrong with a store, whatever was done: names that are neither old nor new, images and layers that are not whole. */
async function damages(
  place: Place,
  { before, after, trees }: Expected,
  changing: ReadonlySet<string>,
): Promise<readonly string[]> {
  const tags = tagsOf(place.root);
  const wrong: string[] = [...(await place.findings('error'))];
  for (const [tag, digest] of before.tags)
    if (!changing.has(tag) && tags.get(tag) !== digest) wrong.push(`${tag} became ${tags.get(tag)}`);
  for (const tag of tags.keys())
    if (!before.tags.has(tag) && !after.tags.has(tag)) wrong.push(`${tag} came from nowhere`);
  for (const [id, tree] of layerTrees(place.root))
    if (!trees.has(tree)) wrong.push(`snapshot ${id} has another tree`);
  return wrong;
}

/** What is wrong with how the command ended. */
function complaints(scenario: Scenario, fault: Fault, { code, stdout, stderr }: Outcome): readonly string[] {
  if (code === 0 || code === 137) return [];
  const wrong = code === 125 || code === scenario.failure ? [] : [`exit code ${code}`];
  if (/unexpected error|\n\s+at /.test(stderr)) wrong.push('a stack');
  const meaning = meanings[fault.replace('+', '')];
  if (meaning !== undefined && !meaning.test(stderr)) wrong.push('no word of the reason');
  if (!/^coracle: /m.test(stderr)) wrong.push('no message');
  return wrong.length === 0 ? [] : [`${wrong.join(', ')}: ${stderr}${stdout}`];
}

async function point(
  template: Place,
  scenario: Scenario,
  expected: Expected,
  fault: Fault,
  at: number,
): Promise<readonly string[]> {
  const place = template.copy(join(base, `${faults.indexOf(fault)}-${at}`));
  try {
    const outcome = await place.inject(fault, at, scenario.command);
    const traced = readFileSync(place.trace, 'utf8').trimEnd().split('\n');
    rmSync(place.trace);
    const met = traced[traced.indexOf(fault.replace('+', '')) - 1] ?? 'nothing';
    const wrong = [
      ...complaints(scenario, fault, outcome),
      ...(await damages(place, expected, scenario.changing)),
    ];
    if (outcome.code === 0) wrong.push(...missing(place, expected));
    const again = (at + faults.indexOf(fault)) % 2 === 0;
    if (again) {
      const { code, stderr } = await place.run(scenario.command);
      if (code !== 0 && !(scenario.once && /no such|not in the store|is used by/.test(stderr)))
        wrong.push(`again: ${stderr}`);
      wrong.push(...(await damages(place, expected, scenario.changing)), ...missing(place, expected));
    }
    await place.prune();
    wrong.push(...(await place.findings('notice')));
    const figure = place.figure();
    const { before, after } = expected;
    const more = surplus(surplus(figure, after.figure), again ? [] : surplus(before.figure, after.figure));
    const less = surplus(
      again ? after.figure : surplus(after.figure, surplus(after.figure, before.figure)),
      figure,
    );
    wrong.push(
      ...more.map((line) => `left: ${line}`),
      ...less.filter((line) => !madeAtNeed.test(line)).map((line) => `lost: ${line}`),
    );
    return wrong.length === 0
      ? []
      : [`${fault} ${at} at ${met}${again ? ', and again' : ''}: ${wrong.join('\n  ')}`];
  } catch (error) {
    return [`${fault} ${at}: ${error instanceof Error ? error.message : String(error)}`];
  } finally {
    place.remove();
  }
}

function missing(place: Place, { after }: Expected): readonly string[] {
  const tags = tagsOf(place.root);
  return surplus([...after.tags.keys()], [...tags.keys()]).map((tag) => `${tag} is not there`);
}

/** How many calls of the command a fault can meet. */
async function count(template: Place, scenario: Scenario, fault: Fault): Promise<number> {
  const place = template.copy(join(base, 'count'));
  await place.inject(fault, 0, scenario.command);
  const calls = readFileSync(place.trace, 'utf8').split('\n').length - 1;
  place.remove();
  return calls;
}

const scenario = scenarios(base, registry)[name];
if (scenario === undefined) throw new Error(`no scenario ${name}`);
const template = new Place(join(base, 'template'));
await prepare(template, base, scenario);
const expected = await expectedOf(template, scenario);
const points: { readonly fault: Fault; readonly at: number }[] = [];
for (const fault of faults)
  for (let at = await count(template, scenario, fault); at > 0; at--) points.push({ fault, at });
// One point, all of them, or one of so many: each fault meets other calls then.
const chosen = process.env.CORACLE_TEST_POINTS;
const stride = chosen === undefined ? 4 : 1;
const todo = points.filter(
  ({ fault, at }, index) =>
    index % stride === 0 && ([undefined, 'all'].includes(chosen) || chosen === `${fault} ${at}`),
);
const failures: string[] = [];
const total = todo.length;
async function work(): Promise<void> {
  for (let next = todo.pop(); next !== undefined; next = todo.pop())
    failures.push(...(await point(template, scenario as Scenario, expected, next.fault, next.at)));
}
await Promise.all([work(), work()]);
process.stdout.write(JSON.stringify({ points: total, failures }));
