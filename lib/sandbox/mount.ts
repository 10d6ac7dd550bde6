/**
 * A mount as the user asked for it and as the native program gets it.
 *
 * A *request* still names volumes and host paths; a *mount* is final: type, source path, destination and the
 * comma-separated options of native/PROTOCOL.md 2.1.
 */

/** How mounts made on one side of a bind are seen on the other; the kernel's words. */
export const propagations = [
  'private',
  'rprivate',
  'slave',
  'rslave',
  'shared',
  'rshared',
  'unbindable',
  'runbindable',
] as const;

export type Propagation = (typeof propagations)[number];

/** What binds and volumes have in common. What is left out is as usual: no set-uid programs, no devices, `rprivate`. */
export type MountManners = {
  readonly suid?: true;
  readonly dev?: true;
  readonly propagation?: Propagation;
  /** Give all of it to the user of the container's process. */
  readonly chown?: true;
  /** SELinux, where it is on: for all containers, or for this one. */
  readonly relabel?: 'shared' | 'private';
  /** Writes go to a directory of the container, or this one, and the source stays as it is. */
  readonly overlay?: { readonly upper?: string; readonly work?: string };
};

/** What one `-v`, `--mount` or `--tmpfs` asks for. `destination` is absolute and clean. */
export type MountRequest =
  | (MountManners & {
      readonly type: 'bind';
      /** Absolute host path. */
      readonly source: string;
      readonly destination: string;
      readonly readonly: boolean;
      readonly recursive: boolean;
      readonly exec: boolean;
      /** What is mounted below a source that is read-only stays writable. */
      readonly shallow?: true;
    })
  | (MountManners & {
      readonly type: 'volume';
      /** Undefined: an anonymous volume, removed with its container by `--rm`. */
      readonly name: string | undefined;
      readonly destination: string;
      readonly readonly: boolean;
      /** Fill an empty volume from what the image has at the destination. */
      readonly copy: boolean;
      readonly noexec?: true;
      /** The part of the volume that is mounted. */
      readonly subpath?: string;
      /** It has a name that nobody chose: taken over from another container. */
      readonly anonymous?: true;
      /** One that does not exist is an error. */
      readonly existing?: true;
      /** Of a volume that is made for it. */
      readonly labels?: Readonly<Record<string, string>>;
      readonly options?: Readonly<Record<string, string>>;
    })
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
      readonly suid?: true;
      readonly dev?: true;
      readonly uid?: number;
      readonly gid?: number;
      readonly inodes?: number;
      readonly noatime?: true;
      readonly chown?: true;
      /** ramfs: never swapped, and as large as what is written to it. */
      readonly ram?: true;
    }
  | {
      readonly type: 'image';
      /** As the user wrote it. */
      readonly image: string;
      readonly destination: string;
      readonly readonly: boolean;
      readonly subpath?: string;
    }
  | {
      readonly type: 'devpts';
      readonly destination: string;
      readonly uid?: number;
      readonly gid?: number;
      readonly mode?: number;
      readonly max?: number;
    }
  /** Every file of this host that fits a pattern, each below the destination, by its name. */
  | (MountManners & {
      readonly type: 'glob';
      readonly pattern: string;
      readonly destination: string;
      readonly readonly: boolean;
      readonly recursive: boolean;
      readonly exec: boolean;
    });

/** A request for something of this host or of the store's volumes. */
export type SourceRequest = Extract<MountRequest, { readonly type: 'bind' | 'volume' }>;

/** The kinds of mounts that a plan knows. */
export type MountType =
  | 'proc'
  | 'sysfs'
  | 'cgroup2'
  | 'dev'
  | 'devpts'
  | 'mqueue'
  | 'tmpfs'
  | 'ramfs'
  | 'bind'
  | 'overlay'
  | 'neighbour'
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
  /** bind: what SELinux is to call all files of the source. */
  readonly label?: string | undefined;
  /** data: what the file holds; never part of the plan. */
  readonly data?: Uint8Array | undefined;
};
