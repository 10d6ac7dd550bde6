/** Real Dockerfiles over Debian: what people build. */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { fixturePath } from '../../helpers/host.js';
import { missingArchive } from '../../helpers/image.js';
import { type Bench, type Case, present, row } from '../case.js';
import { timeCommand } from '../command.js';
import type { Store } from '../tools.js';

/** Of test/fixtures/real, what podman 4 knows the dialect of; one of them, as its network makes an hour of all. */
const names = ['c-static'] as const;

export const realCase: Case = {
  name: 'real',
  speed: 'slow',
  open: (bench) => {
    const reason = missingArchive();
    if (reason !== undefined) {
      bench.remark(`No real Dockerfiles: ${reason}`);
      return { contenders: [], rows: [] };
    }
    const tools = present(bench.tools.coracle, bench.tools.podman);
    return {
      contenders: tools.map((tool) => {
        const store = bench.freshStore(tool);
        store.run('import', bench.inputs.debian().file, 'localhost/debian:latest');
        return {
          label: tool.name,
          // The first round is the warm-up: from then on packages come from the cache mounts, and no mirror is measured.
          round: (record) => {
            for (const name of names)
              record(name, timeCommand(buildCommand(store, contextOf(bench, name), name)));
          },
        };
      }),
      rows: names.map((name) =>
        row(`build of test/fixtures/real/${name}, no step cached, packages there`, name, 0.6),
      ),
    };
  },
};

function buildCommand(store: Store, context: string, name: string) {
  const layers = store.tool === 'coracle' ? [] : ['--layers'];
  return store.command('build', '-q', ...layers, '--no-cache', '-t', `localhost/${name}:1`, context);
}

/** A copy that nobody else writes to. */
function contextOf({ workspace }: Bench, name: string): string {
  const directory = join(workspace, `real-${name}`);
  cpSync(fixturePath('real', name), directory, { recursive: true });
  return directory;
}
