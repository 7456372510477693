import { describe, expect, it } from 'vitest'
import { parseGoUrl } from './go-url.ts'

// Every expectation is what Go 1's net/url says.
describe('a URL', () => {
  it.each([
    ['', '', '', false, ''],
    ['HTTPS://A.org/x', 'https', 'A.org', false, 'https://A.org/x'],
    ['https:///x', 'https', '', false, 'https:///x'],
    ['https://u:p@a.org', 'https', 'a.org', true, 'https://u:p@a.org'],
    ['https://[::1]:8443/x', 'https', '[::1]:8443', false, 'https://[::1]:8443/x'],
    ['https://a/x y', 'https', 'a', false, 'https://a/x%20y'],
    ['a.org:8443', 'a.org', '', false, 'a.org:8443'],
    ['https://a#', 'https', 'a', false, 'https://a'],
    ['https://a?%zz', 'https', 'a', false, 'https://a?%zz'],
    ['https://ä.org/é', 'https', 'ä.org', false, 'https://%C3%A4.org/%C3%A9'],
  ])('%j is read as Go reads it', (given, scheme, host, hasUserInfo, text) => {
    expect(parseGoUrl(given)).toEqual({ scheme, host, hasUserInfo, text })
  })

  it.each([
    ['https://a.org:abc', 'parse "https://a.org:abc": invalid port ":abc" after host'],
    ['https://[::1', 'parse "https://[::1": missing \']\' in host'],
    ['https://a b/', 'parse "https://a b/": invalid character " " in host name'],
    ['https://a%zz/', 'parse "https://a%zz/": invalid URL escape "%zz"'],
    ['https://a/%zz', 'parse "https://a/%zz": invalid URL escape "%zz"'],
    [':x', 'parse ":x": missing protocol scheme'],
    ['https://a\n', 'parse "https://a\\n": net/url: invalid control character in URL'],
    ['https://a#%zz', 'parse "https://a#%zz": invalid URL escape "%zz"'],
    ['https://u ser@a', 'parse "https://u ser@a": net/url: invalid userinfo'],
    ['1ttps://a', 'parse "1ttps://a": first path segment in URL cannot contain colon'],
    ['https://[::1]:x', 'parse "https://[::1]:x": invalid port ":x" after host'],
    ['https://a%41/', 'parse "https://a%41/": invalid URL escape "%41"'],
  ])('%j is refused in the words of Go', (given, message) => {
    expect(() => parseGoUrl(given)).toThrow(
      expect.objectContaining({ code: 'ERR_URL_MALFORMED', message }),
    )
  })
})
