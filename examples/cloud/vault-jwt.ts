import { VaultLogin } from '@mini-spire/sdk/vault'
import { JwtSource } from '@mini-spire/sdk/workload-api'

await using svids = await JwtSource.create()
const address = 'https://vault.example.org:8200'
using vault = new VaultLogin({
  address,
  auth: { kind: 'jwt', svids, role: 'web', audience: address },
})
const { token } = await vault.getToken()
const answer = await fetch(`${address}/v1/secret/data/web`, { headers: { 'x-vault-token': token } })
process.stdout.write(`${answer.status}\n`)
