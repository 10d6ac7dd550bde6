/** A bill of materials as an SPDX document. https://spdx.github.io/spdx-spec/v2.3/ Pure. */
import { sha256Hex } from './attestation.js';
import type { Scan } from './package-scan.js';

/** URI of the predicate's type. */
export const spdxType = 'https://spdx.dev/Document';

export type SpdxInput = {
  readonly scan: Scan;
  /** What was scanned. */
  readonly name: string;
  /** RFC 3339: the image's own time, so that the same image has the same document. */
  readonly created: string;
  readonly tool: string;
};

const none = 'NOASSERTION';

/** The document. What could not be read is named in its comment. */
export function spdxDocument({ scan, name, created, tool }: SpdxInput): unknown {
  const packages = scan.packages.map(({ name: called, version, purl, source, license, supplier }) => ({
    name: called,
    SPDXID: `SPDXRef-Package-${sha256Hex(purl).slice(0, 16)}`,
    versionInfo: version,
    ...(supplier === undefined ? {} : { supplier }),
    downloadLocation: none,
    filesAnalyzed: false,
    sourceInfo: `found in /${source}`,
    licenseConcluded: none,
    licenseDeclared: none,
    // the words of the package, which need not be an SPDX expression
    ...(license === undefined ? {} : { licenseComments: license }),
    copyrightText: none,
    externalRefs: [{ referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: purl }],
  }));
  const comment = scan.unread.map((path) => `not read: /${path}`).join('\n');
  const content = { name, created, packages, comment };
  return {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name,
    documentNamespace: `urn:uuid:${uuidOf(JSON.stringify(content))}`,
    creationInfo: {
      created: created.replace(/\.\d+Z$/, 'Z'),
      creators: [`Tool: ${tool}`],
      ...(comment === '' ? {} : { comment }),
    },
    packages,
    relationships: packages.map(({ SPDXID }) => ({
      spdxElementId: 'SPDXRef-DOCUMENT',
      relationshipType: 'DESCRIBES',
      relatedSpdxElement: SPDXID,
    })),
  };
}

/** A UUID of version 8 made of a digest. https://www.rfc-editor.org/rfc/rfc9562#section-5.8 */
function uuidOf(text: string): string {
  const hex = sha256Hex(text);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
