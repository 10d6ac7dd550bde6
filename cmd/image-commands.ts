/** The commands about images. */
import { type CommandEntry, entry } from './command-entry.js';

export const imageCommands: readonly CommandEntry[] = [
  entry('Images', 'images', 'List images', () => import('./images.js'), ['image ls', 'image list']),
  entry('Images', 'tag', 'Give an image another name', () => import('./tag.js'), ['image tag']),
  entry('Images', 'rmi', 'Remove images', () => import('./rmi.js'), ['image rm']),
  entry('Images', 'import', 'Make an image from a tar of a root file system', () => import('./import.js'), [
    'image import',
  ]),
  entry('Images', 'load', 'Load images from an archive', () => import('./load.js'), ['image load']),
  entry('Images', 'save', 'Save images to an archive', () => import('./save.js'), ['image save']),
  entry('Images', 'image exists', 'Tell whether there is an image', () => import('./image-exists.js')),
  entry('Images', 'history', 'Show how an image came about', () => import('./history.js'), ['image history']),
  entry('Images', 'image inspect', 'Show everything known about images', () => import('./image-inspect.js')),
  entry('Images', 'image prune', 'Remove images that nothing uses', () => import('./image-prune.js')),
  entry('Images', 'untag', 'Take names away from an image', () => import('./untag.js'), ['image untag']),
  entry(
    'Registries',
    'copy',
    'Copy images between registries, archives and the store',
    () => import('./copy.js'),
    ['image copy'],
  ),
  entry('Registries', 'search', 'Look for images at a registry', () => import('./search.js'), [
    'image search',
  ]),
  entry(
    'Images',
    'manifest create',
    'Make a list of images for several platforms',
    () => import('./manifest-create.js'),
  ),
  entry(
    'Images',
    'manifest add',
    'Add an image, or files as an artifact, to a list',
    () => import('./manifest-add.js'),
  ),
  entry(
    'Images',
    'manifest annotate',
    'Say more of a list, or of an image in it',
    () => import('./manifest-annotate.js'),
  ),
  entry('Images', 'manifest inspect', 'Show a list or a manifest', () => import('./manifest-inspect.js')),
  entry('Images', 'manifest push', 'Push a list with its images', () => import('./manifest-push.js')),
  entry('Images', 'manifest remove', 'Take an image out of a list', () => import('./manifest-remove.js')),
  entry(
    'Images',
    'manifest rm',
    'Remove lists; their images stay where they have names',
    () => import('./manifest-rm.js'),
  ),
  entry('Images', 'manifest exists', 'Tell whether there is a list', () => import('./manifest-exists.js')),
  entry('Images', 'artifact add', 'Make an artifact of files', () => import('./artifact-add.js')),
  entry(
    'Images',
    'artifact extract',
    'Write the files of an artifact',
    () => import('./artifact-extract.js'),
  ),
  entry(
    'Images',
    'artifact inspect',
    'Show the manifest of an artifact',
    () => import('./artifact-inspect.js'),
  ),
  entry('Images', 'artifact ls', 'List artifacts', () => import('./artifact-ls.js'), ['artifact list']),
  entry('Images', 'artifact rm', 'Remove artifacts', () => import('./artifact-rm.js'), ['artifact remove']),
  entry(
    'Registries',
    'artifact pull',
    'Download an artifact from a registry',
    () => import('./artifact-pull.js'),
  ),
  entry(
    'Registries',
    'artifact push',
    'Upload an artifact to a registry',
    () => import('./artifact-push.js'),
  ),
];
