import { describe, expect, it } from 'vitest'
import { postgresUrl } from './connection-string.ts'

describe('a connection_string for PostgreSQL', () => {
  it.each([
    [
      'dbname=spire user=u password=p host=db port=5433 sslmode=disable',
      'postgres:///spire?user=u&password=p&host=db&port=5433&sslmode=disable',
    ],
    [
      "dbname = a  user='u\\'v w' host=/run/pg",
      'postgres:///a?user=u%27v+w&host=%2Frun%2Fpg&sslmode=require',
    ],
    ['postgresql://u:p@db/x', 'postgresql://u:p@db/x?sslmode=require'],
    ['', 'postgres:///?sslmode=require'],
  ])('%s', (text, expected) => {
    expect(postgresUrl(text)).toBe(expected)
  })

  it.each(['password=hunter2 =', 'hunter2', 'postgres://hunter2:x@[y', "password='hunter2"])(
    'is refused without repeating what may be a password: %s',
    (text) => {
      let message = ''
      try {
        postgresUrl(text)
      } catch (error) {
        message = String(error)
      }
      expect(message).toContain('malformed PostgreSQL connection_string')
      expect(message).not.toContain('hunter2')
    },
  )
})
