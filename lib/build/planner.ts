/**
 * Reads typed instructions into a plan. Decides everything that needs no file system: which stages are needed, what each word
 * expands to, what every step does and what the image's config becomes. Asks only for the configs of base images.
 */
import { expandFrom, expandInstruction } from '../dockerfile/expansion.js';
import type { Dockerfile, Stage } from '../dockerfile/instructions.js';
import type { Warning } from '../dockerfile/source.js';
import { CoracleError } from '../errors.js';
import { hostPlatform, type Platform, parsePlatform } from '../oci/platform.js';
import { type BuildSource, instructionError, placeError } from './build-source.js';
import type { Contexts, NamedContext } from './contexts.js';
import type { BuildEnvironment, BuildOptions } from './options.js';
import { type BuildPlan, dependencies, type PlannedStage, type Source, type StageBase } from './plan.js';
import { platformArguments, Scope } from './scope.js';
import { StagePlanner } from './stage-planner.js';
import { scratchConfig } from './stage-state.js';
import { imageTime, readEpoch, type TimeOptions, type Times, timesOnBase } from './times.js';

export type PlanInput = {
  readonly dockerfile: Dockerfile;
  readonly options: Pick<BuildOptions, 'buildArgs' | 'target' | 'network' | 'sourceDateEpoch' | 'from'> &
    TimeOptions;
  /** The context's own time in seconds, where it has one: a commit's, an archive's. */
  readonly contextTime?: number | undefined;
  /** What the image is for. */
  readonly platform: Platform;
  /** What builds it; this machine by default. */
  readonly buildPlatform?: Platform;
  readonly resolveImage: BuildEnvironment['resolveImage'];
  /** The contexts by name; none where it is left out. */
  readonly contexts?: Pick<Contexts, 'find'> | undefined;
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
  readonly warnings: Warning[];
  readonly #stages = new Map<number, PlannedStage>();
  readonly #platforms = new Map<number, Platform>();
  #epoch: number | undefined;

  constructor(input: PlanInput) {
    this.input = input;
    this.source = { name: input.dockerfile.fileName, lines: input.dockerfile.lines };
    this.warnings = [...input.dockerfile.warnings];
    this.globals = this.#readGlobals();
  }

  async plan(): Promise<BuildPlan> {
    refuseForeignSyntax(this.input.dockerfile, this.source);
    const target = this.#targetIndex();
    this.#epoch = await this.#readEpoch();
    await this.planStage(target);
    this.#warnUnconsumed();
    return { stages: this.#stages, target, platform: this.input.platform, warnings: this.warnings };
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
    if (/^\d+$/.test(name)) {
      throw instructionError(
        this.source,
        at,
        'INVALID',
        `copy from stage ${name}: there is no earlier stage of that index`,
        {
          hint: `stages before this one: 0 to ${before - 1}`,
        },
      );
    }
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

  /** The index of the stage `name` (a name, or an index in digits) among those before `before`. */
  stageIndex(name: string, before: number): number | undefined {
    const lower = name.toLowerCase();
    const earlier = this.input.dockerfile.stages.slice(0, before);
    const named = earlier.filter((stage) => stage.name === lower).at(-1);
    if (named !== undefined) return named.index;
    return /^\d+$/.test(name) && Number(name) < before ? Number(name) : undefined;
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
      const image = await this.input.resolveImage(reference, this.platformOf(stage.index));
      return { base: { kind: 'image', image, reference }, reference };
    } catch (error) {
      throw placeError(error, this.source, from);
    }
  }

  /** What a stage is for: FROM --platform, else as its base stage, else the build's target. */
  platformOf(index: number): Platform {
    return this.#platforms.get(index) ?? this.input.platform;
  }

  #platformArguments(): ReadonlyMap<string, string> {
    return platformArguments(this.input.buildPlatform ?? hostPlatform(), this.input.platform);
  }

  async #inheritedConfig(base: StageBase): Promise<Pick<PlannedStage, 'config' | 'author'>> {
    if (base.kind === 'scratch') return { config: scratchConfig, author: undefined };
    if (base.kind === 'stage') return this.planStage(base.index);
    return { config: base.image.config.config ?? {}, author: base.image.config.author };
  }

  #readGlobals(): Scope {
    const scope = new Scope();
    for (const [name, value] of this.#platformArguments()) scope.declare(name, value);
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

  #targetIndex(): number {
    const { stages } = this.input.dockerfile;
    const { target } = this.input.options;
    if (target === undefined || target === '') return stages.length - 1;
    const index = this.stageIndex(target, stages.length);
    if (index !== undefined) return index;
    const names = stages.map((stage) => stage.name ?? String(stage.index));
    throw new CoracleError('NOT_FOUND', `build target "${target}": ${this.source.name} has no such stage`, {
      hint: `stages: ${names.join(', ')}`,
      exitCode: 1,
    });
  }

  #warnUnconsumed(): void {
    const unused = Object.keys(this.input.options.buildArgs ?? {}).filter(
      (name) => !this.consumed.has(name) && !name.startsWith('BUILDKIT_SBOM_SCAN_'),
    );
    if (unused.length === 0) return;
    this.warnings.push({
      message: `build arguments were not used: ${unused.join(', ')}`,
      range: { startLine: 1, endLine: 1 },
    });
  }
}

/** `# syntax=` may ask for the stock frontend, whose dialect this is; another one is a program that is never run (S33). */
function refuseForeignSyntax(dockerfile: Dockerfile, source: BuildSource): void {
  const { syntax } = dockerfile.directives;
  if (syntax === undefined || /^(docker\.io\/)?docker\/dockerfile(-upstream)?([:@].*)?$/.test(syntax.value))
    return;
  throw instructionError(
    source,
    { range: { startLine: syntax.line, endLine: syntax.line } },
    'UNSUPPORTED',
    `use syntax ${syntax.value}: only docker/dockerfile is built in; other frontends are not run`,
  );
}
