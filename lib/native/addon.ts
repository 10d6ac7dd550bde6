/** The calls Node lacks, typed. Loaded at first use: 0.2 ms. native/PROTOCOL.md section 5. */
import { constants } from 'node:os';
import { CoracleError } from '../errors.js';
import { type NativeProgram, nativePath } from './location.js';

export type SpawnOptions = {
  /** `[child, parent]` descriptor numbers; unnamed standard streams are /dev/null, all others are closed. */
  readonly fds?: readonly (readonly [child: number, parent: number])[];
  /** Start a session of its own. */
  readonly setsid?: boolean;
  readonly cwd?: string;
  /** Signal the child gets when the thread that started it ends. */
  readonly deathSignal?: number;
};

export type ExitStatus = { readonly code: number; readonly signal: number };

/** Every call throws an Error with `code` (errno name), `errno` and `syscall`. */
export type Addon = {
  /** Replaces this process; standard streams stay as they are, other descriptors only where they are inheritable or named in `fds`. */
  readonly execve: (
    path: string,
    argv: readonly string[],
    env: readonly string[],
    fds?: readonly (readonly [child: number, parent: number])[],
  ) => never;
  readonly spawn: (
    path: string,
    argv: readonly string[],
    env: readonly string[],
    options?: SpawnOptions,
  ) => number;
  /** Null while the child runs and `nohang` is set. */
  readonly waitpid: (pid: number, nohang: boolean) => ExitStatus | null;
  /** False when another holder has it and `nonblocking` is set. */
  readonly flock: (fd: number, operation: 'sh' | 'ex' | 'un', nonblocking: boolean) => boolean;
  /** Whether some process holds an OFD lock on the file; false when there is no such file. */
  readonly ofdLockHeld: (path: string) => boolean;
  /** Takes the OFD write lock of a file open for writing; false when somebody else has it. Closing the descriptor gives it back. */
  readonly ofdLock: (fd: number) => boolean;
  readonly pipe: () => readonly [read: number, write: number];
  /** Both ends of a stream socket. */
  readonly socketPair: () => readonly [number, number];
  /** Asks for a pipe's size in bytes; the size it has now. */
  readonly pipeSize: (fd: number, bytes: number) => number;
  /** Has large buffers that are freed go back to the system at once, for the rest of the process. */
  readonly returnMemory: () => boolean;
  /** A sealed memory file positioned at its start. */
  readonly memfd: (name: string, content: Uint8Array) => number;
  /** Memory of a size that stays, and a descriptor by which another program maps it. */
  readonly sharedMemory: (name: string, bytes: number) => readonly [fd: number, memory: Buffer];
  readonly syncfs: (fd: number) => void;
  /** The same on a thread of Node's pool; `fd` may be closed meanwhile. */
  readonly syncfsLater: (fd: number) => Promise<void>;
  /** True when the file system of this directory now places what is made in it far apart; false where it knows no such hint. */
  readonly spreadChildren: (fd: number) => boolean;
  /** False when `to` exists. */
  readonly renameNoReplace: (from: string, to: string) => boolean;
  /** A connected stream socket. */
  readonly connectUnix: (path: string) => number;
  readonly pidfdAlive: (pid: number, startTicks: number) => boolean;
  /** False when that process is gone. */
  readonly killChecked: (pid: number, startTicks: number, signal: number) => boolean;
  /** Links are not followed. @throws ENODATA when the file has no such attribute. */
  readonly getxattr: (path: string, name: string) => Buffer;
  readonly setxattr: (path: string, name: string, value: Uint8Array) => void;
  readonly ttySize: (fd: number) => readonly [rows: number, columns: number] | null;
  readonly isatty: (fd: number) => boolean;
};

let loaded: Addon | undefined;

/** The addon. @throws HOST when it is missing or does not load. */
export function addon(): Addon {
  // The addon's own tests hold it to this type.
  loaded ??= loadAddon('coracle.node') as Addon;
  return loaded;
}

/** What an addon exports. @throws HOST when it is missing or does not load. */
export function loadAddon(name: NativeProgram): unknown {
  const path = nativePath(name);
  const module: { exports: unknown } = { exports: {} };
  try {
    process.dlopen(module, path, constants.dlopen.RTLD_LAZY);
  } catch (error) {
    throw new CoracleError(
      'HOST',
      `load ${path}: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
        hint: 'build it again for this machine: npm run build:native',
      },
    );
  }
  return module.exports;
}
