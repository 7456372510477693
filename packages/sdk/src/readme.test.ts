import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const examples = new URL('../../../examples/sdk/', import.meta.url)
const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')

describe('the README', () => {
  it.each(readdirSync(examples))('shows %s as it compiles', (name) => {
    expect(readme).toContain(`\`\`\`ts\n${readFileSync(new URL(name, examples), 'utf8')}\`\`\``)
  })
})
