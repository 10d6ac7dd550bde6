/** The checks that need nothing but the file: names of stages, letter case, descriptions. BuildKit's validations.go. */
import type { Dockerfile, FromInstruction, InstructionSource, Stage } from './instructions.js';
import { type RuleName, rules } from './rules.js';
import type { Warning } from './source.js';

const reservedNames: ReadonlySet<string> = new Set(['context', 'scratch']);

/** What the rules find in a whole file, whatever is built of it. */
export function lintDockerfile(dockerfile: Dockerfile): readonly Warning[] {
  const froms = dockerfile.stages.map((stage) => stage.from);
  return [
    ...froms.flatMap(stageCasing),
    ...stageNames(dockerfile.stages),
    ...instructionCasing(dockerfile.stages),
    ...descriptions(dockerfile),
  ];
}

/** A finding of `rule` at `source`. */
export function finding(rule: RuleName, source: Pick<InstructionSource, 'range'>, message: string): Warning {
  return { rule, message, range: source.range };
}

function stageCasing(from: FromInstruction): Warning[] {
  const { stageNameWritten: name, asKeyword: as, keyword } = from;
  const found: Warning[] = [];
  if (name !== undefined && name !== name.toLowerCase())
    found.push(finding('StageNameCasing', from, rules.StageNameCasing.format(name)));
  // A keyword in mixed case is another rule's finding.
  const cased = keyword === keyword.toLowerCase() ? as?.toLowerCase() : as?.toUpperCase();
  if (as !== undefined && isConsistent(keyword) && as !== cased)
    found.push(finding('FromAsCasing', from, rules.FromAsCasing.format(keyword, as)));
  return found;
}

function stageNames(stages: readonly Stage[]): Warning[] {
  const seen = new Set<string>();
  return stages.flatMap(({ name, from }) => {
    if (name === undefined) return [];
    const found: Warning[] = [];
    if (reservedNames.has(name))
      found.push(finding('ReservedStageName', from, rules.ReservedStageName.format(name)));
    if (seen.has(name))
      found.push(finding('DuplicateStageName', from, rules.DuplicateStageName.format(name)));
    seen.add(name);
    return found;
  });
}

/** Ties go to upper case. */
function instructionCasing(stages: readonly Stage[]): Warning[] {
  const all: readonly InstructionSource[] = stages.flatMap((stage) => [stage.from, ...stage.instructions]);
  const consistent = all.filter(({ keyword }) => isConsistent(keyword));
  const lower = consistent.filter(({ keyword }) => keyword === keyword.toLowerCase()).length;
  const isLower = lower > consistent.length - lower;
  return all.flatMap((instruction) => {
    const { keyword } = instruction;
    if (keyword === (isLower ? keyword.toLowerCase() : keyword.toUpperCase())) return [];
    const casing = isLower ? 'lowercase' : 'uppercase';
    const message = rules.ConsistentInstructionCasing.format(keyword, casing);
    return [finding('ConsistentInstructionCasing', instruction, message)];
  });
}

function isConsistent(keyword: string): boolean {
  return keyword === keyword.toLowerCase() || keyword === keyword.toUpperCase();
}

function descriptions(dockerfile: Dockerfile): Warning[] {
  const found: Warning[] = [];
  const check = (command: string, names: readonly string[], source: InstructionSource): void => {
    const last = source.comments.at(-1);
    const [first] = names;
    if (last === undefined || first === undefined || names.includes(last.split(' ')[0] ?? '')) return;
    const example = names.length > 1 ? '<arg_key>' : first;
    const message = rules.InvalidDefinitionDescription.format(command, example);
    found.push(finding('InvalidDefinitionDescription', source, message));
  };
  const instructions = dockerfile.stages.flatMap((stage) => [stage.from, ...stage.instructions]);
  for (const instruction of [...dockerfile.metaArgs, ...instructions]) {
    if (instruction.kind === 'arg') {
      const names = instruction.args.map((argument) => argument.key);
      check('ARG', names, instruction);
    } else if (instruction.kind === 'from' && instruction.stageName !== undefined) {
      check('FROM', [instruction.stageName], instruction);
    }
  }
  return found;
}
