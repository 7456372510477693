import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readText, root } from '../kit/repository.ts'

const pages = readdirSync(join(root, 'docs/cloud')).map((name) => readText(`docs/cloud/${name}`))

describe('the pages of the clouds', () => {
  it.each(readdirSync(join(root, 'examples/cloud')))('show %s as it compiles', (name) => {
    const shown = `\`\`\`ts\n${readText(`examples/cloud/${name}`)}\`\`\``
    expect(pages.filter((page) => page.includes(shown))).toHaveLength(1)
  })
})
