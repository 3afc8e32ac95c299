import { generateKeyPairSync } from 'node:crypto'
import { decodeEnvelopedData } from '@app/cms'
import { toHex } from '@app/core'
import { decrypterOf, publicHalfOf } from '@app/keys'
import { beforeAll, describe, expect, it } from 'vitest'
import { freshEntropy, rejectionOf, sampleRsaKey, transportCertificate } from '../../../test/helpers/escrow-samples.js'
import { codeOf } from '../../../test/helpers/x509-samples.js'
import {
  encodeCapiPrivateKeyBlob,
  encodeCngEccBlob,
  encodePkcs8KeyBlob,
  getAgentPart,
  openSealedKey,
  openWithShares,
  replaceAgentPart,
  sealToAgents,
  sealToThreshold,
  transferPart,
  transferShare,
  verifyPart,
  type SealEncryption
} from './index.js'

const archived = sampleRsaKey(0)
const [first, second, third, successor] = [1, 2, 3, 4].map(number => personOf(number)) as [
  Person,
  Person,
  Person,
  Person
]
const agents = [first, second, third].map(({ certificate }) => certificate)

type Person = ReturnType<typeof personOf>
function personOf(number: number) {
  const key = sampleRsaKey(number)
  return { decrypter: decrypterOf(key), certificate: transportCertificate(key, { serialNumber: number }) }
}

const handOn = (sealed: Uint8Array, from: Person, to: Person): Promise<Uint8Array> =>
  transferPart({
    held: getAgentPart(sealed, from.certificate),
    decrypter: from.decrypter,
    successor: to.certificate,
    entropy: freshEntropy
  })

async function resealed(sealed: Uint8Array): Promise<Uint8Array> {
  return replaceAgentPart(sealed, first.certificate, successor.certificate, await handOn(sealed, first, successor))
}

function openAlone(sealed: Uint8Array, { decrypter, certificate }: Person): Promise<string> {
  return openSealedKey({ sealed, decrypter, agentCertificate: certificate, use: ({ plaintext }) => toHex(plaintext) })
}

describe('a key that any agent opens alone, handed on to a successor', () => {
  const blob = encodeCapiPrivateKeyBlob(archived)
  const sealed = sealToAgents({ plaintext: blob, agents, entropy: freshEntropy })

  it('opens for the successor and for the other agents as before, and for the agent no more', async () => {
    const after = await resealed(sealed)
    expect(await openAlone(after, successor)).toBe(toHex(blob))
    expect(await openAlone(after, second)).toBe(toHex(blob))
    expect(await rejectionOf(() => openAlone(after, first))).toBe('not_found')
    const { encryptedContent, contentEncryption, recipients } = decodeEnvelopedData(after)
    const before = decodeEnvelopedData(sealed)
    expect({ encryptedContent, contentEncryption, count: recipients.length }).toEqual({
      encryptedContent: before.encryptedContent,
      contentEncryption: before.contentEncryption,
      count: 3
    })
    await verifyPart(getAgentPart(after, successor.certificate), successor.decrypter)
  })

  it('is told to be right for every kind of blob and of encryption, from a beginning that holds no private number', async () => {
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const blobs = [blob, encodePkcs8KeyBlob(archived), encodePkcs8KeyBlob(ec), encodeCngEccBlob(ec)]
    const encryptions: readonly SealEncryption[] = ['aes-256-cbc', 'aes-128-cbc', 'aes-256-gcm']
    for (const plaintext of blobs) {
      for (const contentEncryption of encryptions) {
        const key = sealToAgents({ plaintext, agents, contentEncryption, entropy: freshEntropy })
        expect(await openAlone(await resealed(key), successor)).toBe(toHex(plaintext))
      }
    }
  })

  it('is not handed on with a content key that is another', async () => {
    const other = getAgentPart(sealToAgents({ plaintext: blob, agents, entropy: freshEntropy }), first.certificate)
    const mixed = { ...getAgentPart(sealed, first.certificate), part: other.part }
    expect(await rejectionOf(() => verifyPart(mixed, first.decrypter))).toBe('recovery_share_invalid')
    const held = getAgentPart(sealed, first.certificate)
    expect(await rejectionOf(() => verifyPart(held, second.decrypter))).toBe('recovery_share_invalid')
  })

  it('takes no part but one for the successor alone, by the transport that the agent had', async () => {
    const toSecond = await handOn(sealed, first, second)
    const replace = (part: Uint8Array, to = successor) =>
      replaceAgentPart(sealed, first.certificate, to.certificate, part)
    expect(codeOf(() => replace(toSecond))).toBe('cms_structure')
    expect(codeOf(() => replace(toSecond, second))).toBe('conflict')
    const oaep = { scheme: 'rsaes-oaep', digest: 'sha256' } as const
    const otherwise = sealToAgents({
      plaintext: blob,
      agents: [successor.certificate],
      transport: oaep,
      entropy: freshEntropy
    })
    expect(codeOf(() => replace(getAgentPart(otherwise, successor.certificate).part))).toBe('cms_structure')
    expect(codeOf(() => replace(Buffer.from('3000', 'hex')))).not.toBe('internal')
  })
})

describe('a key that several agents open together, handed on to a successor', () => {
  const blob = encodeCapiPrivateKeyBlob(archived)
  let sealed: Uint8Array
  beforeAll(async () => {
    const publicKey = publicHalfOf(archived)
    sealed = await sealToThreshold({ plaintext: blob, publicKey, agents, threshold: 2, entropy: freshEntropy })
  })

  it('opens with the successor, and with what the agent had approved before', async () => {
    const recipient = third
    const transfer = (key: Uint8Array, { decrypter, certificate: agent }: Person) =>
      transferShare({ sealed: key, decrypter, agent, recipient: recipient.certificate, entropy: freshEntropy })
    const before = await transfer(sealed, first)
    const after = await resealed(sealed)
    await verifyPart(getAgentPart(after, successor.certificate), successor.decrypter)
    const other = await transfer(after, second)
    for (const share of [before, await transfer(after, successor)]) {
      const use = ({ plaintext }: { readonly plaintext: Uint8Array }) => toHex(plaintext)
      const opened = openWithShares({ sealed: after, transferred: [share, other], decrypter: recipient.decrypter, use })
      expect(await opened).toBe(toHex(blob))
    }
  })

  it('is not handed on with the share of another agent or of another key', async () => {
    const held = getAgentPart(sealed, first.certificate)
    const ofAnother = { ...held, part: await handOn(sealed, second, first) }
    expect(await rejectionOf(() => verifyPart(ofAnother, first.decrypter))).toBe('recovery_share_invalid')
    expect(await rejectionOf(() => verifyPart(held, second.decrypter))).toBe('cms_decrypt_failed')
    const toSecond = await handOn(sealed, first, second)
    const replace = (to: Person) => replaceAgentPart(sealed, first.certificate, to.certificate, toSecond)
    expect(codeOf(() => replace(successor))).toBe('cms_structure')
    expect(codeOf(() => replace(second))).toBe('conflict')
  })
})
