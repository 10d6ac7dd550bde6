/** What the verbs of working containers take. */
import type { TransferEvent } from '../transfer/events.js';
import type { PullPolicy } from '../transfer/pull.js';
import type { RegistryAccess } from '../transfer/registry-access.js';
import type { WorkingCommit } from '../working/commit.js';
import type { WorkingCopy } from '../working/copy.js';
import type { WorkingTexts } from '../working/record.js';
import type { WorkingCommand } from '../working/run.js';

type Finding = {
  /** When to ask the registry; `missing` by default. */
  readonly policy?: PullPolicy | undefined;
  readonly access?: RegistryAccess | undefined;
};

type Told = {
  readonly onWarning?: ((text: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
};

export type WorkingFromRequest = Finding & {
  /** By default made of the image's. */
  readonly name?: string | undefined;
  readonly platform?: string | undefined;
  /** Flags for the commands that will run in it, by name (`cap-add`, `volume`, ...), as a command line has them. */
  readonly texts?: WorkingTexts | undefined;
  /** What relative paths in `texts` lie below; the process's working directory by default. */
  readonly cwd?: string | undefined;
  readonly onEvent?: ((event: TransferEvent) => void) | undefined;
};

export type WorkingRunRequest = WorkingCommand &
  Told & {
    /** Flags for this command alone. */
    readonly texts?: WorkingTexts | undefined;
    readonly cwd?: string | undefined;
    /** What sources of bind mounts lie below. */
    readonly contextDirectory?: string | undefined;
  };

export type WorkingCopyRequest = WorkingCopy &
  Told &
  Finding & {
    /** A working container or an image to copy from. */
    readonly from?: string | undefined;
    /** Resolve with a digest of what was copied. */
    readonly digest?: boolean | undefined;
  };

export type WorkingCommitRequest = WorkingCommit & {
  /** A name, or a place as skopeo writes it: docker://NAME, oci:DIRECTORY, oci-archive:FILE, docker-archive:FILE. */
  readonly destination?: string | undefined;
  /** Remove the working container afterwards. */
  readonly remove?: boolean | undefined;
  readonly access?: RegistryAccess | undefined;
  readonly onEvent?: ((event: TransferEvent) => void) | undefined;
};
