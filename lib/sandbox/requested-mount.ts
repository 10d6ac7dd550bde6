/** The mount for a request, once it is known what this host has for it. Pure. */
import { CoracleError } from '../errors.js';
import { present } from '../oci/guards.js';
import type { Mount, MountManners, MountRequest } from './mount.js';

/** What the host has for a request. */
export type RequestFacts = {
  /** Data directory of the volume. */
  readonly volumePath?: string | undefined;
  /** Its owner and mode were chosen when it was made. */
  readonly volumeOwned?: boolean | undefined;
  /** What a bind source is. */
  readonly sourceIsDirectory?: boolean | undefined;
  /** What SELinux is to call the files of a source that is to be relabelled. */
  readonly label?: string | undefined;
  /** Where writes go over a source that stays as it is, or over an image. */
  readonly upper?: Mount['upper'];
  /** Directories of an image, topmost first. */
  readonly layers?: readonly string[] | undefined;
  /** An image as one directory, where directories cannot be stacked. */
  readonly copied?: string | undefined;
};

type RequestOf<T extends MountRequest['type']> = Extract<MountRequest, { readonly type: T }>;

/** The mount for a request. A missing destination becomes what its source is. */
export function requestedMount(request: MountRequest, found: RequestFacts): Mount {
  switch (request.type) {
    case 'bind':
      return bindMount(request, found);
    case 'volume':
      return volumeMount(request, found);
    case 'tmpfs':
      return memoryMount(request);
    case 'image':
      return imageMount(request, found);
    case 'devpts':
      return terminalMount(request);
    case 'glob':
      throw new CoracleError('INTERNAL', `mount ${request.pattern}: nobody looked what fits`);
  }
}

function bindMount(request: RequestOf<'bind'>, found: RequestFacts): Mount {
  const { source, destination, recursive, exec } = request;
  const create = found.sourceIsDirectory === false ? 'create=file' : 'create=dir';
  const depth = recursive ? 'rec' : 'norec';
  const shallow = request.shallow === true ? ['ro-shallow'] : [];
  const options = [access(request), depth, ...safety(request), create, ...execution(exec)];
  return over(request, found, {
    type: 'bind',
    source,
    destination,
    ...present('label', found.label),
    options: [...options, ...shallow, ...manners(request)],
  });
}

function volumeMount(request: RequestOf<'volume'>, found: RequestFacts): Mount {
  const { destination, subpath } = request;
  const { volumePath: source } = found;
  if (source === undefined) {
    throw new CoracleError('INTERNAL', `mount volume at ${destination}: it has no directory`);
  }
  const options = [access(request), ...safety(request), ...(subpath === undefined ? ['create=dir'] : [])];
  return over(request, found, {
    type: 'bind',
    source,
    destination,
    ...present('inside', subpath),
    ...present('label', found.label),
    options: [
      ...options,
      ...copyUp(request, found),
      ...execution(request.noexec !== true),
      ...manners(request),
    ],
  });
}

/** The infra process looks whether the volume is empty, and fills it before the container runs. */
function copyUp(request: RequestOf<'volume'>, found: RequestFacts): string[] {
  const { copy, readonly, subpath, overlay } = request;
  if (!copy || readonly || subpath !== undefined || overlay !== undefined) return [];
  return found.volumeOwned === true ? ['copyup', 'keep-owner'] : ['copyup'];
}

/** A source that stays as it is lies below a directory that takes the writes. */
function over(request: MountManners, found: RequestFacts, mount: Mount): Mount {
  if (request.overlay === undefined) return mount;
  const { source, label: _, ...rest } = mount;
  if (found.sourceIsDirectory === false) {
    throw new CoracleError('USAGE', `mount ${source}: the option O is for directories`);
  }
  const upper = found.upper;
  if (upper === undefined) throw new CoracleError('INTERNAL', `mount ${source}: no directory for writes`);
  const options = mount.options.filter((option) => !['rec', 'norec'].includes(option));
  return { ...rest, type: 'overlay', source: '', layers: [source], upper, options: [...options, 'durable'] };
}

function memoryMount(request: RequestOf<'tmpfs'>): Mount {
  const { destination, size, mode, uid, gid, inodes, exec, ram } = request;
  const type = ram === true ? 'ramfs' : 'tmpfs';
  return {
    type,
    source: type,
    destination,
    options: [
      access(request),
      ...safety(request),
      ...execution(exec),
      ...(mode === undefined ? [] : [`mode=${octal(mode)}`]),
      ...value('size', size),
      ...value('uid', uid),
      ...value('gid', gid),
      ...value('nr_inodes', inodes),
      ...(request.noatime === true ? ['noatime'] : []),
      ...(request.chown === true ? ['chown'] : []),
      ...(request.copyUp ? ['copyup'] : []),
    ],
  };
}

function imageMount(request: RequestOf<'image'>, found: RequestFacts): Mount {
  const { destination, readonly, subpath } = request;
  const common = { source: '', destination, options: [access(request), 'nosuid', 'nodev'] };
  const inside = present('inside', subpath);
  if (found.copied !== undefined) return { ...common, type: 'bind', source: found.copied, ...inside };
  const { layers, upper } = found;
  if (layers === undefined || (upper === undefined && !readonly))
    throw new CoracleError('INTERNAL', `mount image ${request.image}: nobody unpacked it`);
  if (upper === undefined) {
    return { ...common, type: 'overlay', layers, options: [...common.options, 'shown'], ...inside };
  }
  const options = [...common.options, 'shown', 'durable'];
  return { ...common, type: 'overlay', layers, upper, options, ...inside };
}

function terminalMount({ destination, uid, gid, mode, max }: RequestOf<'devpts'>): Mount {
  const text = octal(mode ?? 0o600);
  const values = [...value('uid', uid), ...value('gid', gid), ...value('max', max)];
  const options = ['nosuid', 'noexec', `mode=${text}`, ...values];
  return { type: 'devpts', source: 'devpts', destination, options };
}

function access({ readonly }: { readonly readonly: boolean }): string {
  return readonly ? 'ro' : 'rw';
}

function safety({ suid, dev }: { readonly suid?: true; readonly dev?: true }): string[] {
  return [...(suid === true ? [] : ['nosuid']), ...(dev === true ? [] : ['nodev'])];
}

function execution(exec: boolean): string[] {
  return exec ? [] : ['noexec'];
}

function manners({ propagation, chown }: MountManners): string[] {
  return [
    ...(propagation === undefined ? [] : [`propagation=${propagation}`]),
    ...(chown === true ? ['chown'] : []),
  ];
}

function value(name: string, number: number | undefined): string[] {
  return number === undefined ? [] : [`${name}=${number}`];
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}
