import { readFileSync } from 'node:fs'
import { AgentPathTemplate } from '@mini-spire/server/plugins/node-attestor/agent-path-template'
import { templateFunctionNames } from '@mini-spire/server/plugins/node-attestor/agent-path-template/template-functions'
import { TemplateStruct } from '@mini-spire/server/plugins/node-attestor/agent-path-template/template-value'
import { describe, expect, it } from 'vitest'

interface Vectors {
  readonly source: string
  /** The functions of sprig that there are. */
  readonly functions: readonly string[]
  /** What comes of a template; null: an error. */
  readonly outputs: Readonly<Record<string, string | null>>
  /** Templates that are none. */
  readonly malformed: readonly string[]
}

const vectors: Vectors = JSON.parse(
  readFileSync(new URL('go-templates.json', import.meta.url), 'utf8'),
)
const data = new TemplateStruct('main.Data', {
  PluginName: 'x509pop',
  Fingerprint: 'a1b2c3d4e5f6',
  TrustDomain: '',
  Serial: 42,
  Subject: new TemplateStruct('main.Name', {
    CommonName: 'web-1.Example.org',
    Organization: ['Acme Inc', 'R&D'],
  }),
  DNSNames: ['web-1.example.org', 'b.example.org', 'a.example.org'],
  Empty: [],
  Tags: new Map([
    ['Name', 'web-1'],
    ['env', 'prod'],
    ['aws:group', 'g 1'],
    ['empty', ''],
  ]),
  Is: true,
})

describe('an agent path template, and text/template with sprig,', () => {
  it('have the same functions', () => {
    for (const name of vectors.functions) expect([...templateFunctionNames]).toContain(name)
    const own = 'index len not and or print println printf html js urlquery call'.split(' ')
    const all = [...own, ...'eq ne lt le gt ge'.split(' '), ...vectors.functions]
    expect([...templateFunctionNames].sort()).toEqual(all.sort())
  })

  it.each(Object.entries(vectors.outputs))('make the same of %s', async (template, output) => {
    // What cannot run is refused when it runs, or before.
    const run = async (): Promise<string> => AgentPathTemplate.parse(template).execute(data)
    if (output === null) await expect(run()).rejects.toThrow()
    else expect(await run()).toBe(output)
  })

  it.each(vectors.malformed)('refuse %s', (template) => {
    expect(() => AgentPathTemplate.parse(template)).toThrow()
  })
})
