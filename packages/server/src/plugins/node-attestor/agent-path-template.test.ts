import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { describe, expect, it } from 'vitest'
import { TemplateStruct } from './agent-path-template/template-value.ts'
import { AgentPathTemplate } from './agent-path-template.ts'

const data = new TemplateStruct('x509pop.agentPathTemplateData', {
  PluginName: 'x509pop',
  Fingerprint: 'abcd',
  Subject: new TemplateStruct('pkix.Name', { CommonName: 'Node One' }),
  DNSNames: ['a.example', 'b.example'],
  URISanSelectors: new Map([['cluster', 'west']]),
})
const run = (source: string): Promise<string> => AgentPathTemplate.parse(source).execute(data)
const trustDomain = TrustDomain.parse('example.org')

describe('AgentPathTemplate.parse refuses', () => {
  it.each([
    ['/{{ .A', 'unclosed action'],
    ['/{{ if .A }}x', 'unexpected EOF'],
    ['/{{ break }}', '{{break}} outside {{range}}'],
    ['/{{ env "HOME" }}', 'function "env" not defined'],
    ['/{{ $x }}', 'undefined variable "$x"'],
    ['/{{ .A; }}', 'unexpected character'],
    ['/{{ }}', 'missing value for command'],
    ['/{{ .A | "x" }}', 'non executable command in pipeline'],
    ['/{{ lower (.A }}', 'unexpected end of action'],
    ['/{{ .A .B }}', 'missing value for command'],
    ['/{{ "a\\q" }}', 'unable to parse string'],
  ])('%s', (source, message) => {
    expect(() => AgentPathTemplate.parse(source)).toThrow(message)
  })
})

describe('AgentPathTemplate.agentId refuses', () => {
  it.each([
    ['{{ .PluginName }}', 'invalid agent path suffix "x509pop": path must have a leading slash'],
    ['/{{ .Subject.CommonName }}', 'path segment characters are limited'],
    ['/{{ index .URISanSelectors "none" }}', 'path cannot have a trailing slash'],
    ['/a/../{{ .Fingerprint }}', 'path cannot contain dot segments'],
    [
      '/{{ .Nope }}',
      `template: agent-path:1:4: executing "agent-path" at <.Nope>: can't evaluate field Nope in type x509pop.agentPathTemplateData`,
    ],
    ['/{{ .URISanSelectors.none }}', 'map has no entry for key "none"'],
    ['/{{ lower 3 }}', 'error calling lower: wrong type for value; expected string; got int'],
    ['/{{ index .DNSNames 7 }}', 'index out of range'],
  ])('%s', async (source, message) => {
    const template = AgentPathTemplate.parse(source)
    await expect(template.agentId(trustDomain, data)).rejects.toThrow(message)
  })
})

describe('AgentPathTemplate.execute', () => {
  it.each([
    ['/{{ .PluginName }}/{{ .Fingerprint }}', '/x509pop/abcd'],
    ['/{{.Subject.CommonName | lower | replace " " "-"}}', '/node-one'],
    ['/{{ .URISanSelectors.cluster }}', '/west'],
    ['/{{ index .DNSNames 1 | trimSuffix ".example" }}', '/b'],
    ['/a  {{- /* gone */ -}}  /b', '/a/b'],
    ['/a {{- .Fingerprint -}} /b', '/aabcd/b'],
    ['/{{ trunc 2 (upper .Fingerprint) }}', '/AB'],
    ['/{{ default "none" "" }}/{{ join "_" .DNSNames }}', '/none/a.example_b.example'],
    ['/{{ sha256sum "a" | substr 0 8 }}', '/ca978112'],
    ['/{{ .DNSNames }}', '/[a.example b.example]'],
  ])('fills in %s', async (source, expected) => {
    expect(await run(source)).toBe(expected)
  })

  it('makes an ID under /spire/agent', async () => {
    const id = await AgentPathTemplate.parse('/{{ .PluginName }}/1').agentId(trustDomain, data)
    expect(String(id)).toBe('spiffe://example.org/spire/agent/x509pop/1')
  })
})

describe('AgentPathTemplate.execute reaches nothing but its data', () => {
  it.each([
    '{{ .constructor }}',
    '{{ .fields }}',
    '{{ .Subject.typeName }}',
    '{{ .PluginName.length }}',
    '{{ .DNSNames.length }}',
    '{{ .URISanSelectors.size }}',
    '{{ .URISanSelectors.__proto__ }}',
    '{{ (dict "a" 1).constructor }}',
    '{{ index .DNSNames "length" }}',
    '{{ index . "PluginName" }}',
  ])('%s', async (source) => {
    await expect(run(source)).rejects.toThrow(/evaluate field|no entry for key|index/)
  })
})

describe('AgentPathTemplate.execute comes to an end', () => {
  it.each([
    ['{{ repeat 1000000000 "a" }}', 'the text is too long'],
    ['{{ indent 100000 "a" }}', 'the text is too long'],
    ['{{ $x := "aaaaaaaa" }}{{ range 30 }}{{ $x = print $x $x }}{{ end }}', 'the text is too long'],
    ['{{ range 9000 }}{{ range 9000 }}{{ end }}{{ end }}', 'the template takes too long'],
    ['{{ range 9000 }}0123456789{{ end }}', 'the path is too long'],
    ['{{ range 100000 }}{{ end }}', 'the range is too long'],
    ['{{ seq 1 100000000 }}', 'the sequence is too long'],
    ['{{ splitList "" (repeat 20000 "a") }}', 'the list is too long'],
    ['{{ define "a" }}{{ template "a" }}{{ end }}{{ template "a" }}', 'maximum template depth'],
    ['{{ $d := dict }}{{ set $d "a" (list $d) }}', 'a dictionary cannot hold itself'],
    [
      '{{ $l := list 1 }}{{ range 40 }}{{ $l = list $l $l }}{{ end }}{{ $l }}',
      'the list is too long',
    ],
    [
      '{{ $d := dict }}{{ $l := list $d $d $d $d }}{{ $_ := set $d "a" (repeat 60000 "a") }}{{ $l }}',
      'the text is too long',
    ],
  ])('%s', async (source, message) => {
    await expect(run(source)).rejects.toThrow(message)
  })

  it('whatever text a pattern is held against', async () => {
    const text = `${'a'.repeat(30_000)}!`
    const hostile = new TemplateStruct('data', { Name: text })
    const template = AgentPathTemplate.parse('{{ regexMatch "^(a+)+$" .Name }}')
    expect(await template.execute(hostile)).toBe('false')
  })
})
