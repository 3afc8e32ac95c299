import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { OID } from '@app/oid'
import { decodeCertificate, encodeBasicConstraints, type Certificate } from '@app/x509'
import {
  freshKey,
  issueCertificate,
  keyUsageExtension,
  makeCa,
  pemOf,
  SAMPLE_NOW,
  type SampleCa
} from '../../../test/helpers/enrollment-ca.js'
import { buildSampleCertificate, nameOf, toSampleKey } from '../../../test/helpers/x509-samples.js'
import { verifyChain } from './chain.js'

const root = makeCa('CN=Sample Root')
const ca = makeCa('CN=Sample Issuing CA', root)
const leaf = issueCertificate(ca, freshKey())

/** A holder of a certificate who plays the CA. */
function pretenderOf(certificate: Certificate, key: SampleCa['key']): SampleCa {
  return { key, certificate }
}

function constrainedCa(pathLength: number): SampleCa {
  const key = freshKey()
  const basicConstraints = encodeBasicConstraints({ isCa: true, pathLength })
  const extensions = [
    { oid: OID.id_ce_basicConstraints, critical: true, value: basicConstraints },
    keyUsageExtension('keyCertSign')
  ]
  return { key, certificate: issueCertificate(root, key, { subject: nameOf('CN=Constrained'), extensions }) }
}

function verify(certificates: readonly Certificate[], trust = pemOf(root.certificate), at = SAMPLE_NOW): Promise<void> {
  return verifyChain(
    trust,
    certificates.map(({ raw }) => raw),
    at
  )
}

const refused = { code: 'chain_invalid' }

describe('a chain', () => {
  it('up to a trusted root is accepted, whatever lies beside it', async () => {
    await expect(verify([leaf, ca.certificate])).resolves.toBeUndefined()
    await expect(
      verify([leaf, root.certificate, makeCa('CN=Other').certificate, ca.certificate])
    ).resolves.toBeUndefined()
    await expect(verify([ca.certificate])).resolves.toBeUndefined()
  })

  it('of a trusted root alone is accepted, whichever of the trusted ones it is', async () => {
    const trust = pemOf(leaf, root.certificate, ca.certificate)
    await expect(verify([root.certificate], trust)).resolves.toBeUndefined()
    await expect(verify([makeCa('CN=Other').certificate], trust)).rejects.toMatchObject(refused)
  })

  it('of Ed25519 keys is accepted', async () => {
    const key = toSampleKey(generateKeyPairSync('ed25519').privateKey)
    const certificate = decodeCertificate(buildSampleCertificate(key))
    const issued = issueCertificate({ key, certificate }, freshKey())
    await expect(verify([issued], pemOf(certificate))).resolves.toBeUndefined()
  })

  it('of Ed25519 keys with a wrong signature is refused', async () => {
    const [key, other] = [0, 1].map(() => toSampleKey(generateKeyPairSync('ed25519').privateKey)) as [
      SampleCa['key'],
      SampleCa['key']
    ]
    const certificate = decodeCertificate(buildSampleCertificate(key))
    const forged = issueCertificate({ key: other, certificate }, freshKey())
    await expect(verify([forged], pemOf(certificate))).rejects.toMatchObject(refused)
  })

  it.each([
    ['before it is valid', '2024-12-31T00:00:00Z'],
    ['after it has expired', '2026-01-01T00:00:00Z']
  ])('is refused %s', async (_what, at) => {
    await expect(verify([leaf, ca.certificate], undefined, new Date(at))).rejects.toMatchObject(refused)
  })

  it('that lacks a link, or has no trusted root at its end, is refused', async () => {
    await expect(verify([leaf])).rejects.toMatchObject(refused)
    await expect(verify([leaf, ca.certificate], pemOf(makeCa('CN=Sample Root').certificate))).rejects.toMatchObject(
      refused
    )
    await expect(verify([leaf, ca.certificate, root.certificate], '')).rejects.toMatchObject(refused)
  })

  it('through the certificate of somebody who is no CA is refused', async () => {
    const key = freshKey()
    const holder = issueCertificate(ca, key, { subject: nameOf('CN=Holder') })
    const forged = issueCertificate(pretenderOf(holder, key), freshKey())
    await expect(verify([forged, holder, ca.certificate])).rejects.toMatchObject(refused)
  })

  it('longer than its CA may make it is refused', async () => {
    const constrained = constrainedCa(0)
    const below = makeCa('CN=Below', constrained)
    await expect(verify([issueCertificate(constrained, freshKey()), constrained.certificate])).resolves.toBeUndefined()
    await expect(
      verify([issueCertificate(below, freshKey()), below.certificate, constrained.certificate])
    ).rejects.toMatchObject(refused)
  })
})
