import { readFile } from 'node:fs/promises'
import { exchangeToken, tokenTypes } from '@mini-spire/sdk/token-exchange'

// A job without an agent: its platform wrote a token for it.
const subjectToken = (await readFile('/run/job/token', 'utf8')).trim()
const { expiresAt } = await exchangeToken({
  url: 'https://login.example.com/token',
  subjectToken,
  subjectTokenType: tokenTypes.jwt,
  audience: ['spiffe://example.org/api'],
})
process.stdout.write(`good until ${expiresAt?.toISOString()}\n`)
