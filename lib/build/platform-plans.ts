/**
 * Plans of one Dockerfile for several platforms as one plan. Stages that come out alike, as those of
 * `FROM --platform=$BUILDPLATFORM` do, are in it once.
 */
import { formatPlatform, hostPlatform } from '../oci/platform.js';
import { sha256 } from './cache-key.js';
import type { BuildPlan, PlannedStage, Step } from './plan.js';

export type MergedPlan = {
  readonly plan: BuildPlan;
  /** The target's index for each of the plans. */
  readonly targets: readonly number[];
};

/** One plan of all; a single one stays as it is. */
export function mergePlans(plans: readonly BuildPlan[]): MergedPlan {
  const [first] = plans;
  if (first === undefined || plans.length === 1) {
    return { plan: first ?? nothing, targets: [first?.target ?? 0] };
  }
  const merge = new Merge();
  const targets = plans.map((plan) => merge.add(plan));
  const warnings = new Map(plans.flatMap((plan) => plan.warnings.map((one) => [JSON.stringify(one), one])));
  const plan = { ...first, stages: merge.named(), target: targets[0] ?? 0, warnings: [...warnings.values()] };
  return { plan, targets };
}

const nothing: BuildPlan = { stages: new Map(), target: 0, platform: hostPlatform(), warnings: [] };

class Merge {
  readonly #stages = new Map<number, PlannedStage>();
  /** The platforms each stage is for, by its new index. */
  readonly #uses = new Map<number, string[]>();
  readonly #known = new Map<string, number>();

  /** Takes over a plan's stages; the new index of its target. */
  add(plan: BuildPlan): number {
    const places = new Map<number, number>();
    const target = formatPlatform(plan.platform);
    for (const stage of [...plan.stages.values()].sort((one, other) => one.index - other.index)) {
      const moved = relocate(stage, places);
      const identity = identityOf(moved);
      const index = this.#known.get(identity) ?? this.#stages.size;
      places.set(stage.index, index);
      this.#uses.set(index, [...(this.#uses.get(index) ?? []), target]);
      if (this.#known.has(identity)) continue;
      this.#known.set(identity, index);
      this.#stages.set(index, moved);
    }
    return places.get(plan.target) ?? 0;
  }

  /** The stages under names that tell them apart: `linux/amd64->linux/arm64` works on the one for the other. */
  named(): ReadonlyMap<number, PlannedStage> {
    const entries = [...this.#stages].map(([index, stage]): [number, PlannedStage] => {
      const [only, another] = this.#uses.get(index) ?? [];
      const own = formatPlatform(stage.platform);
      const alone = only !== undefined && another === undefined && only !== own;
      return [index, renamed(stage, index, alone ? `${own}->${only}` : own)];
    });
    return new Map(entries);
  }
}

/** The stage with the new indexes of the stages it reads. */
function relocate(stage: PlannedStage, places: ReadonlyMap<number, number>): PlannedStage {
  return mapIndexes(stage, (index) => places.get(index) ?? index) as PlannedStage;
}

function mapIndexes(value: unknown, place: (index: number) => number): unknown {
  if (Array.isArray(value)) return value.map((item) => mapIndexes(item, place));
  if (!isRecord(value)) return value;
  if (value.kind === 'image') return value;
  const mapped = Object.entries(value).map(([key, item]) => [key, mapIndexes(item, place)] as const);
  const record: Record<string, unknown> = Object.fromEntries(mapped);
  if (value.kind === 'stage' && typeof value.index === 'number') record.index = place(value.index);
  return record;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** What makes two stages the same work: everything but what they are called. */
function identityOf(stage: PlannedStage): string {
  return JSON.stringify({ ...stage, index: 0, fromId: '' }, (key, value: unknown) => {
    if (key === 'id' || key === 'image') return isRecord(value) ? value.configDigest : '';
    return value;
  });
}

function renamed(stage: PlannedStage, index: number, prefix: string): PlannedStage {
  const name = (text: string): string => text.replace(/^\[/, `[${prefix} `);
  const id = (text: string): string => sha256(`${index} ${text}`);
  return {
    ...stage,
    index,
    fromId: id(stage.fromId),
    fromName: name(stage.fromName),
    steps: stage.steps.map((step): Step => ({ ...step, id: id(step.id), name: name(step.name) })),
  };
}
