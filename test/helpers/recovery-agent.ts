import { createPrivateKey, type KeyObject } from 'node:crypto'
import { OID } from '@app/oid'
import { generateKeyPairOf, signerOf } from '@app/keys'
import {
  decodeCertificate,
  encodeCertificate,
  encodeExtendedKeyUsage,
  encodeKeyUsage,
  encodeName,
  encodeTbsCertificate,
  type Certificate
} from '@app/x509'
import { inject } from 'vitest'

/** A recovery agent with its private key, which no server ever has. */
export interface RecoveryAgent {
  readonly name: string
  readonly privateKey: KeyObject
  readonly certificate: Certificate
}

let serial = 1

/** So many agents, named by their numbers; the first have the keys that were made once for the run. */
export function makeRecoveryAgents(count: number): Promise<readonly RecoveryAgent[]> {
  const keys = inject('agentKeys')
  const make = (_: unknown, index: number): Promise<RecoveryAgent> => {
    const key = keys[index]
    const name = `Agent ${index + 1}`
    return key === undefined ? makeRecoveryAgent(name) : agentWith(name, createPrivateKey(key))
  }
  return Promise.all(Array.from({ length: count }, make))
}

/** An agent with a new key and a self-signed certificate, valid for a day around now. */
export async function makeRecoveryAgent(name: string, notAfter?: Date): Promise<RecoveryAgent> {
  const { privateKey } = await generateKeyPairOf('rsa-2048')
  return agentWith(name, privateKey, notAfter)
}

async function agentWith(name: string, privateKey: KeyObject, notAfter?: Date): Promise<RecoveryAgent> {
  const signer = signerOf(privateKey)
  const subject = encodeName([[{ type: OID.id_at_commonName, value: `${name} ${serial}` }]])
  const tbs = encodeTbsCertificate({
    serialNumber: Uint8Array.of(serial++ & 0x7f, 1),
    scheme: signer.scheme,
    issuer: subject,
    notBefore: new Date(Date.now() - 86_400_000),
    notAfter: notAfter ?? new Date(Date.now() + 86_400_000),
    subject,
    publicKey: signer.publicKey.raw,
    extensions: [
      { oid: OID.id_ce_keyUsage, critical: true, value: encodeKeyUsage(['keyEncipherment']) },
      { oid: OID.id_ce_extKeyUsage, critical: false, value: encodeExtendedKeyUsage([OID.szOID_KP_KEY_RECOVERY_AGENT]) }
    ]
  })
  const certificate = decodeCertificate(encodeCertificate(tbs, signer.scheme, await signer.sign(tbs)))
  return { name, privateKey, certificate }
}
