/**
 * The check of a store: its index, blobs, layers and records, each against the others. What is found is told; with
 * `repair` each thing is mended as soon as it is found, so that what depends on it is looked at after that. Nothing that an image or
 * container refers to is taken away unless `force` says so, and then by name.
 */
import type { ContainerStores } from '../container/stores.js';
import { CoracleError } from '../errors.js';
import type { HeldLock } from '../host/staging.js';
import type { Stores } from '../image/stores.js';
import type { Digest } from '../oci/digest.js';
import { checkBlobs } from './blobs.js';
import type { CheckContext, CheckSettings, Depth, Detected, Mended, StoreFinding, Tally } from './finding.js';
import { left } from './finding.js';
import { checkIndex, problemOfIndex } from './index-file.js';
import { type Inventory, takeInventory } from './inventory.js';
import { checkLayers } from './layers.js';
import { checkRecords } from './records.js';
import { checkUnreferenced } from './unreferenced.js';

export type CheckOptions = Partial<CheckSettings> & {
  readonly repair?: boolean | undefined;
  /** Told of each finding as soon as it is known. */
  readonly onFinding?: ((finding: StoreFinding) => void) | undefined;
};

export type CheckResult = {
  readonly depth: Depth;
  readonly findings: readonly StoreFinding[];
  readonly checked: Readonly<Tally>;
  /** How many errors there were, and how many are left. */
  readonly errors: number;
  readonly remaining: number;
};

/** What was made in the last day may belong to somebody's work. */
const defaultMaxAge = 24 * 3600 * 1000;

/** Checks a store. @throws IO when it cannot be read at all. */
export async function checkStore(
  stores: Stores,
  containers: ContainerStores,
  options: CheckOptions = {},
): Promise<CheckResult> {
  const context: CheckContext = {
    stores,
    settings: {
      depth: options.depth ?? 'usual',
      force: options.force ?? false,
      maxAge: options.maxAge ?? defaultMaxAge,
      now: options.now ?? Date.now(),
      access: options.access ?? {},
    },
    tally: { blobs: 0, bytes: 0, layers: 0, images: 0, containers: 0 },
  };
  const findings: StoreFinding[] = [];
  const take: Take = async (part) => {
    const from = findings.length;
    for await (const detected of part) {
      const finding = await settle(detected, options.repair ?? false);
      findings.push(finding);
      options.onFinding?.(finding);
    }
    return findings.slice(from);
  };
  const lease = leaseOf(stores, options.repair ?? false);
  try {
    await checkParts(context, containers, take);
  } finally {
    lease?.release();
  }
  if (problemOfIndex(stores) === undefined) await take(checkUnreferenced(context));
  const errors = findings.filter(({ level }) => level === 'error');
  return {
    depth: context.settings.depth,
    findings,
    checked: context.tally,
    errors: errors.length,
    remaining: errors.filter(({ outcome }) => outcome !== 'repaired').length,
  };
}

type Take = (part: Iterable<Detected> | AsyncIterable<Detected>) => Promise<readonly StoreFinding[]>;

async function checkParts(context: CheckContext, containers: ContainerStores, take: Take): Promise<void> {
  const { stores } = context;
  await take(checkIndex(stores));
  if (problemOfIndex(stores) === undefined) {
    await checkAllBlobs(context, take);
    const inventory = takeInventory(stores);
    context.tally.images = new Set(inventory.images.map(({ config }) => config)).size;
    await take(still(stores, checkLayers(context, inventory)));
  }
  await take(checkRecords({ ...context, containers }));
}

/** A manifest that was mended names blobs that nobody could know of before: each round looks at those. */
async function checkAllBlobs(context: CheckContext, take: Take): Promise<void> {
  const seen = new Set<Digest>();
  const told = new Set<string>();
  for (let mended = true; mended; ) {
    const findings = await take(
      news(still(context.stores, checkBlobs(context, takeInventory(context.stores), seen)), told),
    );
    mended = findings.some(({ outcome }) => outcome === 'repaired');
  }
}

async function* news(part: AsyncIterable<Detected>, told: Set<string>): AsyncGenerator<Detected> {
  for await (const detected of part) {
    const key = `${detected.object}: ${detected.problem}`;
    if (!told.has(key)) yield detected;
    told.add(key);
  }
}

/** While it repairs, nobody sweeps. A check alone also works where nothing can be written. */
function leaseOf(stores: Stores, repair: boolean): HeldLock | undefined {
  return repair ? stores.staging.lease() : undefined;
}

/** What is said of images that somebody removed meanwhile is not said. */
async function* still(stores: Stores, part: AsyncIterable<Detected>): AsyncGenerator<Detected> {
  for await (const detected of part) {
    const names = detected.images ?? [];
    if (names.length === 0 || (detected.containers ?? []).length > 0) yield detected;
    else {
      const now: Inventory = takeInventory(stores);
      const known = new Set([...now.blobs.values()].flatMap(({ images }) => [...images]));
      if (names.some((name) => known.has(name))) yield detected;
    }
  }
}

async function settle(detected: Detected, repair: boolean): Promise<StoreFinding> {
  const { mend, images = [], containers = [], ...rest } = detected;
  const finding = { ...rest, images, containers };
  if (!repair) return { ...finding, outcome: 'found' };
  return {
    ...finding,
    ...(mend === undefined ? left('only a person can decide that') : await tryToMend(mend)),
  };
}

async function tryToMend(mend: () => Promise<Mended>): Promise<Mended> {
  try {
    return await mend();
  } catch (error) {
    if (!(error instanceof CoracleError)) throw error;
    return left(error.message);
  }
}
