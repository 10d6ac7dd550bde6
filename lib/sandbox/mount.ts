/**
 * A mount as the user asked for it and as the native program gets it.
 *
 * A *request* still names volumes and host paths; a *mount* is final: type, source path, destination and the
 * comma-separated options of native/PROTOCOL.md 2.1.
 */

/** What one `-v`, `--mount` or `--tmpfs` asks for. `destination` is absolute and clean. */
export type MountRequest =
  | {
      readonly type: 'bind';
      /** Absolute host path. */
      readonly source: string;
      readonly destination: string;
      readonly readonly: boolean;
      readonly recursive: boolean;
      readonly exec: boolean;
    }
  | {
      readonly type: 'volume';
      /** Undefined: an anonymous volume, removed with its container by `--rm`. */
      readonly name: string | undefined;
      readonly destination: string;
      readonly readonly: boolean;
      /** Fill an empty volume from what the image has at the destination. */
      readonly copy: boolean;
    }
  | {
      readonly type: 'tmpfs';
      readonly destination: string;
      readonly readonly: boolean;
      /** Bytes; undefined is the kernel's default of half the memory. */
      readonly size: number | undefined;
      /** Permission bits; undefined: those of the directory that it is filled from, else 0o1777. */
      readonly mode: number | undefined;
      readonly exec: boolean;
      /** Fill it from what the image has at the destination. */
      readonly copyUp: boolean;
    };

/** The kinds of mounts that a plan knows. */
export type MountType =
  | 'proc'
  | 'sysfs'
  | 'cgroup2'
  | 'dev'
  | 'devpts'
  | 'mqueue'
  | 'tmpfs'
  | 'bind'
  | 'overlay'
  | 'data';

/** One `mount` record of a plan, with those that belong to it. */
export type Mount = {
  readonly type: MountType;
  readonly source: string;
  readonly destination: string;
  readonly options: readonly string[];
  /** bind, overlay: the part of the source that is mounted; links in it resolve as in a chroot of the source. */
  readonly inside?: string | undefined;
  /** overlay: directories, topmost first. */
  readonly layers?: readonly string[] | undefined;
  /** overlay: where writes go. */
  readonly upper?: { readonly directory: string; readonly work: string } | undefined;
  /** data: what the file holds; never part of the plan. */
  readonly data?: Uint8Array | undefined;
};
