import { describe, expect, it } from 'vitest'
import { loadConfig } from '../config/load.js'
import { certificateUrls, distributionUrls } from './distribution-urls.js'

const numbers = { id: 3, keyIndex: 1, certIndex: 2 }

describe('the addresses in certificates', () => {
  it('are those of the installation, each of one key or certificate', () => {
    const config = loadConfig({}, { overrides: { httpBaseUrl: 'http://pki.example.org' } })
    expect(certificateUrls(config, distributionUrls(config.httpBaseUrl, numbers))).toMatchObject({
      crlUrls: ['http://pki.example.org/crl/3-1.crl'],
      caIssuersUrls: ['http://pki.example.org/ca/3-2.cer'],
      ocspUrls: ['http://pki.example.org/ocsp/3-1']
    })
  })

  it('are followed by further ones, with the numbers filled in', () => {
    const crl = ['ldap://ldap.example.org/CN=CA{ca}-{key},O=Example?certificateRevocationList;binary']
    const caIssuers = ['http://mirror.example.org/{ca}/{certificate}.cer']
    const config = loadConfig({}, { overrides: { addresses: { crl, caIssuers, ocsp: ['http://ocsp.example.org'] } } })
    const urls = certificateUrls(config, distributionUrls(config.httpBaseUrl, numbers))
    expect(urls.crlUrls[1]).toBe('ldap://ldap.example.org/CN=CA3-1,O=Example?certificateRevocationList;binary')
    expect(urls.caIssuersUrls[1]).toBe('http://mirror.example.org/3/2.cer')
    expect(urls.ocspUrls[1]).toBe('http://ocsp.example.org')
  })

  it.each([
    ['crl', 'https://pki.example.org/{key}.crl'],
    ['crl', 'ldap://ldap.example.org/CN=CA'],
    ['caIssuers', 'file:///ca.cer'],
    ['ocsp', 'ldap://ldap.example.org/CN=CA?x'],
    ['crl', 'http://pki.example.org/{index}.crl']
  ] as const)('are refused among the settings of %s when nobody could use them: %s', (kind, address) => {
    expect(() => loadConfig({}, { overrides: { addresses: { [kind]: [address] } } })).toThrow(/addresses\./)
  })
})
