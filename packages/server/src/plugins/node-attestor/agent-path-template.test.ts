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
const run = (source: string): string => AgentPathTemplate.parse(source).execute(data)
const trustDomain = TrustDomain.parse('example.org')

describe('AgentPathTemplate.parse refuses', () => {
  it.each([
    ['/{{ .A', 'unclosed action'],
    ['/{{ if .A }}x{{ end }}', 'function "if" not defined'],
    ['/{{ env "HOME" }}', 'function "env" not defined'],
    ['/{{ $x }}', 'unexpected character'],
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
    ['/{{ lower 3 }}', 'error calling lower: wrong type; expected string'],
    ['/{{ index .DNSNames 7 }}', 'index out of range'],
  ])('%s', (source, message) => {
    expect(() => AgentPathTemplate.parse(source).agentId(trustDomain, data)).toThrow(message)
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
  ])('fills in %s', (source, expected) => {
    expect(run(source)).toBe(expected)
  })

  it('makes an ID under /spire/agent', () => {
    const id = AgentPathTemplate.parse('/{{ .PluginName }}/1').agentId(trustDomain, data)
    expect(String(id)).toBe('spiffe://example.org/spire/agent/x509pop/1')
  })
})
