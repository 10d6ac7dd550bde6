/** The directory of one bench run, the stores in it, and the order in which everything goes again. */
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeTree } from '../helpers/host.js';
import { type Bench, baseImage } from './case.js';
import { timeCommand } from './command.js';
import { makeInputs } from './inputs.js';
import type { Scale } from './options.js';
import { ownProcesses } from './processes.js';
import { findTools, type Store, type ToolName } from './tools.js';

/** What checks and remarks the cases made. */
export type Notes = {
  readonly remarks: readonly string[];
  readonly checks: readonly { readonly title: string; readonly met: boolean; readonly detail: string }[];
};

/** Opens a bench for `work`; whatever happens, ends its processes and removes its files afterwards. */
export function withBench<T>(scale: Scale, work: (bench: Bench, notes: Notes) => T): T {
  const workspace = mkdtempSync(join(tmpdir(), 'b-'));
  const atEnd: (() => void)[] = [() => removeTree(workspace), () => endPauseProcesses(workspace)];
  try {
    const { bench, notes } = openBench(scale, workspace, atEnd);
    return work(bench, notes);
  } finally {
    for (const action of atEnd.reverse()) action();
  }
}

function openBench(
  scale: Scale,
  workspace: string,
  atEnd: (() => void)[],
): { readonly bench: Bench; readonly notes: Notes } {
  const tools = findTools(workspace);
  const remarks: string[] = [...tools.remarks];
  const checks: Notes['checks'][number][] = [];
  const remark = (text: string): void => void remarks.push(text);
  const inputs = makeInputs(workspace, remark);
  const baseStores = new Map<ToolName, Store>();
  let stores = 0;
  const bench: Bench = {
    tools,
    scale,
    workspace,
    inputs,
    remark,
    freshStore: (tool) => tool.open(join(workspace, `${tool.name}-${stores++}`)),
    baseStore: (tool) => {
      const store = baseStores.get(tool.name) ?? bench.freshStore(tool);
      if (!baseStores.has(tool.name)) importBase(bench, store);
      baseStores.set(tool.name, store);
      return store;
    },
    check: (title, met, detail) => void checks.push({ title, met, detail }),
    atEnd: (action) => void atEnd.push(action),
  };
  return { bench, notes: { remarks, checks } };
}

/** buildah has no `import`: it builds the image from the tar. */
function importBase(bench: Bench, store: Store): void {
  if (store.tool !== 'buildah') {
    store.run('import', bench.inputs.baseTar, baseImage);
    return;
  }
  const container = store.run('from', 'scratch').trim();
  store.run('add', '-q', container, bench.inputs.baseTar, '/');
  timeCommand(store.command('commit', '-q', '--rm', container, baseImage));
}

/** podman leaves one process behind that keeps its user namespace; where it wrote the number down, it is ended. */
export function endPauseProcesses(workspace: string): void {
  const files = ['podman', 'buildah'].map((name) => join(workspace, 'r', name, 'libpod', 'tmp', 'pause.pid'));
  const pids = files.filter((file) => existsSync(file)).map((file) => Number(readFileSync(file, 'utf8')));
  const pauses = ownProcesses().filter(
    ({ pid, name }) => pids.includes(pid) && /^(catatonit|podman)/.test(name),
  );
  for (const { pid } of pauses) process.kill(pid, 'SIGKILL');
}
