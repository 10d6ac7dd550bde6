/** Whether RUN steps of another platform can be executed here: asked only when one must be. */
import { CoracleError } from '../errors.js';
import { elfHeader, matchesEntry, qemuProgram, readBinfmt } from '../host/binfmt.js';
import { formatPlatform, hostPlatform, matchesPlatform, type Platform } from '../oci/platform.js';

/** @throws HOST naming the package that is missing, when the kernel cannot start programs of `platform`. */
export function requireRunnable(platform: Platform, entries: typeof readBinfmt = readBinfmt): void {
  if (matchesPlatform(platform, hostPlatform())) return;
  const name = formatPlatform(platform);
  const start = elfHeader(platform.architecture);
  if (platform.os !== 'linux' || start === undefined)
    throw new CoracleError(
      'HOST',
      `run a step for ${name}: this machine is ${formatPlatform(hostPlatform())}`,
    );
  const found = entries().filter((entry) => matchesEntry(entry, start));
  if (found.some(({ flags }) => flags.includes('F'))) return;
  const [fixed] = found;
  if (fixed !== undefined) {
    throw new CoracleError(
      'HOST',
      `run a step for ${name}: ${fixed.interpreter} is registered without the flag F`,
      {
        hint: 'it is not found in the image; register it with F, as the packages qemu-user-static and qemu-user-binfmt do',
      },
    );
  }
  throw new CoracleError(
    'HOST',
    `run a step for ${name}: this machine is ${formatPlatform(hostPlatform())}, and its kernel knows no emulator`,
    {
      hint: `install qemu-user-static (${qemuProgram(platform.architecture)}) with its binfmt_misc registration, or build with FROM --platform=$BUILDPLATFORM and no RUN in the last stage`,
    },
  );
}
