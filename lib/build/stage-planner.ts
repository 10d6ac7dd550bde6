/** Plans one stage: the base's triggers and its own instructions, in order, become steps and a config. */
import { expandInstruction } from '../dockerfile/expansion.js';
import type {
  AddInstruction,
  ArgInstruction,
  CopyInstruction,
  ExpandedRunInstruction,
  Stage,
  StageInstruction,
} from '../dockerfile/instructions.js';
import { parseTrigger } from '../dockerfile/parse.js';
import { present } from '../oci/guards.js';
import { type BuildSource, placeError } from './build-source.js';
import { sha256 } from './cache-key.js';
import { planCopy } from './copy-plan.js';
import type { ConfigStep, CopyStep, PlannedStage, Source, StageBase, Step, WorkdirStep } from './plan.js';
import type { Planner } from './planner.js';
import { planRun } from './run-planner.js';
import { StageChecks } from './stage-checks.js';
import { StageState } from './stage-state.js';
import { refuseUnsupported } from './unsupported.js';

type Placed = { readonly instruction: StageInstruction; readonly source: BuildSource };
/** Distributes over the kinds of steps. */
type Unnamed<S extends Step> = S extends Step ? Omit<S, 'id' | 'name'> & { readonly shown: string } : never;

export class StagePlanner {
  readonly #planner: Planner;
  readonly #stage: Stage;
  readonly #base: StageBase;
  readonly #reference: string;
  /** Files that the stage begins with. */
  readonly #seed: Source | undefined;
  readonly #state: StageState;
  readonly #checks: StageChecks;
  readonly #steps: Unnamed<Step>[] = [];

