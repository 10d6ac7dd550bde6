import test from 'ava';
import { compileTemplate } from '../../cmd/template/render.js';
import { CoracleError } from '../../lib/errors.js';

const value = {
  Id: 'abc123',
  Name: 'web',
  State: { Status: 'running', Pid: 42, Health: null },
  Ports: { '80/tcp': [{ HostPort: '8080' }], '443/tcp': null },
  Args: ['httpd', '-f'],
  Labels: { 'com.example.a': '1' },
  Label: (name: unknown) => ({ 'com.example.a': '1' })[String(name)] ?? '',
  Empty: [],
};

/** Templates of docker's and podman's manuals, and what Go makes of them. */
const rendered: Readonly<Record<string, string>> = {
  plain: 'plain',
  '{{.Name}}': 'web',
  '{{ .Name }}: {{.State.Status}}': 'web: running',
  '{{.State.Pid}}': '42',
  '{{.State.Health}}': '<no value>',
  '{{.Args}}': '[httpd -f]',
  '{{.Labels}}': 'map[com.example.a:1]',
  '{{json .Args}}': '["httpd","-f"]',
  '{{json .}}': JSON.stringify(value),
  '{{join .Args " "}}': 'httpd -f',
  '{{.Name | upper}}': 'WEB',
  '{{printf "%-5s|%3d|%q" .Name .State.Pid .Id}}': 'web  | 42|"abc123"',
  '{{len .Args}}': '2',
  '{{index .Args 1}}': '-f',
  '{{index .Labels "com.example.a"}}': '1',
  '{{.Label "com.example.a"}}': '1',
  '{{.Label "none"}}': '',
  '{{(index (index .Ports "80/tcp") 0).HostPort}}': '8080',
  '{{if .State.Pid}}up{{else}}down{{end}}': 'up',
  '{{if .Empty}}some{{else if eq .Name "web"}}it is web{{else}}none{{end}}': 'it is web',
  '{{if and (eq .Name "web") (gt .State.Pid 40)}}yes{{end}}': 'yes',
  '{{range .Args}}<{{.}}>{{end}}': '<httpd><-f>',
  '{{range $i, $a := .Args}}{{$i}}={{$a}} {{end}}': '0=httpd 1=-f ',
  '{{range $port, $hosts := .Ports}}{{$port}} {{end}}': '443/tcp 80/tcp ',
  '{{range .Empty}}x{{else}}nothing{{end}}': 'nothing',
  '{{with .State}}{{.Status}} {{$.Name}}{{end}}': 'running web',
  '{{$n := .Name}}{{$n}}{{$n}}': 'webweb',
  'a {{- .Name -}} b': 'awebb',
  '{{/* a comment */}}x': 'x',
  '{{println .Name}}': 'web\n',
  '{{truncate .Id 3}}': 'abc',
  '{{not .Empty}}': 'true',
  '{{slice .Id 1 3}} {{slice .Args 1}} {{slice .Id 0}}': 'bc [-f] abc123',
  '{{`raw`}} {{"quoted\\t"}}': 'raw quoted\t',
};

for (const [template, expected] of Object.entries(rendered)) {
  test(`renders ${template}`, (t) => {
    t.is(compileTemplate(template)(value), expected);
  });
}

const refused: Readonly<Record<string, RegExp>> = {
  '{{.Nope}}': /^use field \.Nope in --format: there is no such field$/,
  '{{.State.Nope}}': /there is no such field/,
  '{{nope .Name}}': /^use function "nope" in --format: not defined$/,
  '{{slice .Name 2 4}}': /^use function "slice" in --format: 2 to 4 of 3$/,
  '{{.Name': /unclosed action/,
  '{{if .Name}}x': /without \{\{end\}\}/,
  '{{end}}': /^parse format/,
  '{{(.Name}}': /missing \)/,
  '{{|}}': /missing value/,
};

for (const [template, message] of Object.entries(refused)) {
  test(`refuses ${template}`, (t) => {
    t.throws(() => compileTemplate(template)(value), { instanceOf: CoracleError, code: 'USAGE', message });
  });
}
