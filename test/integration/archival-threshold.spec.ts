import { createHash, createPublicKey } from 'node:crypto'
import { CR_DISP_ISSUED, CR_IN_CMC, Enrollment, FR_PROP_FULLRESPONSE, type AcceptedCertificate } from '@app/client'
import { toHex } from '@app/core'
import { decodeThresholdSealedKey, keyBlobToPkcs8, openWithShares, transferShare } from '@app/escrow'
import { decrypterOf } from '@app/keys'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshEntropy, rejectionOf } from '../helpers/escrow-samples.js'
import { makeRecoveryAgent, type RecoveryAgent } from '../helpers/recovery-agent.js'
import { startTestServer, type TestServer } from '../helpers/server.js'
import { sealedKeyOf } from '../helpers/submission.js'

let server: TestServer

beforeAll(async () => {
  server = await startTestServer()
})

afterAll(async () => {
  await server.stop()
})

describe('the built-in template that archives keys', () => {
  it('has the key sealed to three agents, two of whom open it together, before the certificate is issued', async () => {
    const { requestId, accepted } = await enroll()
    const { mode, sealed, agentIds, contentEncryption } = await sealedKeyOf(server, requestId)
    expect({ mode, contentEncryption, agents: agentIds.length }).toEqual({
      mode: 'threshold',
      contentEncryption: 'aes-256-gcm',
      agents: 3
    })
    const { threshold, keyHash, shares } = decodeThresholdSealedKey(sealed)
    expect({ threshold, shares: shares.length }).toEqual({ threshold: 2, shares: 3 })
    expect(toHex(keyHash)).toBe(createHash('sha256').update(publicKeyOf(accepted)).digest('hex'))
  })

  it('gives the key back to whom two of the agents hand their shares, and nothing to whom one does', async () => {
    const { requestId, accepted } = await enroll()
    const { sealed } = await sealedKeyOf(server, requestId)
    const recipient = await makeRecoveryAgent('Recipient')
    const transferred = await Promise.all(
      server.agents.slice(1).map(({ privateKey, certificate: agent }) =>
        transferShare({
          sealed,
          decrypter: decrypterOf(privateKey),
          agent,
          recipient: recipient.certificate,
          entropy: freshEntropy
        })
      )
    )
    const pkcs8 = accepted.privateKey.export({ format: 'der', type: 'pkcs8' })
    expect(await open(sealed, transferred, recipient)).toBe(toHex(pkcs8))
    expect(await rejectionOf(() => open(sealed, transferred.slice(1), recipient))).toBe('recovery_shares_missing')
  })
})

async function enroll(): Promise<{ readonly requestId: number; readonly accepted: AcceptedCertificate }> {
  await using request = server.connect(await server.addPrincipal())
  const exchange = await request.getCACertificate({ exchange: true })
  const enrollment = new Enrollment({ privateKeyArchiveCertificate: exchange, trust: server.root })
  const cmc = await enrollment.createRequest({ type: 'cmc', template: { name: 'UserEncryption' } })
  expect(await request.submit(cmc, { flags: CR_IN_CMC })).toBe(CR_DISP_ISSUED)
  const accepted = await enrollment.acceptResponse(await request.getFullResponseProperty(FR_PROP_FULLRESPONSE))
  return { requestId: request.requestId, accepted }
}

function publicKeyOf({ privateKey }: AcceptedCertificate): Buffer {
  return createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
}

function open(sealed: Uint8Array, transferred: readonly Uint8Array[], { privateKey }: RecoveryAgent): Promise<string> {
  const use = ({ plaintext }: { readonly plaintext: Uint8Array }): string => toHex(keyBlobToPkcs8(plaintext))
  return openWithShares({ sealed, transferred, decrypter: decrypterOf(privateKey), use })
}
