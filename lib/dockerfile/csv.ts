/** One record of comma separated values, as Go's encoding/csv reads it: `a,"b,c",d""` rules included. */

/** The fields, or what is wrong with the text. */
export function parseCsv(text: string): { readonly fields: readonly string[] } | { readonly error: string } {
  if (text === '') return { error: 'is empty' };
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    const field = text[at] === '"' ? quotedField(text, at) : plainField(text, at);
    if ('error' in field) return field;
    fields.push(field.value);
    if (field.end >= text.length) return { fields };
    at = field.end + 1;
  }
}

type Field = { readonly value: string; readonly end: number } | { readonly error: string };

function plainField(text: string, start: number): Field {
  const comma = text.indexOf(',', start);
  const end = comma < 0 ? text.length : comma;
  const value = text.slice(start, end);
  return value.includes('"') ? { error: `has a bare quote in ${value}` } : { value, end };
}

function quotedField(text: string, start: number): Field {
  let value = '';
  for (let at = start + 1; ; ) {
    const quote = text.indexOf('"', at);
    if (quote < 0) return { error: 'has an unbalanced quote' };
    value += text.slice(at, quote);
    const after = text[quote + 1];
    if (after === undefined || after === ',') return { value, end: quote + 1 };
    if (after !== '"') return { error: `has text after the closing quote of ${value}` };
    value += '"';
    at = quote + 2;
  }
}
