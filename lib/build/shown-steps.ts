/** Every step a display should know of, in the order of the file. */
import type { BuildStep } from './events.js';
import { type BuildPlan, stagesOf } from './plan.js';

/** The last step: what becomes of the targets. */
export const exportStep = 'export';

/** The plan's steps with what each one waits for. */
export function shownSteps(plan: BuildPlan, targets: readonly number[]): readonly BuildStep[] {
  const steps: BuildStep[] = [];
  for (const stage of [...plan.stages.values()].sort((left, right) => left.index - right.index)) {
    const base = stage.base.kind === 'stage' ? lastStep(plan, stage.base.index) : undefined;
    steps.push({
      id: stage.fromId,
      name: stage.fromName,
      inputs: base === undefined ? [] : [base],
      range: stage.fromRange,
    });
    let previous = stage.fromId;
    for (const step of stage.steps) {
      if (step.kind === 'config') continue;
      const from = stagesOf(step).flatMap((index) => lastStep(plan, index) ?? []);
      steps.push({
        id: step.id,
        name: step.name,
        inputs: [...new Set([previous, ...from])],
        range: step.range,
      });
      previous = step.id;
    }
  }
  const inputs = targets.flatMap((target) => lastStep(plan, target) ?? []);
  return [...steps, { id: exportStep, name: 'exporting to image', inputs: [...new Set(inputs)] }];
}

function lastStep(plan: BuildPlan, index: number): string | undefined {
  const stage = plan.stages.get(index);
  return stage?.steps.filter((step) => step.kind !== 'config').at(-1)?.id ?? stage?.fromId;
}
