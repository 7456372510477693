import { X509Source } from '@mini-spire/sdk/workload-api'

// Waits for the first SVID; from then on the source has the newest one. The address is SPIFFE_ENDPOINT_SOCKET's.
await using source = await X509Source.create()
const { spiffeId, expiresAt } = source.getX509Svid()
process.stdout.write(`I am ${spiffeId} until ${expiresAt.toISOString()}\n`)
