import { TokenExchange } from '@mini-spire/sdk/token-exchange'
import { JwtSource } from '@mini-spire/sdk/workload-api'

await using svids = await JwtSource.create()
using exchange = new TokenExchange({
  svids,
  url: 'https://login.example.com/token',
  audience: ['https://api.example.com'],
  scope: ['read'],
})
const { token } = await exchange.getToken()
const headers = { authorization: `Bearer ${token}` }
process.stdout.write(`${(await fetch('https://api.example.com/', { headers })).status}\n`)
