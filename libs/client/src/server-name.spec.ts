import type { PeerCertificate } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { checkServerName } from './server-name.js'

function isNamed(host: string, subjectaltname: string | undefined): boolean {
  const certificate = { subject: { CN: host }, subjectaltname } as unknown as PeerCertificate
  return checkServerName(host, certificate) === undefined
}

describe('the name of a server', () => {
  it.each([
    ['www.example.org', 'DNS:www.example.org', true],
    ['www.example.org', 'DNS:a.example.org, DNS:*.example.org, IP Address:10.0.0.1', true],
    ['10.0.0.1', 'DNS:a.example.org, IP Address:10.0.0.1', true],
    ['www.example.org', undefined, false],
    ['www.example.org', 'IP Address:10.0.0.1', false],
    ['www.example.org', 'DNS:w*.example.org', false],
    ['www.example.org', 'DNS:*w.example.org, DNS:a.example.org', false],
    ['www.example.org', 'DNS:w*.example.org, DNS:www.example.org', true],
    ['a.www.example.org', 'DNS:*.example.org', false],
    ['www.example.org', 'DNS:*.*.org', false],
    ['example.org', 'DNS:*.example.org', false]
  ])('%s is in %s: %s', (host, names, expected) => {
    expect(isNamed(host, names)).toBe(expected)
  })
})
