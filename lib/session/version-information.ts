/** `version`, which opens nothing. */
import { formatPlatform, hostPlatform } from '../oci/platform.js';
import type { VersionInformation } from './requests.js';
import { coracleVersion } from './version.js';

/** The program's version and what it runs on. */
export function versionInformation(): VersionInformation {
  return {
    Version: coracleVersion,
    NodeVersion: process.version.slice(1),
    OsArch: formatPlatform(hostPlatform()),
  };
}
