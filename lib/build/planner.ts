/**
 * Reads typed instructions into a plan. Decides everything that needs no file system: which stages are needed, what each word
 * expands to, what every step does and what the image's config becomes. Asks only for the configs of base images.
 */
import { expandFrom, expandInstruction } from '../dockerfile/expansion.js';
import type { Dockerfile, Stage } from '../dockerfile/instructions.js';
import { lintDockerfile } from '../dockerfile/lint.js';
import type { Warning } from '../dockerfile/source.js';
import { CoracleError } from '../errors.js';

import { hostPlatform, type Platform, parsePlatform } from '../oci/platform.js';
import { type BuildSource, placeError } from './build-source.js';
import { Checks } from './checks.js';

import type { Contexts, NamedContext } from './contexts.js';
import {
  checkOptions,
  type DirectiveInput,
  refuseFindings,
  refuseForeignSyntax,
} from './directive-effects.js';
import { checkFroms, checkImage } from './from-checks.js';
import type { BuildEnvironment, BuildOptions } from './options.js';
import { type BuildPlan, dependencies, type PlannedStage, type Source, type StageBase } from './plan.js';
import { predefinedArguments, Scope } from './scope.js';
import type { Ignored } from './stage-checks.js';
import { refuseLaterStage, stageIndex, targetIndex } from './stage-names.js';
import { StagePlanner } from './stage-planner.js';
import { scratchConfig } from './stage-state.js';
import { imageTime, readEpoch, type TimeOptions, type Times, timesOnBase } from './times.js';

/** The options that a plan depends on, beside those of time. */
type PlannedOption = 'buildArgs' | 'target' | 'network' | 'allow' | 'proxies' | 'sourceDateEpoch' | 'from';

export type PlanInput = {
  readonly dockerfile: Dockerfile;
  readonly options: TimeOptions & Pick<BuildOptions, PlannedOption>;
  /** The context's own time in seconds, where it has one: a commit's, an archive's. */
  readonly contextTime?: number | undefined;
  /** What the image is for. */
  readonly platform: Platform;
  /** This machine by default. */
  readonly buildPlatform?: Platform;
  readonly resolveImage: BuildEnvironment['resolveImage'];
  /** The contexts by name; none where it is left out. */
  readonly contexts?: Pick<Contexts, 'find'> | undefined;
  /** What the context's ignore file leaves out, for the check of COPY. */
  readonly ignored?: Ignored | undefined;
  /** Told of every warning before the plan is returned, or before it fails. */
  readonly onWarning?: (warning: Warning) => void;
};

/** What a stage begins with. */
type Beginning = { readonly base: StageBase; readonly reference: string; readonly seed?: Source };

/** Plans the stages that the target needs. Errors point at their instruction. */
export async function planBuild(input: PlanInput): Promise<BuildPlan> {
  return new Planner(input).plan();
}

const epochName = 'SOURCE_DATE_EPOCH';

export class Planner {
  readonly input: PlanInput;
  readonly source: BuildSource;
  /** ARGs before the first FROM. */
  readonly globals: Scope;
  readonly consumed = new Set<string>();
  readonly checks: Checks;
  /** The variables of the stages planned. */
  readonly scopes = new Map<number, Scope>();
  readonly #stages = new Map<number, PlannedStage>();
  readonly #platforms = new Map<number, Platform>();
  #epoch: number | undefined;

