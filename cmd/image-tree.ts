/** `coracle image tree`. */
import type { LayerNode } from '../lib/index.js';
import { defineCommand } from './command.js';
import { formatSize, printLine, visible } from './terminal/output.js';

export const command = defineCommand({
  name: 'image tree',
  summary: 'Show the layers of an image, and whose they are',
  operands: 'IMAGE',
  count: [1, 1],
  completes: 'images',
  examples: [
    ['coracle image tree web', 'Its layers, the lowest first, with the images that end with each'],
    ['coracle image tree --whatrequires debian', 'The layers and images built on it'],
  ],
  options: [{ name: 'whatrequires', kind: 'switch', summary: 'Its uppermost layer, and what lies above it' }],
  async handler({ whatrequires: above }, [name = ''], context) {
    const { id, names, size, layers } = await context.open().imageLayers(name, { above });
    printLine(`Image ID: ${id.slice(0, 12)}`);
    printLine(visible(`Tags:     [${names.join(' ')}]`));
    printLine(`Size:     ${formatSize(size)}`);
    printLine('Image Layers');
    for (const line of branches(layers, '')) printLine(visible(line));
    return 0;
  },
});

/** The lines of a tree, as tree(1) draws it. */
export function branches(nodes: readonly LayerNode[], indent: string): string[] {
  return nodes.flatMap((node, index) => {
    const last = index === nodes.length - 1;
    const [arm, below] = last ? ['└── ', '    '] : ['├── ', '│   '];
    return [`${indent}${arm}${labelOf(node)}`, ...branches(node.children, `${indent}${below}`)];
  });
}

function labelOf({ diffId, size, topOf }: LayerNode): string {
  const bytes = size === undefined ? '' : ` Size: ${formatSize(size)}`;
  const images = topOf.length === 0 ? '' : ` Top Layer of: [${topOf.join(' ')}]`;
  return `ID: ${diffId.slice(7, 19)}${bytes}${images}`;
}
