/** What the build checks found so far, and what they need to know of all stages. */
import { type CheckOptions, ruleRuns } from '../dockerfile/check-options.js';
import { type RuleName, rules } from '../dockerfile/rules.js';
import type { SourceRange, Warning } from '../dockerfile/source.js';

export class Checks {
  readonly warnings: Warning[] = [];
  /** Stages with a WORKDIR, their own or one they inherit. */
  readonly workdirs = new Set<number>();
  readonly #options: CheckOptions;

  constructor(options: CheckOptions) {
    this.#options = options;
  }

  /** Adds a finding unless its rule is left out; equal ones, as two targets share, once. */
  add(warning: Warning): void {
    const name = warning.rule === undefined ? undefined : asRule(warning.rule);
    if (name !== undefined && !ruleRuns(name, this.#options)) return;
    const isKnown = this.warnings.some((known) => sameFinding(known, warning));
    if (!isKnown) this.warnings.push(warning);
  }

  report(rule: RuleName, range: SourceRange, message: string): void {
    this.add({ rule, range, message });
  }

  /** The rules for which `error=true` fails the build, and where the first of them was found. */
  violation(): { readonly rules: readonly string[]; readonly range: SourceRange } | undefined {
    const found = this.warnings.filter((warning) => warning.rule !== undefined);
    const [first] = found;
    if (!this.#options.error || first === undefined) return undefined;
    return { rules: [...new Set(found.map((warning) => warning.rule ?? ''))].sort(), range: first.range };
  }
}

function asRule(name: string): RuleName | undefined {
  return Object.hasOwn(rules, name) ? (name as RuleName) : undefined;
}

function sameFinding(left: Warning, right: Warning): boolean {
  return (
    left.rule === right.rule &&
    left.message === right.message &&
    left.range.startLine === right.range.startLine
  );
}
