import { createSocket } from 'node:dgram'
import type { Scene } from './processes.ts'

const noSuchName = 3

/**
 * Answers DNS questions on a port of this machine [RFC 1035]: every name is this machine, those below `invalid` do not exist. Nobody
 * else is asked.
 *
 * @returns its address as `host:port`
 */
export async function startLocalDns(scene: Scene): Promise<string> {
  const socket = createSocket('udp4')
  socket.on('message', (question, { port, address }) => {
    socket.send(answerTo(question), port, address)
  })
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  scene.defer(() => new Promise((resolve) => socket.close(() => resolve())))
  return `127.0.0.1:${socket.address().port}`
}

function answerTo(question: Buffer): Buffer {
  let end = 12
  while (question[end] !== 0 && end < question.length) end += (question[end] ?? 0) + 1
  const isUnknown = question.subarray(12, end).toString('latin1').endsWith('\u0007invalid')
  const isAddress = question.readUInt16BE(end + 1) === 1
  const asked = question.subarray(12, end + 5)
  const head = Buffer.alloc(12)
  question.copy(head, 0, 0, 2)
  head.writeUInt16BE(0x8180 | (isUnknown ? noSuchName : 0), 2)
  head.writeUInt16BE(1, 4)
  if (isUnknown || !isAddress) return Buffer.concat([head, asked])
  head.writeUInt16BE(1, 6)
  // The name of the question, an address of the Internet, a second, four octets.
  const record = Buffer.of(0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1)
  return Buffer.concat([head, asked, record])
}
