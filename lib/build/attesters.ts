/** Who attests to what, as the options ask for it: the provenance of each image, and its bill of materials. */
import { basename, relative, resolve } from 'node:path';
import { formatPlatform, type Platform } from '../oci/platform.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import { type Attester, onceForEach } from './attestation.js';
import type { BuildSource } from './build-source.js';
import type { Finished } from './finish.js';
import type { BuildOptions } from './options.js';
import { type Scan, scanPackages } from './package-scan.js';
import type { BuildPlan, PlannedStage } from './plan.js';
import { provenance, provenanceTypes } from './provenance.js';
import type { BuildSession } from './session.js';
import { spdxDocument, spdxType } from './spdx.js';
import type { StageResult } from './stage-files.js';

/** A finished stage that was asked for. */
export type Target = Finished & { readonly stage: PlannedStage; readonly index: number };

export type AttestersInput = {
  readonly session: BuildSession;
  readonly plan: BuildPlan;
  readonly made: readonly Target[];
  readonly source: BuildSource;
  readonly invocation: { readonly id: string; readonly started: Date };
  readonly tool: string;
  /** The result of any stage of the plan. */
  readonly resultOf: (index: number) => Promise<StageResult>;
};

/** The attesters; none unless the options ask for some. */
export function attestersOf(input: AttestersInput): readonly Attester[] {
  const { provenance: wanted, sbom } = input.session.options.attest ?? {};
  const attesters: Attester[] = [];
  if (sbom === true) attesters.push(...materialsAttesters(input));
  if (wanted !== undefined) attesters.push(provenanceAttester(input, wanted));
  return attesters;
}

function provenanceAttester(
  { session, plan, made, source, invocation }: AttestersInput,
  options: Parameters<typeof provenance>[0]['options'],
): Attester {
  const finished = new Date();
  const predicate = async (platform: Platform): Promise<unknown> =>
    provenance({
      options,
      build: session.options,
      plan,
      target: targetFor(made, platform)?.index ?? plan.target,
      context: contextUri(session.options.context),
      file: { name: fileName(source.name, session.options.context), text: source.lines.join('\n') },
      invocation: { ...invocation, finished },
    });
  const predicateType = provenanceTypes[options.version];
  return { predicateType, fileName: 'provenance.json', predicate: onceForEach(predicate) };
}

/** One of the image itself, and one of each further stage that BUILDKIT_SBOM_SCAN_STAGE names. */
function materialsAttesters(input: AttestersInput): readonly Attester[] {
  const { session, plan, made, resultOf } = input;
  if (isOn(session.options.buildArgs?.BUILDKIT_SBOM_SCAN_CONTEXT)) {
    const message =
      'BUILDKIT_SBOM_SCAN_CONTEXT: the context is not scanned, only the image and its stages are';
    session.onEvent({ kind: 'warning', message });
  }
  const image = attester(input, 'sbom', async (target) => target.top);
  const targets = new Set(made.map(({ stage }) => stage.label));
  const labels = new Set(
    [...plan.stages.values()].filter((stage) => isScanned(stage, session)).map(({ label }) => label),
  );
  const stages = [...labels].filter((label) => !targets.has(label));
  const further = stages.map((label) =>
    attester(input, label, async (target) => {
      const stage = stageFor(plan, label, target.stage.platform);
      return stage === undefined ? undefined : (await resultOf(stage.index)).files.top();
    }),
  );
  return [image, ...further];
}

function attester(
  { session, made, tool }: AttestersInput,
  name: string,
  topOf: (target: Target) => Promise<SnapshotRecord | undefined>,
): Attester {
  const predicate = async (platform: Platform): Promise<unknown> => {
    const target = targetFor(made, platform);
    const top = target === undefined ? undefined : await topOf(target);
    const scan = top === undefined ? nothing : await scanPackages(session.agent(), await session.stack(top));
    return spdxDocument({
      scan,
      name,
      created: target?.image.config.created ?? new Date(0).toISOString(),
      tool,
    });
  };
  const fileName = name === 'sbom' ? 'sbom.spdx.json' : `sbom-${name.replace(/[^\w.-]/g, '_')}.spdx.json`;
  return { predicateType: spdxType, fileName, predicate: onceForEach(predicate) };
}

const nothing: Scan = { packages: [], unread: [] };

/** As an ARG of the stage or a build argument: a truth value, or names of stages. */
function isScanned(stage: PlannedStage, session: BuildSession): boolean {
  const given = session.options.buildArgs?.BUILDKIT_SBOM_SCAN_STAGE;
  const own = stage.steps.flatMap(
    ({ createdBy }) => /^ARG\s+BUILDKIT_SBOM_SCAN_STAGE(?:=["']?([^"'\s]*))?/i.exec(createdBy) ?? [],
  );
  const text = own.length === 0 ? given : (given ?? own[1]);
  return isOn(text) || (text ?? '').split(',').includes(stage.label);
}

function isOn(text: string | undefined): boolean {
  return text === 'true' || text === '1';
}

/** The stage of this name for the platform, or the one that all platforms share. */
function stageFor(plan: BuildPlan, label: string, platform: Platform): PlannedStage | undefined {
  const called = [...plan.stages.values()].filter((stage) => stage.label === label);
  return called.find((stage) => formatPlatform(stage.platform) === formatPlatform(platform)) ?? called[0];
}

/** Relative to the context; of a file elsewhere the last part of its path, which is nobody's business. */
function fileName(path: string, context: BuildOptions['context']): string {
  if (typeof context !== 'string') return basename(path);
  const inside = relative(resolve(context), resolve(path));
  return inside.startsWith('..') ? basename(path) : inside;
}

/** Where a remote context came from, without what may be a password in it. */
function contextUri(context: BuildOptions['context']): string | undefined {
  if (typeof context !== 'string' || !/^[a-z+]+:\/\//.test(context)) return undefined;
  return context.replace(/^([a-z+]+:\/\/)[^/@]*@/, '$1');
}

function targetFor(targets: readonly Target[], platform: Platform): Target | undefined {
  return targets.find(({ stage }) => formatPlatform(stage.platform) === formatPlatform(platform));
}
