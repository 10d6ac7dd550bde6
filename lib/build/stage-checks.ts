/** The checks of a stage's instructions at the point where its variables are known. BuildKit's dispatch functions. */
import type {
  AddInstruction,
  CopyInstruction,
  ExpandedInstruction,
  ExposeInstruction,
} from '../dockerfile/instructions.js';
import { rules } from '../dockerfile/rules.js';
import type { SourceRange } from '../dockerfile/source.js';
import { nearest } from '../dockerfile/suggestion.js';
import type { Checks } from './checks.js';
import { cleanPath, type IgnoreMatcher } from './ignore.js';
import type { Scope } from './scope.js';

/** What the ignore file says; only asked for paths of the context. */
export type Ignored = Pick<IgnoreMatcher, 'ignores' | 'hasExclusions' | 'ignoresAll'>;

export type StageView = {
  readonly index: number;
  /** The stage this one is FROM. */
  readonly base: number | undefined;
  readonly scope: Scope;
  /** Whether a SHELL was set, by the base image or before. */
  readonly hasShell: () => boolean;
  readonly ignored: Ignored | undefined;
};

const secret = /(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)/i;
/** URLs and repositories, as ADD tells them apart from paths. */
const remote = /^(https?|git|ssh):\/\/|^git@[^/]+:/;
const harmless = /(?:_|^)(?:public|file|version)(?:_|$)/i;

export class StageChecks {
  readonly #checks: Checks;
  readonly #stage: StageView;
  /** Where the last CMD, ENTRYPOINT and HEALTHCHECK stand. */
  readonly #only = new Map<string, { readonly range: SourceRange }>();

  constructor(checks: Checks, stage: StageView) {
    this.#checks = checks;
    this.#stage = stage;
    if (stage.base !== undefined && checks.workdirs.has(stage.base)) checks.workdirs.add(stage.index);
  }

  /** Looks at an instruction before it is applied. `range` is where findings are shown. */
  read(instruction: ExpandedInstruction, unmatched: readonly string[], range: SourceRange): void {
    if (instruction.kind !== 'expose') this.#undefined(unmatched, range);
    switch (instruction.kind) {
      case 'env':
      case 'label':
        return this.#pairs(instruction.keyword, instruction, range);
      case 'arg':
        for (const { key } of instruction.args) this.#secret('ARG', key, range);
        return;
      case 'cmd':
      case 'entrypoint':
        this.#once(instruction.keyword, instruction.kind, range);
        return this.#jsonForm(instruction.keyword, instruction.command.form, range);
      case 'healthcheck':
        return this.#once(instruction.keyword, instruction.kind, range);
      case 'workdir':
        return this.#workdir(instruction.path, range);
      case 'expose':
        return this.#expose(instruction, range);
      case 'copy':
      case 'add':
        return this.#copy(instruction, range);
      default:
    }
  }

  #undefined(unmatched: readonly string[], range: SourceRange): void {
    const { scope } = this.#stage;
    for (const name of unmatched.filter((one) => !scope.has(one))) {
      const suggestion = nearest(name, [...scope.variableMap().keys()]) ?? '';
      this.#checks.report('UndefinedVar', range, rules.UndefinedVar.format(name, suggestion));
    }
  }

  #pairs(
    keyword: string,
    instruction: Extract<ExpandedInstruction, { kind: 'env' | 'label' }>,
    range: SourceRange,
  ): void {
    for (const { key, legacy } of instruction.pairs) {
      if (legacy)
        this.#checks.report('LegacyKeyValueFormat', range, rules.LegacyKeyValueFormat.format(keyword));
      if (instruction.kind === 'env') this.#secret('ENV', key, range);
    }
  }

  #secret(command: string, key: string, range: SourceRange): void {
    if (!secret.test(key) || harmless.test(key)) return;
    this.#checks.report('SecretsUsedInArgOrEnv', range, rules.SecretsUsedInArgOrEnv.format(command, key));
  }

  /** The earlier one is reported: it is the one without effect. */
  #once(keyword: string, kind: string, range: SourceRange): void {
    const earlier = this.#only.get(kind);
    this.#only.set(kind, { range });
    if (earlier === undefined) return;
    const message = rules.MultipleInstructionsDisallowed.format(keyword);
    this.#checks.report('MultipleInstructionsDisallowed', earlier.range, message);
  }

  #jsonForm(keyword: string, form: 'exec' | 'shell', range: SourceRange): void {
    if (form === 'exec' || this.#stage.hasShell()) return;
    this.#checks.report('JSONArgsRecommended', range, rules.JSONArgsRecommended.format(keyword));
  }

  /** Only the first WORKDIR counts: an absolute one there mends all that follow. */
  #workdir(path: string, range: SourceRange): void {
    const { workdirs } = this.#checks;
    if (!workdirs.has(this.#stage.index) && !path.startsWith('/'))
      this.#checks.report('WorkdirRelativePath', range, rules.WorkdirRelativePath.format(path));
    workdirs.add(this.#stage.index);
  }

  #expose(instruction: ExposeInstruction, range: SourceRange): void {
    for (const port of instruction.ports) {
      const protocol = port.slice(port.lastIndexOf(':') + 1).split('/')[1] ?? '';
      if (protocol !== protocol.toLowerCase())
        this.#checks.report('ExposeProtoCasing', range, rules.ExposeProtoCasing.format(port));
      if (port.includes(':') && port.slice(0, port.lastIndexOf(':')).replaceAll(':', '') !== '')
        this.#checks.report('ExposeInvalidFormat', range, rules.ExposeInvalidFormat.format(port));
    }
  }

  /** With a `!` line in the ignore file nobody can tell without the files, as BuildKit has it. */
  #copy(instruction: CopyInstruction | AddInstruction, range: SourceRange): void {
    const { ignored } = this.#stage;
    const isOther = instruction.kind === 'copy' && instruction.from !== undefined;
    if (ignored === undefined || isOther || ignored.hasExclusions) return;
    for (const source of instruction.sources) {
      if (instruction.kind === 'add' && remote.test(source)) continue;
      const path = cleanPath(source);
      const isRoot = path === '.' || path === '/';
      if (isRoot ? !ignored.ignoresAll : !ignored.ignores(path.replace(/^\//, ''))) continue;
      const command = instruction.kind === 'add' ? 'Add' : 'Copy';
      this.#checks.report('CopyIgnoredFile', range, rules.CopyIgnoredFile.format(command, path));
    }
  }
}
