/** JSON from outside, which may be written to be misread or to exhaust whoever walks it. */

/** No document of ours comes near it, and what walks a value recursively has room for it. */
const depthLimit = 500;

/**
 * The value of a text. Half surrogate pairs, which are no characters and which not every function takes, become U+FFFD, as
 * Go's decoder has it.
 * @throws SyntaxError for what is no JSON, or nested as nobody means it
 */
export function parseJsonText(text: string): unknown {
  if (isTooDeep(text)) throw new SyntaxError(`nested more than ${depthLimit} deep`);
  return JSON.parse(surrogateEscape.test(text) ? text.replace(escapes, wholeEscape) : text);
}

const surrogateEscape = /\\u[dD][89a-fA-F]/;
const escapes = /\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)/gs;

function wholeEscape(text: string): string {
  return text.length === 6 && surrogateEscape.test(text) ? '\\ufffd' : text;
}

/** Whether brackets outside of strings stand deeper than the limit: one pass, whatever the text is. */
function isTooDeep(text: string): boolean {
  if (text.length <= 2 * depthLimit) return false;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) at = endOfString(text, at);
    else if (code === openBracket || code === openBrace) depth++;
    else if (code === openBracket + 2 || code === openBrace + 2) depth--;
    if (depth > depthLimit) return true;
  }
  return false;
}

const [quote, backslash, openBracket, openBrace] = [0x22, 0x5c, 0x5b, 0x7b];

/** The place of the quote that closes the string which begins at `start`, or the end of the text. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let before = end;
    while (text.charCodeAt(before - 1) === backslash) before--;
    if ((end - before) % 2 === 0) return end;
  }
  return text.length;
}
