import { randomInt } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ExchangingServer } from '../kit/exchanging-server.ts'
import { Scene } from '../kit/processes.ts'

const rounds = 4
const perRound = 24

/** Kills the process where it would begin its answer to a successful exchange, as long as a file is there. */
const killBeforeAnswer = `import { existsSync } from 'node:fs'
import { ServerResponse } from 'node:http'
const writeHead = ServerResponse.prototype.writeHead
ServerResponse.prototype.writeHead = function (status, ...more) {
  if (status === 200 && this.req.url === '/token' && existsSync(process.env.KILL_FILE))
    process.kill(process.pid, 'SIGKILL')
  return writeHead.call(this, status, ...more)
}`

const used = 'the subject token has been exchanged before'

describe('a server that is killed while it exchanges tokens', () => {
  it('between use and answer does not exchange that token again [gate 4]', async () => {
    await using scene = new Scene()
    const killFile = scene.path('kill')
    const preload = `data:text/javascript;base64,${Buffer.from(killBeforeAnswer).toString('base64')}`
    const ci = await ExchangingServer.start(scene, {
      env: { NODE_OPTIONS: `--import=${preload}`, KILL_FILE: killFile },
    })
    ci.register('/deploy')
    for (let round = 0; round < rounds; round++) {
      const token = ci.issuer.token()
      writeFileSync(killFile, '')
      await expect(ci.exchange(token)).rejects.toThrow()
      expect(await ci.server.daemon.ended).toBe('SIGKILL')
      rmSync(killFile)
      await ci.server.restart()
      expect((await ci.exchange(token)).body['error_description']).toBe(used)
      expect((await ci.exchange(ci.issuer.token())).status).toBe(200)
    }
  })

  it('at any moment exchanges no token twice [gate 4]', async () => {
    await using scene = new Scene()
    const ci = await ExchangingServer.start(scene)
    ci.register('/deploy')
    const tokens: string[] = []
    for (let round = 0; round < rounds; round++) {
      const mine = Array.from({ length: perRound }, () => ci.issuer.token())
      tokens.push(...mine)
      const killAfter = randomInt(1, perRound)
      let answered = 0
      const answers = mine.map(async (token) => {
        const { status } = await ci.exchange(token)
        if (++answered === killAfter) ci.server.daemon.process.kill('SIGKILL')
        return status
      })
      const before = await Promise.allSettled(answers)
      await ci.server.daemon.stop('SIGKILL')
      await ci.server.restart()
      for (const [index, token] of mine.entries()) {
        const { status, body } = await ci.exchange(token)
        const wasAnswered = before[index]?.status === 'fulfilled'
        // Who had an answer has had it; who had none may have been one step before it or not yet begun.
        expect({ wasAnswered, status, why: body['error_description'] }).toEqual(
          wasAnswered || status === 400
            ? { wasAnswered, status: 400, why: used }
            : { wasAnswered, status: 200, why: undefined },
        )
      }
    }
    for (const token of tokens)
      expect((await ci.exchange(token)).body['error_description']).toBe(used)
  })
})
