/** Images as rows of a list: one for each name, one for an image without any. */
import { humanDuration, type ImageSummary } from '../lib/index.js';
import { labelField, labelHeading } from './listing.js';
import { formatSize } from './terminal/output.js';

export const imageHeadings = {
  Repository: 'REPOSITORY',
  Tag: 'TAG',
  Digest: 'DIGEST',
  ID: 'IMAGE ID',
  Id: 'IMAGE ID',
  Created: 'CREATED',
  CreatedSince: 'CREATED',
  CreatedAt: 'CREATED AT',
  CreatedTime: 'CREATED AT',
  Size: 'SIZE',
  VirtualSize: 'SIZE',
  UniqueSize: 'UNIQUE SIZE',
  SharedSize: 'SHARED SIZE',
  Containers: 'CONTAINERS',
  Architecture: 'ARCHITECTURE',
  Os: 'OS',
  Labels: 'LABELS',
  Label: labelHeading,
  Names: 'NAMES',
  RepoTags: 'REPO TAGS',
  RepoDigests: 'REPO DIGESTS',
  ReadOnly: 'R/O',
  Dangling: 'DANGLING',
  Broken: 'BROKEN',
};

export type ImageRow = { readonly [K in keyof typeof imageHeadings]: K extends 'ID' ? string : unknown };

/** A name of an image, and its row. */
export type NamedImage = {
  readonly row: ImageRow;
  readonly image: ImageSummary;
  readonly name: string | undefined;
  readonly repository: string;
  readonly tag: string;
};

export type RowStyle = {
  /** Whole ids. */
  readonly whole: boolean;
  /** How many containers an image has, by its id. */
  readonly containers: ReadonlyMap<string, number>;
};

/** The rows of an image. */
export function imageRows(image: ImageSummary, style: RowStyle): NamedImage[] {
  const names: readonly (string | undefined)[] = image.names.length === 0 ? [undefined] : image.names;
  return names.map((name, at) => {
    const [repository, tag] = splitImageName(name);
    const row = { ...rowOf(image, [repository, tag], style), Digest: image.digests[at] ?? image.digest };
    return { name, image, repository, tag, row };
  });
}

function rowOf(
  image: ImageSummary,
  [repository, tag]: readonly [string, string],
  { whole, containers }: RowStyle,
): ImageRow {
  const { created, names } = image;
  const age = created === undefined ? 'N/A' : `${humanDuration(Date.now() - Date.parse(created))} ago`;
  const id = whole ? `sha256:${image.id}` : image.id.slice(0, 12);
  const size = formatSize(image.size);
  return {
    Repository: repository,
    Tag: tag,
    Digest: image.digest,
    ID: id,
    Id: id,
    Created: age,
    CreatedSince: age,
    CreatedAt: created ?? '',
    CreatedTime: created ?? '',
    Size: size,
    VirtualSize: size,
    UniqueSize: 'N/A',
    SharedSize: 'N/A',
    Containers: containers.get(image.id) ?? 0,
    Architecture: image.architecture ?? '',
    Os: image.os ?? '',
    Labels: image.labels,
    Label: labelField(image.labels),
    Names: names,
    RepoTags: names.filter((name) => !name.includes('@')),
    RepoDigests: repositoryDigests(image),
    ReadOnly: image.readonly === true,
    Dangling: names.length === 0,
    Broken: image.broken ?? '',
  };
}

/** An image as podman's JSON has it. */
export function imageJson(image: ImageSummary, containers: ReadonlyMap<string, number>): unknown {
  const { id, names, size, labels, digest, created, broken } = image;
  const seconds = created === undefined ? 0 : Math.floor(Date.parse(created) / 1000);
  return {
    Id: id,
    ParentId: '',
    RepoTags: names.length === 0 ? null : names.filter((name) => !name.includes('@')),
    RepoDigests: repositoryDigests(image),
    Size: size,
    SharedSize: 0,
    VirtualSize: size,
    Labels: Object.keys(labels).length === 0 ? null : labels,
    Containers: containers.get(id) ?? 0,
    Names: names,
    Digest: digest,
    Dangling: names.length === 0,
    Arch: image.architecture ?? '',
    Os: image.os ?? '',
    Created: seconds,
    CreatedAt: created ?? '',
    ...(broken === undefined ? {} : { Broken: broken }),
  };
}

function repositoryDigests({ references, digests, digest }: ImageSummary): string[] {
  const all = references.map((name, at) => `${splitImageName(name)[0]}@${digests[at] ?? digest}`);
  return [...new Set(all)];
}

/** `NAME:TAG` in its parts; `<none>` where there is none, as docker and podman print it. */
export function splitImageName(name: string | undefined): readonly [repository: string, tag: string] {
  if (name === undefined) return ['<none>', '<none>'];
  const at = name.indexOf('@');
  const plain = at < 0 ? name : name.slice(0, at);
  const colon = plain.lastIndexOf(':');
  return colon > plain.lastIndexOf('/') ? [plain.slice(0, colon), plain.slice(colon + 1)] : [plain, '<none>'];
}
