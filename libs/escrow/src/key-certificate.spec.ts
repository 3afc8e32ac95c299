import { createHash, generateKeyPairSync } from 'node:crypto'
import { OID } from '@app/oid'
import { decodeCertificate } from '@app/x509'
import { describe, expect, it } from 'vitest'
import {
  sampleRsaKey,
  transportCertificate,
  type TransportCertificateOptions
} from '../../../test/helpers/escrow-samples.js'
import { readAdcsVector } from '../../../test/helpers/x509-samples.js'
import { judgeAgentCertificate, judgeExchangeCertificate, keyRecoveryHashes } from './index.js'

const now = new Date('2025-06-01T12:00:00Z')

describe('the certificate of a recovery agent', () => {
  it.each<readonly [string, TransportCertificateOptions, Date, string]>([
    ['as it should be', {}, now, 'usable'],
    ['with further usages', { usages: ['digitalSignature', 'keyEncipherment'] }, now, 'usable'],
    ['in its first millisecond', {}, new Date('2025-01-01T00:00:00.000Z'), 'usable'],
    ['a millisecond too early', {}, new Date('2024-12-31T23:59:59.999Z'), 'not-yet-valid'],
    ['in its last millisecond', {}, new Date('2025-12-31T23:59:59.999Z'), 'usable'],
    ['a millisecond too late', {}, new Date('2026-01-01T00:00:00.000Z'), 'expired'],
    ['for signatures only', { usages: ['digitalSignature'] }, now, 'key-usage'],
    ['without a key usage', { usages: null }, now, 'key-usage'],
    ['for another purpose', { purposes: [OID.szOID_KP_CA_EXCHANGE] }, now, 'extended-key-usage'],
    ['for the recovery of files', { purposes: [OID.szOID_KP_KEY_RECOVERY] }, now, 'extended-key-usage'],
    ['for any purpose', { purposes: [OID.anyExtendedKeyUsage] }, now, 'extended-key-usage'],
    ['without a purpose', { purposes: null }, now, 'extended-key-usage']
  ])('%s', (_name, options, at, expected) => {
    const judgement = judgeAgentCertificate(transportCertificate(sampleRsaKey(0), options), at)
    expect(judgement.usable ? 'usable' : judgement.fault).toBe(expected)
  })

  it.each([
    ['an elliptic curve key', generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, 'key-algorithm'],
    ['a key of 1024 bits', generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey, 'key-weak'],
    ['a key with e = 3', generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).privateKey, 'key-weak']
  ])('with %s', (_name, key, expected) => {
    expect(judgeAgentCertificate(transportCertificate(key), now)).toMatchObject({ usable: false, fault: expected })
  })

  it('is named in the recovery hashes by its SHA-1, with a blank between bytes and one a line', () => {
    const agents = [0, 1].map(index => transportCertificate(sampleRsaKey(0), { serialNumber: index + 1 }))
    const expected = agents.map(({ raw }) =>
      [...createHash('sha1').update(raw).digest()].map(octet => octet.toString(16).padStart(2, '0')).join(' ')
    )
    expect(keyRecoveryHashes(agents)).toBe(`${expected[0]}\n${expected[1]}`)
    expect(keyRecoveryHashes([])).toBe('')
  })
})

describe('an exchange certificate', () => {
  const microsoft = decodeCertificate(readAdcsVector('microsoft-exchange-certificate.der'))

  it('of a Microsoft CA is usable within its week, and is no recovery agent', () => {
    const during = new Date(microsoft.notBefore.getTime() + 86_400_000)
    expect(judgeExchangeCertificate(microsoft, during)).toEqual({ usable: true })
    expect(judgeExchangeCertificate(microsoft, now)).toMatchObject({ usable: false, fault: 'expired' })
    expect(judgeAgentCertificate(microsoft, during)).toMatchObject({ usable: false, fault: 'extended-key-usage' })
  })

  it('is not that of a recovery agent', () => {
    const agent = transportCertificate(sampleRsaKey(0))
    const exchange = transportCertificate(sampleRsaKey(0), { purposes: [OID.szOID_KP_CA_EXCHANGE] })
    expect(judgeExchangeCertificate(agent, now)).toMatchObject({ usable: false, fault: 'extended-key-usage' })
    expect(judgeExchangeCertificate(exchange, now)).toEqual({ usable: true })
  })
})
