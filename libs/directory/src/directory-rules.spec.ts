import { generateKeyPairSync, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ErrorCode } from '@app/core'
import { encodeSecurityIdentifier } from '@app/x509'
import { proveCertificatePossession, verifyCertificatePossession } from './possession-proof.js'
import { checkRegistrationCall, requireDomainAccount } from './registration-call.js'
import { decodeGuid, decodeSid, domainOfSid, encodeGuid, encodeSid } from './security-identifier.js'
import { decodeUserSignCerts, encodeUserSignCerts, userCertDigest } from './user-sign-certs.js'

const SID = 'S-1-5-21-666199682-1411342147-2938717855-1001'
/** What an error of a code is compared with. */
const coded = (code: ErrorCode): Error => expect.objectContaining({ code }) as Error
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('a list of registered certificates', () => {
  const entry = {
    identifier: '6b29fc40-ca47-1067-b31d-00dd010662da',
    certificate: Buffer.from('3003020101', 'hex')
  }

  it('000-6 has the bytes of MQUSERSIGNCERTS (known answer 1)', () => {
    expect(hex(encodeUserSignCerts([entry]))).toBe(
      '01000000f5911d51916a20c8fa187637ba2ff75540fc296b47ca6710b31d00dd010662da050000003003020101'
    )
  })

  it('comes back as it was, in its order', () => {
    const entries = fc.array(
      fc.record({
        identifier: fc.uuid(),
        certificate: fc.uint8Array({ maxLength: 40 }).map(bytes => Buffer.from(bytes))
      })
    )
    fc.assert(
      fc.property(entries, list => {
        expect(decodeUserSignCerts(encodeUserSignCerts(list))).toEqual(list)
      })
    )
  })

  it('is refused when a byte is missing, too many, or a digest is another', () => {
    const bytes = Buffer.from(encodeUserSignCerts([entry, { ...entry, certificate: randomBytes(30) }]))
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeUserSignCerts(bytes.subarray(0, length))).toThrow(/damaged/)
    }
    expect(() => decodeUserSignCerts(Buffer.concat([bytes, Buffer.of(0)]))).toThrow(/bytes follow/)
    bytes[4] = (bytes[4] ?? 0) ^ 1
    expect(() => decodeUserSignCerts(bytes)).toThrow(/digest/)
    expect(userCertDigest(entry.certificate)).toHaveLength(16)
  })
})

describe('a security identifier', () => {
  it('has the bytes of objectSid (known answer 2)', () => {
    expect(hex(encodeSid(SID))).toBe('0105000000000005150000008266b527435f1f549f4629afe9030000')
    expect(decodeSid(encodeSid(SID))).toBe(SID)
    expect(decodeSid(encodeSid('S-1-5-18'))).toBe('S-1-5-18')
  })

  it('stands in a certificate as text (known answer 3)', () => {
    expect(hex(encodeSecurityIdentifier(SID))).toBe(
      '303fa03d060a2b060104018237190201a02f042d532d312d352d32312d3636363139393638322d313431313334323134372d323933383731373835352d31303031'
    )
  })

  it.each(['', 'S-1', 'S-1-5', 'S-1-5-4294967296', 'S-1-281474976710656-1', 'S-2-5-18', 'S-1-5-x'])(
    'is not %j',
    text => {
      expect(() => encodeSid(text)).toThrow(/no security identifier/)
    }
  )

  it('has no bytes missing or too many', () => {
    const bytes = encodeSid(SID)
    expect(() => decodeSid(bytes.subarray(1))).toThrow(/no security identifier/)
    expect(() => decodeSid(Buffer.concat([bytes, Buffer.of(0)]))).toThrow(/no security identifier/)
  })

  it('is under a domain or not', () => {
    expect(domainOfSid(SID)).toBe('S-1-5-21-666199682-1411342147-2938717855')
    expect(domainOfSid('S-1-5-20')).toBeUndefined()
    expect(decodeGuid(encodeGuid('6b29fc40-ca47-1067-b31d-00dd010662da'))).toBe('6b29fc40-ca47-1067-b31d-00dd010662da')
  })
})

describe('a call of RegisterCertificate', () => {
  it('is internal without a certificate, by name, number or the default', () => {
    expect(checkRegistrationCall({})).toEqual({ kind: 'internal', flag: 'MQCERT_REGISTER_ALWAYS' })
    expect(checkRegistrationCall({ flags: 2 })).toEqual({ kind: 'internal', flag: 'MQCERT_REGISTER_IF_NOT_EXIST' })
  })

  it.each([
    ['flags that do not exist', { flags: 3 }],
    ['flags of the seed’s other spelling', { flags: 'MQ_REGISTER_IF_NOT_EXIST' }],
    ['an empty certificate', { flags: 1, certificate: Buffer.alloc(0) }],
    ['IF_NOT_EXIST with a certificate', { flags: 2, certificate: Buffer.from('30') }],
    ['PEM', { flags: 1, certificate: Buffer.from('-----BEGIN CERTIFICATE-----') }]
  ])('000-3 is refused with %s', (_, call) => {
    expect(() => checkRegistrationCall(call)).toThrow(coded('MQ_ERROR_INVALID_PARAMETER'))
  })

  it('000-4 is for accounts of a domain, on a server that is in one', () => {
    const caller = { account: 'CORP\\ann', sid: SID, kind: 'user', workgroup: false }
    requireDomainAccount(caller)
    for (const changes of [{ sid: 'S-1-5-20' }, { kind: 'system', sid: 'S-1-5-18' }, { kind: 'group' }]) {
      expect(() => requireDomainAccount({ ...caller, ...changes })).toThrow(coded('MQ_ERROR_ILLEGAL_USER'))
    }
    expect(() => requireDomainAccount({ ...caller, sid: 'S-1-5-20', workgroup: true })).toThrow(
      coded('MQ_ERROR_UNSUPPORTED_OPERATION')
    )
  })
})

describe('a proof of possession', () => {
  it.each(['ec', 'ed25519'] as const)('by %s counts for its account, certificate and nonce alone', kind => {
    const { privateKey, publicKey } =
      kind === 'ec' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519')
    const spki = publicKey.export({ type: 'spki', format: 'der' })
    const claim = { sid: SID, certificate: Buffer.from('certificate'), nonce: 'abc' }
    const proof = proveCertificatePossession(claim, privateKey)
    verifyCertificatePossession(claim, spki, proof)
    for (const changes of [{ sid: `${SID}1` }, { certificate: Buffer.from('another') }, { nonce: 'abd' }]) {
      expect(() => verifyCertificatePossession({ ...claim, ...changes }, spki, proof)).toThrow(/not by the key/)
    }
    expect(() => verifyCertificatePossession(claim, Buffer.from('no key'), proof)).toThrow(/not by the key/)
  })
})
