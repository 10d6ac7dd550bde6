/** After `npm install` of the package: where the programs in it do not run, being of another processor, they are built from the sources beside this file. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const native = fileURLToPath(new URL('.', import.meta.url));
const program = fileURLToPath(new URL('../dist/native/coracle-sv', import.meta.url));
// A checkout has a build of its own.
const isCheckout = existsSync(new URL('../tsconfig.json', import.meta.url));

if (!isCheckout && spawnSync(program, ['probe', 'kernel'], { stdio: 'ignore' }).status !== 0) build();

function build() {
  // All of it anew: what is there looks up to date.
  const { status } = spawnSync('make', ['-B', '-s', '-C', native, 'all'], { stdio: 'inherit' });
  if (status === 0) return;
  console.error(`coracle: build the native programs for ${process.arch}: make failed
hint: on Debian, apt-get install build-essential musl-tools libzstd-dev libdeflate-dev, and npm rebuild coracle`);
  process.exitCode = 1;
}
