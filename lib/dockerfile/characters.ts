/** Go's notion of white space (unicode.IsSpace), which Dockerfiles are defined by and JavaScript's `\s` is not. */

const SPACES = '\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const SPACE = new RegExp(`^[${SPACES}]$`);
const LEADING = new RegExp(`^[${SPACES}]+`);

/** True when `character` is one white space character. */
export function isSpace(character: string): boolean {
  return SPACE.test(character);
}

/** `text` without leading white space. */
export function trimStart(text: string): string {
  return text.replace(LEADING, '');
}

/** `text` without trailing white space; linear, unlike a regular expression anchored at the end. */
export function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text.charAt(end - 1))) end -= 1;
  return text.slice(0, end);
}

/** `text` without white space around it. */
export function trim(text: string): string {
  return trimEnd(trimStart(text));
}

/** `line` without the carriage returns and newlines at its end. */
export function trimNewline(line: string): string {
  let end = line.length;
  while (end > 0 && (line[end - 1] === '\n' || line[end - 1] === '\r')) end -= 1;
  return line.slice(0, end);
}