  constructor(
    planner: Planner,
    stage: Stage,
    beginning: { readonly base: StageBase; readonly reference: string; readonly seed?: Source },
    inherited: Pick<PlannedStage, 'config' | 'author'>,
  ) {
    this.#planner = planner;
    this.#stage = stage;
    this.#base = beginning.base;
    this.#reference = beginning.reference;
    this.#seed = beginning.seed;
    const parent = beginning.base.kind === 'stage' ? beginning.base.index : undefined;
    this.#state = new StageState(
      inherited.config,
      inherited.author,
      parent === undefined ? undefined : planner.scopes.get(parent),
    );
    planner.scopes.set(stage.index, this.#state.scope);
    this.#checks = new StageChecks(planner.checks, {
      index: stage.index,
      base: parent,
      scope: this.#state.scope,
      hasShell: () => this.#state.hasShell,
      ignored: planner.input.ignored,
    });
    this.#triggers = inherited.config.OnBuild ?? [];
  }

  readonly #triggers: readonly string[];

  async plan(): Promise<PlannedStage> {
    if (this.#seed !== undefined) this.#push(seedStep(this.#seed, this.#stage, this.#reference));
    for (const placed of this.#instructions()) {
      try {
        refuseUnsupported(placed.instruction, placed.source);
        await this.#read(placed);
      } catch (error) {
        throw placeError(error, placed.source, placed.instruction);
      }
    }
    const label = this.#stage.name ?? `stage-${this.#stage.index}`;
    return {
      index: this.#stage.index,
      label,
      platform: this.#planner.platformOf(this.#stage.index),
      base: this.#base,
      ...this.#naming(label),
      fromRange: this.#stage.from.range,
      config: this.#state.config,
      author: this.#state.author,
      times: this.#planner.timesOf(this.#base),
    };
  }

  /** Triggers of the base come first, each with its own text as source. */
  *#instructions(): Generator<Placed> {
    const { escape: escapeToken } = this.#planner.input.dockerfile.directives;
    for (const text of this.#triggers) {
      const name = `ONBUILD of ${this.#reference}`;
      yield { instruction: parseTrigger(text, name, escapeToken), source: { name, lines: text.split('\n') } };
    }
    for (const instruction of this.#stage.instructions) yield { instruction, source: this.#planner.source };
  }

  async #read({ instruction, source }: Placed): Promise<void> {
    const { escape: escapeToken } = this.#planner.input.dockerfile.directives;
    const { instruction: expanded, unmatched } = expandInstruction(
      instruction,
      (name) => this.#state.scope.lookup(name),
      escapeToken,
      (name, hasDefault) =>
        this.#planner.buildArgument(name) ?? (hasDefault ? undefined : this.#planner.globals.lookup(name)),
    );
    // A trigger has no place in this file: what is found in it is shown at the FROM that brings it.
    const isOwn = source === this.#planner.source;
    this.#checks.read(expanded, unmatched, isOwn ? instruction.range : this.#stage.from.range);
    switch (expanded.kind) {
      case 'arg':
        return this.#declare(expanded);
      case 'run':
        return this.#run(expanded);
      case 'copy':
      case 'add':
        return this.#copy(expanded);
      case 'workdir':
        return this.#workdir(expanded.path, expanded.range);
      default:
        this.#state.apply(expanded);
        this.#push({
          kind: 'config',
          range: expanded.range,
          createdBy: expanded.original,
          shown: expanded.original,
        } satisfies Unnamed<ConfigStep>);
    }
  }

  /** Values are settled by the expansion: --build-arg, then the default, then the global ARG of the same name. */
  #declare(instruction: ArgInstruction): void {
    for (const { key, value } of instruction.args) this.#state.scope.declare(key, value);
    const { range, original } = instruction;
    this.#push({ kind: 'config', range, createdBy: original, shown: original });
  }

  async #run(instruction: ExpandedRunInstruction): Promise<void> {
    this.#push(
      await planRun(instruction, { planner: this.#planner, state: this.#state, stage: this.#stage.index }),
    );
  }

  async #copy(instruction: CopyInstruction | AddInstruction): Promise<void> {
    const from: Source =
      instruction.kind === 'copy' && instruction.from !== undefined
        ? await this.#planner.resolveSource(instruction.from, this.#stage.index, instruction)
        : { kind: 'context' };
    const { range, original } = instruction;
    this.#push({
      ...planCopy(instruction, this.#state.workdir),
      range,
      createdBy: original,
      shown: original,
      from,
    } satisfies Unnamed<CopyStep>);
  }

  #workdir(path: string, range: WorkdirStep['range']): void {
    const absolute = this.#state.enter(path);
    this.#push({
      kind: 'workdir',
      range,
      createdBy: `WORKDIR ${absolute}`,
      shown: `WORKDIR ${absolute}`,
      path: absolute,
      user: this.#state.user,
    });
  }

  #push(step: Unnamed<Step>): void {
    this.#steps.push(step);
  }

  /** `[label 2/5]`: FROM is the first, config steps are not counted, the label is left out of single-stage files. */
  #naming(label: string): Pick<PlannedStage, 'fromId' | 'fromName' | 'steps'> {
    const { stages } = this.#planner.input.dockerfile;
    const total = 1 + this.#steps.filter((step) => step.kind !== 'config').length;
    const prefix = stages.length > 1 ? `${label} ` : '';
    let number = 1;
    const { files: filesTime } = this.#planner.timesOf(this.#base);
    const steps = this.#steps.map(({ shown, ...step }, position): Step => {
      if (step.kind !== 'config') number++;
      const place = step.kind === 'config' ? '' : `[${prefix}${number}/${total}] `;
      const name = `${place}${shorten(shown)}`;
      const id = sha256(`${this.#stage.index} ${position} ${step.createdBy}`);
      return { ...step, id, name, ...present('filesTime', filesTime) };
    });
    return {
      fromId: sha256(`${this.#stage.index} FROM ${this.#reference}`),
      fromName: `[${prefix}1/${total}] FROM ${this.#reference}`,
      steps,
    };
  }
}

/** All files of a context, as if copied onto nothing. */
function seedStep(from: Source, stage: Stage, reference: string): Unnamed<CopyStep> {
  return {
    kind: 'copy',
    range: stage.from.range,
    createdBy: `FROM ${reference}`,
    shown: `load context ${reference}`,
    from,
    sources: [{ kind: 'path', pattern: '.', unpack: false }],
    contents: [],
    destination: '/',
    excludes: [],
    link: false,
  };
}

function shorten(text: string): string {
  const line = text.replace(/\s+/g, ' ');
  return line.length > 200 ? `${line.slice(0, 197)}...` : line;
}
