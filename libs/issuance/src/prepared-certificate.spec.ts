import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto'
import { equalBytes } from '@app/core'
import { signerOf, type Signer } from '@app/keys'
import { decodeCertificate, encodeName, parseDistinguishedName } from '@app/x509'
import { describe, expect, it } from 'vitest'
import { issue, newSerialNumber, prepareRootCertificate, type PreparedCertificate } from './index.js'

const signers = {
  'RSA-3072': signerOf(generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey),
  'P-256': signerOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
  'P-521': signerOf(generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey),
  Ed25519: signerOf(generateKeyPairSync('ed25519').privateKey)
}
const signer = signers['P-256']

const prepareWith = ({ publicKey, scheme }: Signer): PreparedCertificate =>
  prepareRootCertificate({
    subject: encodeName(parseDistinguishedName('CN=Example CA')),
    publicKey,
    scheme,
    version: { certificateIndex: 0, keyIndex: 0 },
    serialNumber: newSerialNumber({ bytes: length => new Uint8Array(randomBytes(length)) }),
    now: new Date('2030-01-01T00:00:00Z'),
    validitySeconds: 86_400
  })

describe('issuing a prepared certificate', () => {
  it.each(Object.entries(signers))('signs exactly the prepared bytes with %s', async (_kind, chosen) => {
    const prepared = prepareWith(chosen)
    const raw = await issue(prepared, chosen)
    const seen = new X509Certificate(raw)
    expect(equalBytes(decodeCertificate(raw).tbs, prepared.tbs)).toBe(true)
    expect(seen.verify(seen.publicKey)).toBe(true)
    expect(seen.serialNumber.toLowerCase()).toBe(prepared.serialHex)
  })

  it('works once', async () => {
    const prepared = prepareWith(signer)
    await issue(prepared, signer)
    await expect(issue(prepared, signer)).rejects.toMatchObject({ code: 'conflict' })
  })

  it('works once, too, when two start together', async () => {
    const prepared = prepareWith(signer)
    const outcomes = await Promise.allSettled([issue(prepared, signer), issue(prepared, signer)])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
  })

  it('works once, too, when the signer failed', async () => {
    const prepared = prepareWith(signer)
    const failing = { ...signer, sign: () => Promise.reject(new Error('device removed')) }
    await expect(issue(prepared, failing)).rejects.toThrow('device removed')
    await expect(issue(prepared, signer)).rejects.toMatchObject({ code: 'conflict' })
  })

  it('takes nothing that was not prepared, not even a copy', async () => {
    await expect(issue({ ...prepareWith(signer) }, signer)).rejects.toMatchObject({ code: 'conflict' })
  })

  it('does not sign when the bytes have been changed since', async () => {
    const prepared = prepareWith(signer)
    let calls = 0
    const counting: Signer = { ...signer, sign: data => (calls++, signer.sign(data)) }
    prepared.tbs[40]! ^= 1
    await expect(issue(prepared, counting)).rejects.toMatchObject({ code: 'internal' })
    expect(calls).toBe(0)
  })

  it('does not hand out a certificate whose bytes a signer changed while it signed', async () => {
    const changing: Signer = {
      ...signer,
      sign: data => {
        data[40]! ^= 1
        return signer.sign(data)
      }
    }
    await expect(issue(prepareWith(signer), changing)).rejects.toMatchObject({ code: 'internal' })
  })

  it('does not sign with another key or scheme than the CA’s', async () => {
    const other = signerOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
    await expect(issue(prepareWith(signer), other)).rejects.toMatchObject({ code: 'ca_certificate_invalid' })
    const stronger: Signer = { ...signer, scheme: 'ecdsa-sha512' }
    await expect(issue(prepareWith(signer), stronger)).rejects.toMatchObject({ code: 'ca_certificate_invalid' })
  })

  it('does not hand out a certificate whose signature is wrong', async () => {
    const faulty: Signer = { ...signer, sign: data => signer.sign(data.subarray(1)) }
    await expect(issue(prepareWith(signer), faulty)).rejects.toMatchObject({ code: 'internal' })
  })
})
