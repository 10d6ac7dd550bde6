/** The version, as in package.json (a test compares them). */
export const coracleVersion = '0.1.0';