  constructor(input: PlanInput) {
    this.input = input;
    this.source = { name: input.dockerfile.fileName, lines: input.dockerfile.lines };
    this.checks = new Checks(checkOptions(this.#directives()));
    for (const warning of input.dockerfile.warnings) this.checks.add(warning);
    this.globals = this.#readGlobals();
  }

  get warnings(): readonly Warning[] {
    return this.checks.warnings;
  }

  async plan(): Promise<BuildPlan> {
    try {
      const target = await this.#begin();
      await this.planStage(target);
      this.#warnUnconsumed();
      refuseFindings(this.source, this.checks);
      return { stages: this.#stages, target, platform: this.input.platform, warnings: this.warnings };
    } finally {
      for (const warning of this.warnings) this.input.onWarning?.(warning);
    }
  }

  /** Plans for the sake of the checks: the target and what it needs, or every stage where no target is asked for. */
  async check(): Promise<void> {
    const target = await this.#begin();
    const isAll = (this.input.options.target ?? '') === '';
    const indices = isAll ? this.input.dockerfile.stages.map((stage) => stage.index) : [target];
    for (const index of indices) await this.planStage(index);
  }

  async #begin(): Promise<number> {
    const { dockerfile, options } = this.input;
    refuseForeignSyntax(this.#directives());
    for (const warning of lintDockerfile(dockerfile)) this.checks.add(warning);
    const defaults = new Scope();
    for (const [name, value] of this.#predefined()) defaults.declare(name, value);
    checkFroms(dockerfile, this.globals, defaults, this.checks);
    const target = targetIndex(dockerfile, options.target);
    this.#epoch = await this.#readEpoch();
    return target;
  }

  /** The times of a stage on `base`; a stage on another has that one's. */
  timesOf(base: StageBase): Times {
    const below = base.kind === 'stage' ? this.#stages.get(base.index) : undefined;
    const image = base.kind === 'image' ? base.image : undefined;
    return below?.times ?? timesOnBase(this.#epoch, image, this.input.options);
  }

  /** Plans a stage and, before it, the stages that it needs. A stage can only need earlier ones, so this ends. */
  async planStage(index: number): Promise<PlannedStage> {
    const known = this.#stages.get(index);
    if (known !== undefined) return known;
    const stage = this.input.dockerfile.stages[index];
    if (stage === undefined)
      throw new CoracleError('INTERNAL', `plan stage ${index}: there is no such stage`);
    const replaced = stage.name === undefined ? undefined : await this.#fromContext(stage.name, stage.from);
    const beginning = replaced ?? (await this.#resolveBase(stage));
    const inherited = await this.#inheritedConfig(beginning.base);
    const instructions = replaced === undefined ? stage.instructions : [];
    const planned = await new StagePlanner(this, { ...stage, instructions }, beginning, inherited).plan();
    for (const needed of dependencies(planned)) await this.planStage(needed);
    this.#stages.set(index, planned);
    return planned;
  }

  /** What COPY --from means by `name`: an earlier stage by name or index, else a context, else an image. */
  async resolveSource(
    name: string,
    before: number,
    at: { readonly range: Warning['range'] },
  ): Promise<Source> {
    const index = this.stageIndex(name, before);
    if (index !== undefined) return { kind: 'stage', index };
    refuseLaterStage(this.input.dockerfile, { name, before, at });
    const context = await this.#context(name, at);
    if (context?.kind === 'files') return { kind: 'context', name: context.name };
    if (context !== undefined) return context;
    const image = await this.resolveImage(name, at);
    return { kind: 'image', image, reference: name };
  }

  /** A context given for a name. */
  async #context(name: string, at: { readonly range: Warning['range'] }): Promise<NamedContext | undefined> {
    try {
      return await this.input.contexts?.find(name, this.input.platform);
    } catch (error) {
      throw placeError(error, this.source, at);
    }
  }

  /** A stage of nothing but a context's files, or the image given for its name. */
  async #fromContext(name: string, at: { readonly range: Warning['range'] }): Promise<Beginning | undefined> {
    const context = await this.#context(name, at);
    if (context === undefined) return undefined;
    if (context.kind === 'image') return { base: context, reference: context.reference };
    return { base: { kind: 'scratch' }, reference: name, seed: { kind: 'context', name: context.name } };
  }

  stageIndex(name: string, before: number): number | undefined {
    return stageIndex(this.input.dockerfile.stages.slice(0, before), name);
  }

  async resolveImage(
    reference: string,
    at: { readonly range: Warning['range'] },
  ): ReturnType<BuildEnvironment['resolveImage']> {
    try {
      return await this.input.resolveImage(reference, this.input.platform);
    } catch (error) {
      throw placeError(error, this.source, at);
    }
  }

  async #resolveBase(stage: Stage): Promise<Beginning> {
    const { from } = stage;
    const { escape: escapeToken } = this.input.dockerfile.directives;
    try {
      const { instruction } = expandFrom(from, (name) => this.globals.lookup(name), escapeToken);
      const reference = (stage.index === 0 ? this.input.options.from : undefined) ?? instruction.base;
      if (instruction.platform) this.#platforms.set(stage.index, parsePlatform(instruction.platform));
      if (reference === 'scratch') return { base: { kind: 'scratch' }, reference };
      const index = this.stageIndex(reference, stage.index);
      if (index !== undefined && !/^\d+$/.test(reference)) {
        await this.planStage(index);
        if (!instruction.platform) this.#platforms.set(stage.index, this.platformOf(index));
        return { base: { kind: 'stage', index }, reference };
      }
      const context = await this.#fromContext(reference, from);
      if (context !== undefined) return context;
      const platform = this.platformOf(stage.index);
      const image = await this.input.resolveImage(reference, platform);
      checkImage(image, { reference, platform, range: from.range }, this.checks);
      return { base: { kind: 'image', image, reference }, reference };
    } catch (error) {
      throw placeError(error, this.source, from);
    }
  }

  /** What a stage is for: FROM --platform, else as its base stage, else the build's target. */
  platformOf(index: number): Platform {
    return this.#platforms.get(index) ?? this.input.platform;
  }

  #predefined(given?: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
    const { buildPlatform, platform, options, dockerfile } = this.input;
    const platforms = { build: buildPlatform ?? hostPlatform(), target: platform };
    return predefinedArguments(platforms, options.target ?? dockerfile.stages.at(-1)?.name, given);
  }

  async #inheritedConfig(base: StageBase): Promise<Pick<PlannedStage, 'config' | 'author'>> {
    if (base.kind === 'scratch') return { config: scratchConfig, author: undefined };
    if (base.kind === 'stage') return this.planStage(base.index);
    return { config: base.image.config.config ?? {}, author: base.image.config.author };
  }

  #readGlobals(): Scope {
    const scope = new Scope();
    for (const [name, value] of this.#predefined(this.input.options.buildArgs)) scope.declare(name, value);
    const { escape: escapeToken } = this.input.dockerfile.directives;
    for (const instruction of this.input.dockerfile.metaArgs) {
      try {
        const { instruction: expanded } = expandInstruction(
          instruction,
          (name) => scope.lookup(name),
          escapeToken,
          (name) => this.buildArgument(name),
        );
        if (expanded.kind !== 'arg') continue;
        for (const { key, value } of expanded.args) scope.declare(key, value);
      } catch (error) {
        throw placeError(error, this.source, instruction);
      }
    }
    return scope;
  }

  /** The value of --build-arg `name`, which is thereby used. */
  buildArgument(name: string): string | undefined {
    if (name === epochName && this.#epoch !== undefined) return String(this.#epoch);
    const value = this.input.options.buildArgs?.[name];
    if (value !== undefined) this.consumed.add(name);
    return value;
  }

  /** SOURCE_DATE_EPOCH: the option, the build argument or the global ARG. */
  async #readEpoch(): Promise<number | undefined> {
    const { options, contextTime } = this.input;
    const text =
      options.sourceDateEpoch ?? this.buildArgument(epochName) ?? this.globals.lookup(epochName) ?? '';
    const stage = this.stageIndex(String(text), this.input.dockerfile.stages.length);
    const named = stage === undefined || /^\d/.test(String(text)) ? undefined : await this.#stageTime(stage);
    return readEpoch(String(text), (name) => (name === 'context' ? contextTime : (named ?? 'unknown')));
  }

  /** The time of the image a stage is based on. */
  async #stageTime(index: number): Promise<number> {
    const stage = this.input.dockerfile.stages[index];
    if (stage === undefined) return 0;
    const { base } = await this.#resolveBase(stage);
    if (base.kind === 'stage') return this.#stageTime(base.index);
    return imageTime(base.kind === 'image' ? base.image : undefined);
  }

  #directives(): DirectiveInput {
    return {
      directives: this.input.dockerfile.directives,
      source: this.source,
      argument: (name) => this.buildArgument(name),
    };
  }

  #warnUnconsumed(): void {
    const unused = Object.keys(this.input.options.buildArgs ?? {}).filter(
      (name) => !this.consumed.has(name) && !this.globals.has(name) && !name.startsWith('BUILDKIT_'),
    );
    if (unused.length === 0) return;
    this.checks.add({
      message: `build arguments were not used: ${unused.join(', ')}`,
      range: { startLine: 1, endLine: 1 },
    });
  }
}
