import { VaultLogin } from '@mini-spire/sdk/vault'
import { X509Source } from '@mini-spire/sdk/workload-api'

await using svids = await X509Source.create()
const vault = new VaultLogin({
  address: 'https://vault.example.org:8200',
  auth: { kind: 'cert', svids, role: 'web' },
})
const { expiresAt } = await vault.getToken()
process.stdout.write(`good until ${expiresAt.toISOString()}\n`)
await vault.revoke()
