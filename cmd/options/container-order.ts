/** `ps --sort`. */
import type { ContainerListing } from '../../lib/index.js';

/** podman's keys. */
export const sortKeys = [
  'command',
  'created',
  'id',
  'image',
  'names',
  'runningfor',
  'size',
  'status',
] as const;

/** In ascending order of one of `sortKeys`; those that are equal stay as they are. */
export function sortContainers(all: readonly ContainerListing[], key: string): readonly ContainerListing[] {
  const value = (one: ContainerListing): string | number => {
    switch (key) {
      case 'command':
        return one.command.join(' ');
      case 'id':
        return one.id;
      case 'image':
        return one.image;
      case 'names':
        return one.name;
      case 'size':
        return one.size?.written ?? 0;
      case 'status':
        return one.state;
      default:
        return one.created;
    }
  };
  return [...all].sort((one, other) => {
    const [a, b] = [value(one), value(other)];
    return a < b ? -1 : a > b ? 1 : 0;
  });
}
