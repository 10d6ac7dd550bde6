/** COPY, ADD, RUN, stages, ignore files: what comes of the context's files. */
import type { CorpusCase } from './case.js';

const base = 'FROM busybox\n';
const brackets = 'it takes the names it found for patterns again';
const newer = 'its release does not know the flag';

export const files: readonly CorpusCase[] = [
  { name: 'copy: a file to a file', dockerfile: 'FROM scratch\nCOPY a.txt /out/x\n' },
  { name: 'copy: a file to a directory', dockerfile: 'FROM scratch\nCOPY a.txt /out/\n' },
  { name: 'copy: several', dockerfile: 'FROM scratch\nCOPY a.txt b.txt /out/\n' },
  { name: 'copy: a directory gives what is in it', dockerfile: 'FROM scratch\nCOPY dir /out\n' },
  { name: 'copy: a directory with a slash', dockerfile: 'FROM scratch\nCOPY dir/ /out/\n' },
  { name: 'copy: directories and files', dockerfile: 'FROM scratch\nCOPY dir a.txt /out/\n' },
  { name: 'copy: everything', dockerfile: 'FROM scratch\nCOPY . /out/\n' },
  { name: 'copy: a pattern', dockerfile: 'FROM scratch\nCOPY ?.txt *.md /out/\n' },
  { name: 'copy: a pattern in a directory', dockerfile: 'FROM scratch\nCOPY dir/*.txt /out/\n' },
  {
    name: 'copy: a pattern that finds a name with brackets',
    dockerfile: 'FROM scratch\nCOPY *x?.txt /out/\n',
    unlike: brackets,
    tree: ['out/[x].txt file 644 0:0 9'],
  },
  {
    name: 'copy: a pattern that finds nothing',
    dockerfile: 'FROM scratch\nCOPY none* /out/\n',
    unlike: 'it fails; BuildKit goes on',
    config: { Env: [] },
  },
  { name: 'copy: one character', dockerfile: 'FROM scratch\nCOPY ?.txt /out/\n' },
  { name: 'copy: a class', dockerfile: 'FROM scratch\nCOPY [ab].txt /out/\n' },
  { name: 'copy: a range', dockerfile: 'FROM scratch\nCOPY [a-b].* /out/\n' },
  {
    name: 'copy: an escaped bracket',
    unlike: brackets,
    tree: ['out/[x].txt file 644 0:0 9'],
    dockerfile: 'FROM scratch\nCOPY ["[[]x].txt", "/out/"]\n',
  },
  { name: 'copy: a pattern of directories', dockerfile: 'FROM scratch\nCOPY d* /out/\n' },
  { name: 'copy: names with spaces', dockerfile: 'FROM scratch\nCOPY ["sp ace.txt", "/out/with space"]\n' },
  { name: 'copy: a link', dockerfile: 'FROM scratch\nCOPY link /out/\n' },
  { name: 'copy: a link in a directory stays one', dockerfile: 'FROM scratch\nCOPY dir /out/\n' },
  {
    name: 'copy: relative to WORKDIR',
    dockerfile: 'FROM scratch\nWORKDIR /out/w\nCOPY a.txt .\nCOPY b.txt x/\n',
  },
  { name: 'copy: variables', dockerfile: 'FROM scratch\nARG f=a.txt\nARG d=/out\nCOPY $f ${d}/$f\n' },
  { name: 'copy: over what is there', dockerfile: 'FROM scratch\nCOPY a.txt /out/x\nCOPY b.txt /out/x\n' },
  { name: 'copy: merged into a directory', dockerfile: 'FROM scratch\nCOPY dir /out\nCOPY other /out\n' },
  { name: 'copy: --chown by number', dockerfile: 'FROM scratch\nCOPY --chown=1:2 dir /out\n' },
  {
    name: 'copy: --chown of a user alone',
    dockerfile: 'FROM scratch\nCOPY --chown=5 a.txt /out/\n',
  },
  { name: 'copy: --chown by name', dockerfile: `${base}COPY --chown=www:www a.txt /out/\n` },
  { name: 'copy: --chmod', dockerfile: 'FROM scratch\nCOPY --chmod=600 a.txt /out/\n' },
  { name: 'copy: --chmod of programs', dockerfile: 'FROM scratch\nCOPY --chmod=0755 tool.sh a.txt /out/\n' },
  {
    name: 'copy: --chmod in letters',
    dockerfile: 'FROM scratch\nCOPY --chmod=u=rw,go= a.txt /out/\n',
    unlike: newer,
    tree: ['out/a.txt file 600 0:0 2'],
  },
  { name: 'copy: the mode of a program', dockerfile: 'FROM scratch\nCOPY tool.sh /out/\n' },
  {
    name: 'copy: --exclude',
    dockerfile: 'FROM scratch\nCOPY --exclude=**/*.md --exclude=deep dir /out/\n',
    unlike: newer,
    tree: [
      'out/one.txt file 644 0:0 4',
      'out/sub directory 755 0:0',
      'out/sub/deep directory 755 0:0',
      'out/sub/deep/four.txt file 644 0:0 5',
      'out/sub/three.txt file 644 0:0 6',
      'out/up symlink',
    ],
  },
  {
    name: 'copy: --parents',
    dockerfile: 'FROM scratch\nCOPY --parents dir/sub/three.txt a.txt /out/\n',
    unlike: newer,
    tree: [
      'out/a.txt file 644 0:0 2',
      'out/dir directory 755 0:0',
      'out/dir/sub directory 755 0:0',
      'out/dir/sub/three.txt file 644 0:0 6',
    ],
  },
  {
    name: 'copy: --parents from a pivot',
    dockerfile: 'FROM scratch\nCOPY --parents dir/./sub/*.txt /out/\n',
    unlike: newer,
    tree: ['out/sub directory 755 0:0', 'out/sub/three.txt file 644 0:0 6'],
  },
  {
    name: 'copy: --parents of a deep pattern',
    dockerfile: 'FROM scratch\nCOPY --parents **/*.md /out/\n',
    unlike: newer,
    tree: ['out/c.md file 644 0:0 2', 'out/dir directory 755 0:0', 'out/dir/two.md file 644 0:0 4'],
  },
  {
    name: 'copy: --link',
    dockerfile: 'FROM scratch\nCOPY --link a.txt /out/\n',
    unlike: newer,
    tree: ['out/a.txt file 644 0:0 2'],
  },
  {
    name: 'copy: --from a stage by name',
    dockerfile: 'FROM scratch AS one\nCOPY a.txt /f\nFROM scratch\nCOPY --from=one /f /out/\n',
  },
  {
    name: 'copy: --from a stage by number',
    dockerfile: 'FROM scratch\nCOPY a.txt /f\nFROM scratch\nCOPY --from=0 f /out/\n',
  },
  {
    name: 'copy: --from an image',
    dockerfile: 'FROM scratch\nCOPY --from=localhost/busybox /etc/passwd /out/\n',
  },
  {
    name: 'copy: --from a directory of a stage',
    dockerfile: 'FROM scratch AS one\nCOPY dir /d\nFROM scratch\nCOPY --from=one /d/ /out/\n',
  },
  {
    name: 'copy: --from a pattern',
    dockerfile: 'FROM scratch AS one\nCOPY . /\nFROM scratch\nCOPY --from=one /?.txt /out/\n',
  },
  {
    name: 'copy: --from keeps owners',
    dockerfile: 'FROM scratch AS one\nCOPY --chown=3:4 a.txt /f\nFROM scratch\nCOPY --from=one /f /out/\n',
  },
  { name: 'add: a file', dockerfile: 'FROM scratch\nADD a.txt /out/\n' },
  { name: 'add: a directory', dockerfile: 'FROM scratch\nADD dir /out/\n' },
  { name: 'add: an archive is unpacked', dockerfile: 'FROM scratch\nADD archive.tar /out/\n' },
  { name: 'add: a compressed archive is unpacked', dockerfile: 'FROM scratch\nADD archive.tar.gz /out/\n' },
  {
    name: 'add: an archive by what it is, not by its name',
    dockerfile: 'FROM scratch\nADD archive.bin /out/\n',
  },
  { name: 'add: what only is called an archive is a file', dockerfile: 'FROM scratch\nADD fake.tar /out/\n' },
  { name: 'add: --chown', dockerfile: 'FROM scratch\nADD --chown=7:8 a.txt /out/\n' },
  {
    name: 'add: --unpack=false',
    dockerfile: 'FROM scratch\nADD --unpack=false archive.tar /out/\n',
    unlike: newer,
    tree: ['out/archive.tar file 644 0:0'],
  },
  { name: 'copy: an archive stays one', dockerfile: 'FROM scratch\nCOPY archive.tar.gz /out/\n' },
  { name: 'ignore: a name', ignore: 'a.txt\n', dockerfile: 'FROM scratch\nCOPY . /out/\n' },
  { name: 'ignore: a pattern', ignore: '*.txt\n', dockerfile: 'FROM scratch\nCOPY . /out/\n' },
  {
    name: 'ignore: a pattern at every depth',
    ignore: '**/*.txt\n',
    dockerfile: 'FROM scratch\nCOPY . /out/\n',
  },
  { name: 'ignore: a directory', ignore: 'dir\n', dockerfile: 'FROM scratch\nCOPY . /out/\n' },
  { name: 'ignore: but not this', ignore: '*.txt\n!b.txt\n', dockerfile: 'FROM scratch\nCOPY . /out/\n' },
  {
    name: 'ignore: below a directory but one',
    ignore: 'dir/*\n!dir/sub\n',
    dockerfile: 'FROM scratch\nCOPY . /out/\n',
  },
  { name: 'ignore: everything but', ignore: '*\n!dir/one.txt\n', dockerfile: 'FROM scratch\nCOPY . /out/\n' },
  {
    name: 'ignore: the last word counts',
    ignore: '!a.txt\na.txt\n',
    dockerfile: 'FROM scratch\nCOPY . /out/\n',
  },
  {
    name: 'ignore: comments, blanks, slashes',
    ignore: '# a.txt\n\n  b.txt  \n/c.md\ndir/\n',
    dockerfile: 'FROM scratch\nCOPY . /out/\n',
  },
  { name: 'ignore: one level deep', ignore: '*/*.txt\n', dockerfile: 'FROM scratch\nCOPY . /out/\n' },
  {
    name: 'ignore: the Dockerfile itself',
    ignore: 'Dockerfile\n.dockerignore\n',
    dockerfile: 'FROM scratch\nCOPY . /out/\n',
  },
  { name: 'run: shell form', dockerfile: `${base}RUN mkdir /out && echo $PATH > /out/path\n` },
  { name: 'run: exec form', dockerfile: `${base}RUN ["mkdir", "/out", "/out/$PATH"]\n` },
  {
    name: 'run: the environment',
    dockerfile: `${base}ENV a=1\nARG b=2\nRUN mkdir /out && echo $a$b > /out/f\n`,
  },
  {
    name: 'run: over lines, with comments',
    dockerfile: `${base}RUN mkdir /out && \\\n# why\n    echo x > /out/f && \\\n    echo y > /out/g\n`,
  },
  { name: 'run: as a user', dockerfile: `${base}RUN mkdir -m 777 /out\nUSER www\nRUN id -u > /out/f\n` },
  { name: 'run: in a directory', dockerfile: `${base}WORKDIR /out/w\nRUN pwd > f\n` },
  {
    name: 'run: removes what is below',
    dockerfile: `${base}COPY dir /out\nRUN rm -r /out/sub && rm /out/one.txt\n`,
  },
  {
    name: 'run: replaces a directory by a file',
    dockerfile: `${base}COPY dir /out\nRUN rm -r /out/sub && echo x > /out/sub\n`,
  },
  {
    name: 'run: a directory made again',
    dockerfile: `${base}COPY dir /out\nRUN rm -r /out/sub && mkdir /out/sub\n`,
  },
  {
    name: 'run: modes and owners',
    dockerfile: `${base}COPY dir /out\nRUN chmod 700 /out/sub && chown 5:6 /out/one.txt && chmod 4711 /out/one.txt\n`,
  },
  {
    name: 'run: links',
    dockerfile: `${base}RUN mkdir /out && cd /out && echo x > a && ln a b && ln -s a c && ln -s /nowhere d\n`,
  },
  {
    name: 'run: with another shell',
    dockerfile: `${base}SHELL ["/bin/ash", "-e", "-c"]\nRUN mkdir /out; echo x > /out/f\n`,
  },
  {
    name: 'run: --mount of a stage',
    dockerfile: `FROM scratch AS one\nCOPY a.txt /\n${base}RUN --mount=from=one,target=/m mkdir /out && cp /m/a.txt /out/\n`,
  },
  {
    name: 'run: --mount of the context',
    dockerfile: `${base}RUN --mount=target=/m mkdir /out && cp /m/b.txt /out/\n`,
  },
  {
    name: 'run: --mount of a temporary file system',
    unlike: 'it leaves the directories of mounts behind',
    tree: [],
    dockerfile: `${base}RUN --mount=type=tmpfs,target=/out/t mkdir -p /out/t && echo x > /out/t/gone\n`,
  },
  {
    name: 'run: --mount of a cache',
    dockerfile: `${base}RUN --mount=type=cache,target=/c echo x > /c/f && mkdir /out && cp /c/f /out/\n`,
  },
  {
    name: 'run: without a network',
    unlike: newer,
    tree: ['out directory 755 0:0'],
    dockerfile: `${base}RUN --network=none mkdir /out\n`,
  },
  {
    name: 'stages: from one another',
    dockerfile: `${base.trim()} AS one\nENV a=1\nCOPY a.txt /out/\nFROM one\nCOPY b.txt /out/\n`,
  },
  {
    name: 'stages: the same name again',
    dockerfile:
      'FROM scratch AS one\nCOPY a.txt /out/\nFROM scratch AS two\nCOPY b.txt /f\nFROM scratch\nCOPY --from=two /f /out/\n',
  },
  {
    name: 'stages: a target',
    dockerfile: 'FROM scratch AS one\nCOPY a.txt /out/\nFROM scratch AS two\nCOPY b.txt /out/\n',
    target: 'one',
  },
  {
    name: 'stages: what nobody needs is not built',
    dockerfile: `${base.trim()} AS never\nRUN exit 9\nFROM scratch\nCOPY a.txt /out/\n`,
  },
  {
    name: 'stages: names have no case',
    unlike: 'its names have',
    tree: ['out/f file 644 0:0 2'],
    dockerfile: 'FROM scratch AS One\nCOPY a.txt /f\nFROM scratch\nCOPY --from=ONE /f /out/\n',
  },
  {
    name: 'stages: a trigger of one runs in the next',
    dockerfile: 'FROM scratch AS one\nONBUILD COPY a.txt /out/\nFROM one\nCOPY b.txt /out/\n',
  },
  {
    name: 'volume: what is written before it stays',
    dockerfile: `${base}RUN mkdir /out && echo x > /out/f\nVOLUME /out\n`,
  },
];
