/** What a terminal shows after everything a program printed: enough of one for progress displays and editors. */

export type Screen = {
  /** All lines from the first, without blanks at their ends; what scrolled away is kept. */
  readonly lines: readonly string[];
  readonly cursor: { readonly row: number; readonly column: number; readonly visible: boolean };
};

type State = { lines: string[][]; row: number; column: number; visible: boolean };

const introducer = '\u001b';
const control = new RegExp(
  `${introducer}\\[(\\??)([\\d;]*)([A-Za-z])|${introducer}[()][A-Z0-9]|${introducer}[=>78]|[^${introducer}]`,
  'gu',
);

/** Draws `text` on an endless page of that many columns. Unknown sequences change nothing. */
export function renderScreen(text: string, columns: number): Screen {
  const state: State = { lines: [[]], row: 0, column: 0, visible: true };
  for (const [token, mode, parameters = '', name] of text.matchAll(control)) {
    if (name !== undefined) command(state, `${mode}${name}`, parameters);
    else if (!token.startsWith(introducer)) character(state, token, columns);
  }
  const { lines, row, column, visible } = state;
  return {
    lines: lines.map((line) =>
      Array.from(line, (cell) => cell ?? ' ')
        .join('')
        .trimEnd(),
    ),
    cursor: { row, column, visible },
  };
}

function character(state: State, token: string, columns: number): void {
  if (token === '\r') state.column = 0;
  else if (token === '\n') state.row += 1;
  else if (token === '\b') state.column = Math.max(0, state.column - 1);
  else if (token === '\t') state.column = Math.min(columns - 1, (Math.floor(state.column / 8) + 1) * 8);
  else if (token !== '\x07') put(state, token, columns);
  lineOf(state);
}

function put(state: State, token: string, columns: number): void {
  if (state.column >= columns) {
    state.row += 1;
    state.column = 0;
  }
  lineOf(state)[state.column] = token;
  state.column += 1;
}

function lineOf(state: State): string[] {
  while (state.lines.length <= state.row) state.lines.push([]);
  return state.lines[state.row] ?? [];
}

function command(state: State, name: string, parameters: string): void {
  const [first = 0, second = 0] = parameters.split(';').map(Number);
  switch (name) {
    case 'A':
      state.row = Math.max(0, state.row - Math.max(1, first));
      return;
    case 'H':
      state.row = Math.max(0, first - 1);
      state.column = Math.max(0, second - 1);
      return;
    case 'J':
      state.lines.length = Math.min(state.lines.length, state.row + 1);
      lineOf(state).length = Math.min(lineOf(state).length, state.column);
      return;
    case 'K':
      lineOf(state).length = Math.min(lineOf(state).length, state.column);
      return;
    case '?h':
    case '?l':
      if (first === 25) state.visible = name === '?h';
  }
}
