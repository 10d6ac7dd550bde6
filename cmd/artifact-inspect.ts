/** `coracle artifact inspect`. */
import type { Artifact } from '../lib/index.js';
import { defineCommand } from './command.js';
import { compileTemplate } from './template/render.js';
import { printLine, visible } from './terminal/output.js';

export const command = defineCommand({
  name: 'artifact inspect',
  summary: 'Show the manifest of an artifact',
  operands: 'NAME',
  count: [1, 1],
  completes: 'artifacts',
  examples: [
    ['coracle artifact inspect quay.io/me/model:1', 'With the digests of its files'],
    ["coracle artifact inspect -f '{{.Digest}}' quay.io/me/model:1", 'One field'],
  ],
  options: [
    { name: 'format', short: 'f', kind: 'string', value: 'FORMAT', summary: '"json" or a Go template' },
  ],
  async handler({ format = 'json' }, [name = ''], context) {
    const document = documentOf(await context.open().artifact(name));
    const text =
      format === 'json' ? JSON.stringify(document, undefined, 4) : compileTemplate(format)(document);
    printLine(visible(text));
    return 0;
  },
});

/** The document of podman's `artifact inspect`. */
function documentOf({ name, digest, type, manifest }: Artifact): Readonly<Record<string, unknown>> {
  const { kind: _kind, ...fields } = manifest;
  return {
    Name: name,
    Digest: digest,
    ArtifactType: type,
    Manifest: { schemaVersion: 2, ...fields },
  };
}
