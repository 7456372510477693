import { describe, expect, it } from 'vitest'
import { FakeClock } from '../clock.test-kit.ts'
import { type Entrant, HandshakeTurns, type TurnLimits } from './handshake-turns.ts'

const small: TurnLimits = { maxHandshakes: 2, maxSlowHandshakes: 2, maxWaitingHandshakes: 8 }

/** Turns, and connections that say which of them have started and which were cut. */
function scene(limits: TurnLimits = small) {
  const clock = new FakeClock()
  const turns = new HandshakeTurns({ limits, clock })
  const started: string[] = []
  const cut: string[] = []
  const enter = (name: string, limitedBy = name): Entrant | undefined => {
    const entrant: Entrant = {
      limitedBy,
      start: () => void started.push(name),
      cut: () => void cut.push(name),
    }
    return turns.enter(entrant) ? entrant : undefined
  }
  /** As many phases of the loop as there are turns to take. */
  const settle = async (): Promise<void> => {
    for (let n = 0; n < 20; n++) await new Promise((resolve) => setImmediate(resolve))
  }
  const advance = async (ms: number): Promise<void> => {
    clock.advance(ms)
    await settle()
  }
  return { clock, turns, started, cut, enter, settle, advance }
}

/** Those that never end. */
const silent = ['s1', 's2', 's3', 's4']

describe('handshakes', () => {
  it('start at once while few are made, and the others when one has ended', async () => {
    const { turns, started, enter, settle } = scene()
    const first = enter('a')
    enter('b')
    enter('c')
    await settle()
    expect(started).toEqual(['a', 'b'])
    if (first) turns.leave(first)
    await settle()
    expect(started).toEqual(['a', 'b', 'c'])
  })

  it('that their peers leave unfinished hold up the others for a moment only [gate 9]', async () => {
    const { started, cut, enter, advance } = scene()
    for (const name of silent.slice(0, 2)) enter(name)
    enter('honest')
    await advance(249)
    expect(started).not.toContain('honest')
    await advance(26)
    expect(started).toContain('honest')
    expect(cut).toEqual([])
  })

  it('that are slow are cut, the oldest first, when they are too many and have had their time, and no sooner [gate 9]', async () => {
    const { started, cut, enter, advance, clock } = scene()
    for (const name of silent) enter(name)
    await advance(275)
    for (const name of ['h1', 'h2', 'h3']) enter(name)
    for (let n = 0; n < 68; n++) await advance(25)
    expect([started, cut]).toEqual([silent, []])
    for (let n = 0; n < 2; n++) await advance(25)
    expect([started, cut]).toEqual([
      ['s1', 's2', 's3', 's4', 'h1', 'h2'],
      ['s1', 's2'],
    ])
    for (let n = 0; n < 200; n++) await advance(25)
    expect(started).toContain('h3')
    expect(cut).toEqual(['s1', 's2', 's3'])
    expect(clock.timerCount).toBe(0)
  })

  it('that nobody waits for are left alone', async () => {
    const { cut, enter, advance, clock } = scene()
    for (const name of silent.slice(0, 2)) enter(name)
    await advance(100_000)
    expect([cut, clock.timerCount]).toEqual([[], 0])
  })

  it('of a process that stood still are looked at after what had arrived meanwhile', async () => {
    const { turns, started, cut, enter, clock, settle } = scene({ ...small, maxSlowHandshakes: 0 })
    const [one, other] = [enter('a'), enter('b')]
    enter('c')
    await settle()
    clock.advance(60_000)
    // What has arrived is read in the phase of the loop that follows the timers.
    if (one && other) for (const each of [one, other]) turns.leave(each)
    await settle()
    expect([started, cut]).toEqual([['a', 'b', 'c'], []])
  })

  it('of one address wait for its own, and let others before', async () => {
    const { turns, started, enter, settle } = scene({ ...small, maxHandshakes: 1 })
    const first = enter('m1', 'many')
    const second = enter('m2', 'many')
    for (const name of ['m3', 'm4']) enter(name, 'many')
    const third = enter('honest')
    for (const entrant of [first, second, third]) {
      if (entrant) turns.leave(entrant)
      await settle()
    }
    expect(started).toEqual(['m1', 'm2', 'honest', 'm3'])
  })

  it('of a few addresses do not take all places to wait in', () => {
    const { enter } = scene()
    enter('a')
    enter('b')
    for (let n = 0; n < 4; n++) expect(enter(`m${n}`, 'many')).toBeDefined()
    expect(enter('m4', 'many')).toBeUndefined()
    for (let n = 0; n < 4; n++) expect(enter(`honest ${n}`)).toBeDefined()
    expect(enter('one too many')).toBeUndefined()
  })

  it('that wait when the listener closes are cut, and those that are under way are not', async () => {
    const { turns, started, cut, enter, advance } = scene()
    for (const name of ['a', 'b', 'c', 'd']) enter(name)
    turns.close()
    await advance(1_000)
    expect([started, cut]).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ])
  })
})
