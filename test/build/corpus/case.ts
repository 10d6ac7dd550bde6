/** What a case of the corpus is: one small Dockerfile over the corpus's context, and what comes of it. */

export type CorpusCase = {
  readonly name: string;
  readonly dockerfile: string;
  readonly args?: Readonly<Record<string, string>>;
  readonly target?: string;
  /** The text of .dockerignore. */
  readonly ignore?: string;
  /** Why Buildah's result, Debian 12's 1.28, is another one; then `config` or `tree` says what ours is. */
  readonly unlike?: string;
  /** Fields of the config. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Lines of the tree below /out, of `path type mode owner ...`. */
  readonly tree?: readonly string[];
  /** It must not build; a pattern of our message. */
  readonly fails?: RegExp;
};

/** Files of the context by path; a value that begins with `-> ` is a link's target, `#!` makes a program. */
export const contextFiles: Readonly<Record<string, string>> = {
  'a.txt': 'a\n',
  'b.txt': 'b\n',
  'c.md': 'c\n',
  'dir/one.txt': 'one\n',
  'dir/two.md': 'two\n',
  'dir/sub/three.txt': 'three\n',
  'dir/sub/deep/four.txt': 'four\n',
  'other/a.txt': 'other a\n',
  'sp ace.txt': 'space\n',
  'tool.sh': '#!/bin/sh\necho tool\n',
  link: '-> a.txt',
  'dir/up': '-> ../b.txt',
  '[x].txt': 'brackets\n',
};
