import { verifyJwtSvid } from '@mini-spire/sdk/jwt-svid'
import { JwtSource } from '@mini-spire/sdk/workload-api'

await using source = await JwtSource.create()
// The caller asks for a token for one service …
const { token } = await source.fetchJwtSvid({ audience: ['spiffe://example.org/api'] })
// … and that service verifies it, without asking anybody.
const caller = verifyJwtSvid(token, {
  audience: 'spiffe://example.org/api',
  bundles: source,
  now: new Date(),
})
process.stdout.write(`called by ${caller.spiffeId}\n`)
